"""Deployments that are interrupted in every way there is, at every step they persist. Slow: ``make test-crash``."""
