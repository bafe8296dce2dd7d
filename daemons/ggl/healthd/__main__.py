"""Start healthd as a program of its own: ``python -m ggl.healthd``."""

from ggl.program import main

main("healthd")
