"""Start pubsubd by hand: ``python -m ggl.pubsubd``."""

from ggl.daemon import main

main("pubsubd")
