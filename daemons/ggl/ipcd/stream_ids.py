"""Which stream ids of a connection have been used. Pure."""

from __future__ import annotations

_MAX_SKIPPED = 1024
"""Skipped ids that may still come; older ones count as used."""


class StreamIds:
    """Clients count upwards, but threads of a client may overtake one another."""

    __slots__ = ("_highest", "_skipped")

    def __init__(self) -> None:
        self._highest = 0
        self._skipped: set[int] = set()

    def take(self, number: int) -> bool:
        """Whether ``number`` was never used before; it is used from now on."""
        if number == self._highest + 1:
            self._highest = number
            return True
        if number > self._highest:
            self._skipped.update(range(max(self._highest + 1, number - _MAX_SKIPPED), number))
            if len(self._skipped) > _MAX_SKIPPED:
                self._skipped = set(sorted(self._skipped)[-_MAX_SKIPPED:])
            self._highest = number
            return True
        if number in self._skipped:
            self._skipped.remove(number)
            return True
        return False
