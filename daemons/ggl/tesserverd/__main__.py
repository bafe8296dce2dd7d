"""Start tesserverd as a program of its own: ``python -m ggl.tesserverd``."""

from ggl.program import main

main("tesserverd")
