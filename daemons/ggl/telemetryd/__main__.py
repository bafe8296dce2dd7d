"""Start telemetryd as a program of its own: ``python -m ggl.telemetryd``."""

from ggl.program import main

main("telemetryd")
