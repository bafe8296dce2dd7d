"""Start deploymentd as a program of its own: ``python -m ggl.deploymentd``."""

from ggl.program import main

main("deploymentd")
