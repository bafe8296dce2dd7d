"""Start ipcd by hand: ``python -m ggl.ipcd``."""

from ggl.daemon import main

main("ipcd")
