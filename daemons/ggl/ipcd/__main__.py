"""Start ipcd as a program of its own: ``python -m ggl.ipcd``."""

from ggl.program import main

main("ipcd")
