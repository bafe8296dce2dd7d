"""What waits for components that do not read: what it holds in memory, over all connections. Pure."""

from __future__ import annotations

from typing import Protocol

LARGE = 64 * 1024
"""Bytes from which on they count."""
MAX_WAITING = 64 * 1024 * 1024
"""Bytes of all that counts. What the limit of one connection lets through fits several times."""


class Reader(Protocol):
    """A connection."""

    def abort(self, reason: str) -> None: ...


class Waiting:
    """When there is too much, the connection for which most waits goes: one component with many connections must not
    cost all others theirs, which an end for want of memory would."""

    def __init__(self) -> None:
        self._sizes: dict[Reader, int] = {}
        self._total = 0

    def update(self, reader: Reader, size: int) -> None:
        """``size`` bytes wait for ``reader`` now."""
        self._total += size - self._sizes.get(reader, 0)
        if size <= LARGE:
            self._total -= size
            self._sizes.pop(reader, None)
            return
        self._sizes[reader] = size
        if self._total > MAX_WAITING:
            slowest = max(self._sizes, key=self._sizes.__getitem__)
            size = self._sizes.pop(slowest)
            self._total -= size
            slowest.abort(f"it does not read: {size} of the {self._total + size} bytes that wait in all are for it")
