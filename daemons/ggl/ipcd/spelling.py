"""What a misspelt name was probably meant to be. Pure; the standard library's way would cost this daemon a megabyte."""

from __future__ import annotations

from collections.abc import Iterable

_ALIKE = 0.75
"""How alike two names are at least, from 0 to 1: one minus their distance in parts of the longer one."""


def closest(name: str, known: Iterable[str]) -> str:
    """The one of ``known`` that is most like ``name``; empty when none is."""
    best, likeness = "", _ALIKE
    for candidate in known:
        longer = max(len(name), len(candidate), 1)
        # Names whose lengths differ by more cannot be alike: it need not be found out how far they are apart.
        if abs(len(name) - len(candidate)) <= (1 - likeness) * longer:
            found = 1 - _distance(name, candidate) / longer
            if found >= likeness:
                best, likeness = candidate, found
    return best


def _distance(one: str, other: str) -> int:
    """Characters to insert, delete or replace to make ``other`` of ``one``."""
    before = list(range(len(other) + 1))
    for row, character in enumerate(one, 1):
        now = [row]
        for column, compared in enumerate(other, 1):
            now.append(min(before[column] + 1, now[-1] + 1, before[column - 1] + (character != compared)))
        before = now
    return before[-1]
