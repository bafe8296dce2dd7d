"""Start consentd as a program of its own: ``python -m ggl.consentd``."""

from ggl.program import main

main("consentd")
