"""Benchmarks: ``make bench`` prints them as ratios to a ping-pong written in C, measured in the same run."""
