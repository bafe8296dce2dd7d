"""One module per command or command group: it declares options and help for Typer, and says what to do.

A module is imported only when its command runs.
"""
