"""How long to wait before the next try: exponential back-off with full jitter."""

from __future__ import annotations

import os


class FullJitter:
    """Waits of a random part of a cap, which doubles from ``first`` to ``last`` seconds.

    So the devices of a fleet that lost the cloud at the same moment do not come back at the same moment.
    """

    def __init__(self, first: float, last: float) -> None:
        self._first = first
        self._last = last
        self._cap = first

    def next(self) -> float:
        """Seconds to wait before the next try."""
        cap, self._cap = self._cap, min(self._cap * 2, self._last)
        return cap * fraction()

    def reset(self) -> None:
        """A try was a success: begin anew."""
        self._cap = self._first


def fraction() -> float:
    """A random number from 0 to 1. The module made for it costs a resident daemon half a megabyte."""
    return int.from_bytes(os.urandom(4), "big") / 2**32
