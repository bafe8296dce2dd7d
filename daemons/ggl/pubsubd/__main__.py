"""Start pubsubd as a program of its own: ``python -m ggl.pubsubd``."""

from ggl.program import main

main("pubsubd")
