"""Large messages of which a part has come: what they hold in memory, over all connections. Pure."""

from __future__ import annotations

from typing import Protocol

LARGE = 64 * 1024
"""Bytes of a part from which on it counts."""
MAX_UNFINISHED = 32 * 1024 * 1024
"""Bytes of all parts that count. A message of the largest size fits."""


class Holder(Protocol):
    """A connection."""

    def cut(self, reason: str) -> None: ...


class Unfinished:
    """When there is too much, those who began first go: who really sends a message is done with it soon."""

    def __init__(self) -> None:
        self._parts: dict[Holder, int] = {}
        self._total = 0

    def update(self, holder: Holder, size: int) -> bool:
        """``holder`` has ``size`` bytes of a message now; whether they count."""
        self._total += size - self._parts.get(holder, 0)
        if size <= LARGE:
            self._total -= size
            self._parts.pop(holder, None)
            return False
        self._parts[holder] = size
        while self._total > MAX_UNFINISHED:
            oldest = next(iter(self._parts))
            self._total -= self._parts.pop(oldest)
            oldest.cut(f"its unfinished message takes memory that others need, over {MAX_UNFINISHED} bytes in all")
        return holder in self._parts
