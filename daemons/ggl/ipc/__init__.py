"""Greengrass IPC as the daemons share it: the table of operations, its errors, and how a daemon serves an operation."""
