"""Start iotcored as a program of its own: ``python -m ggl.iotcored``."""

from ggl.program import main

main("iotcored")
