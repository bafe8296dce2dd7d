"""Start deploymentd by hand: ``python -m ggl.deploymentd``."""

from ggl.daemon import main

main("deploymentd")
