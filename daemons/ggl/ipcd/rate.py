"""How many messages a connection may send in a second. Pure."""

from __future__ import annotations

import time

MAX_PER_SECOND = 20_000
"""Messages that are taken from one connection in a second; what is more waits in the socket until the next one."""


class Rate:
    """A budget for each second, which begins when the one before is used up."""

    __slots__ = ("_left", "_since")

    def __init__(self) -> None:
        self._left = MAX_PER_SECOND
        self._since = 0.0

    def spend(self, messages: int) -> float:
        """Count ``messages``; returns the seconds to wait before the next ones."""
        self._left -= messages
        if self._left >= 0:
            return 0.0
        now = time.monotonic()
        wait = max(0.0, self._since + 1.0 - now)
        self._left += MAX_PER_SECOND
        self._since = now + wait
        return wait
