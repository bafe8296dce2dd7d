"""When to give up on a unit that keeps failing.

The rule of the Greengrass nucleus: errors are counted for each phase (starting, running) on its own; a phase that
succeeds clears its count; an error that comes an hour or more after the one before starts the count anew; the third in
a row is the last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class Failures:
    """The errors of one unit. ``burst`` errors, each within ``interval`` seconds of the one before, exhaust it.

    ``times``: the errors of earlier, for each phase, if they were kept.
    """

    __slots__ = ("burst", "interval", "times")

    def __init__(self, burst: int, interval: float, times: Mapping[str, Sequence[float]] | None = None) -> None:
        self.burst = burst
        self.interval = interval
        self.times = {phase: list(each) for phase, each in (times or {}).items()}

    def record(self, phase: str, now: float) -> bool:
        """Count an error in ``phase`` at time ``now`` (seconds). True when the unit is exhausted."""
        times = self.times.setdefault(phase, [])
        if times and now - times[-1] >= self.interval:
            times.clear()
        times.append(now)
        return 0 < self.burst <= len(times)

    def succeeded(self, phase: str) -> None:
        self.times.pop(phase, None)

    def clear(self) -> None:
        self.times.clear()


class BackOff:
    """How long to wait before a core daemon is started again: at once, then doubling up to ``longest`` seconds.

    A run of at least ``healthy`` seconds sets it back. After ``burst`` quick failures in a row the daemon is left alone
    for ``cool_down`` seconds.
    """

    __slots__ = ("burst", "cool_down", "count", "first", "healthy", "longest")

    def __init__(
        self,
        first: float = 0.05,
        longest: float = 5.0,
        healthy: float = 10.0,
        burst: int = 10,
        cool_down: float = 30.0,
    ) -> None:
        self.first = first
        self.longest = longest
        self.healthy = healthy
        self.burst = burst
        self.cool_down = cool_down
        self.count = 0

    def failed(self, ran_for: float) -> tuple[float, bool]:
        """A run of ``ran_for`` seconds ended badly: the seconds to wait, and whether the limit was reached."""
        if ran_for >= self.healthy:
            self.count = 0
        self.count += 1
        if self.count >= self.burst:
            self.count = 0
            return self.cool_down, True
        return min(self.first * 2 ** (self.count - 1), self.longest), False

    def reset(self) -> None:
        self.count = 0
