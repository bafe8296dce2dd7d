"""Benchmarks: ``make bench`` prints them as ratios to a ping-pong written in C, measured in the same run."""

PATIENCE = 300.0
"""Seconds for an answer: a busy machine makes a figure worse, and is no reason to have none."""
