"""Start jobsd as a program of its own: ``python -m ggl.jobsd``."""

from ggl.program import main

main("jobsd")
