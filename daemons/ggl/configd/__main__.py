"""Start configd as a program of its own: ``python -m ggl.configd``."""

from ggl.program import main

main("configd")
