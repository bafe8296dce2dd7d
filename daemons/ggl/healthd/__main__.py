"""Start healthd by hand: ``python -m ggl.healthd``."""

from ggl.daemon import main

main("healthd")
