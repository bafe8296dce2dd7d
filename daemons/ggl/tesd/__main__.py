"""Start tesd as a program of its own: ``python -m ggl.tesd``."""

from ggl.program import main

main("tesd")
