"""Start recoveryd by hand: ``python -m ggl.recoveryd``."""

from ggl.daemon import main

main("recoveryd")
