"""A token bucket: so much a second on average, and no more than a second's worth at once. Pure."""

from __future__ import annotations


class Bucket:
    """``rate``: tokens that come in each second. Times are seconds of a clock that only goes forward."""

    __slots__ = ("_at", "_rate", "_tokens")

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._tokens = rate
        self._at = now

    def wait(self, amount: float, now: float) -> float:
        """Seconds until ``amount`` can be taken; 0: now. More than ever fits can be taken from a full bucket."""
        self._tokens = min(self._rate, self._tokens + (now - self._at) * self._rate)
        self._at = now
        return max(0.0, (min(amount, self._rate) - self._tokens) / self._rate)

    def take(self, amount: float) -> None:
        """To be called when ``wait`` has returned 0."""
        self._tokens -= amount
