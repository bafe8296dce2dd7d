"""Start consentd by hand: ``python -m ggl.consentd``."""

from ggl.daemon import main

main("consentd")
