"""Counting what came: numbers that are missing, that came twice or too late, and how long they took."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field


@dataclass
class Sequence:
    """The messages of one publisher, numbered from 1, as one subscriber sees them."""

    highest: int = 0
    duplicated: int = 0
    reordered: int = 0
    missing: set[int] = field(default_factory=set)

    def take(self, number: int) -> None:
        if number == self.highest + 1:
            self.highest = number
        elif number > self.highest:
            self.missing.update(range(self.highest + 1, number))
            self.highest = number
        elif number in self.missing:
            self.missing.remove(number)
            self.reordered += 1
        else:
            self.duplicated += 1

    def lost(self, published: int) -> int:
        """How many of ``published`` messages have not come."""
        return len(self.missing) + published - self.highest


class Latencies:
    """Of messages, in milliseconds."""

    def __init__(self) -> None:
        self._values = array("d")

    def add(self, nanoseconds: int) -> None:
        self._values.append(nanoseconds / 1e6)

    def summary(self) -> tuple[float, float, float]:
        """The median, the 99th percentile and the maximum."""
        values = sorted(self._values) or [0.0]
        return values[len(values) // 2], values[len(values) * 99 // 100], values[-1]
