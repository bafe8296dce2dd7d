"""Start fleetstatusd as a program of its own: ``python -m ggl.fleetstatusd``."""

from ggl.program import main

main("fleetstatusd")
