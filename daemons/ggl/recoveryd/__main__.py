"""Start recoveryd as a program of its own: ``python -m ggl.recoveryd``."""

from ggl.program import main

main("recoveryd")
