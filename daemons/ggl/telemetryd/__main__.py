"""Start telemetryd by hand: ``python -m ggl.telemetryd``."""

from ggl.daemon import main

main("telemetryd")
