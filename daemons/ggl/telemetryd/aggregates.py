"""What the values of metrics add up to in one interval, within limits. Pure: the time comes from outside.

An interval begins with its first value and ends after ``INTERVAL``, or when the clock is set back by more than that.
Namespaces and metrics are kept in the order of their last value: when there are too many, those go that were silent for
longest.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from ggl.values import get_float, get_int, get_str

INTERVAL = 3600 * 1000
"""Milliseconds."""
MAX_NAMESPACES = 32
MAX_METRICS = 64
"""Metrics of one namespace; the same name with another unit is another one."""


@dataclass(frozen=True, slots=True)
class Aggregate:
    """The values of one metric in one interval; ``time`` is that of the last one, in ms since the epoch."""

    name: str
    unit: str
    sum: float
    count: int
    min: float
    max: float
    last: float
    time: int

    def merged(self, later: Aggregate) -> Aggregate:
        """This one and, of the same metric, what came after it."""
        return replace(
            later,
            # What is stored must be a finite number.
            sum=min(self.sum + later.sum, sys.float_info.max),
            count=self.count + later.count,
            min=min(self.min, later.min),
            max=max(self.max, later.max),
        )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Aggregate:
        """Raises ``InvalidValue``."""
        return cls(
            name=get_str(data, "name"),
            unit=get_str(data, "unit"),
            sum=get_float(data, "sum"),
            count=get_int(data, "count"),
            min=get_float(data, "min"),
            max=get_float(data, "max"),
            last=get_float(data, "last"),
            time=get_int(data, "time"),
        )


Metrics = dict[tuple[str, str], Aggregate]


def value_of(name: str, unit: str, value: float, now: int) -> Aggregate:
    """One value, as something to be added up."""
    return Aggregate(name, unit, value, 1, value, value, value, now)


class Interval:
    """``begin`` is in ms since the epoch. ``complain`` is told what has been left out."""

    def __init__(self, begin: int, complain: Callable[[str], None]) -> None:
        self.begin = begin
        self._complain = complain
        self._left_out = 0
        self._namespaces: dict[str, Metrics] = {}

    def is_over(self, now: int) -> bool:
        return not self.begin - INTERVAL < now < self.begin + INTERVAL

    def add(self, namespace: str, later: Aggregate) -> None:
        metrics = self._namespaces.pop(namespace, None)
        if metrics is None:
            metrics = {}
            if len(self._namespaces) >= MAX_NAMESPACES:
                silent = next(iter(self._namespaces))
                del self._namespaces[silent]
                self._leave_out(f"the metrics of {silent} are left out: {MAX_NAMESPACES} others have some")
        self._namespaces[namespace] = metrics
        key = later.name, later.unit
        earlier = metrics.pop(key, None)
        if earlier is None and len(metrics) >= MAX_METRICS:
            name, unit = next(iter(metrics))
            del metrics[name, unit]
            self._leave_out(f"{name} ({unit}) of {namespace} is left out: it has {MAX_METRICS} other metrics")
        metrics[key] = later if earlier is None else earlier.merged(later)

    def put_before(self, namespace: str, earlier: Iterable[Aggregate]) -> None:
        """Take in what the same interval had before this began to count, as far as there is room."""
        metrics = self._namespaces.get(namespace)
        if metrics is None:
            if len(self._namespaces) >= MAX_NAMESPACES:
                return
            metrics = self._namespaces[namespace] = {}
        for each in earlier:
            key = each.name, each.unit
            if key in metrics:
                metrics[key] = each.merged(metrics[key])
            elif len(metrics) < MAX_METRICS:
                metrics[key] = each

    def of(self, namespace: str) -> list[Aggregate]:
        return list(self._namespaces.get(namespace, {}).values())

    def _leave_out(self, what: str) -> None:
        self._left_out += 1
        if self._left_out & (self._left_out - 1) == 0:  # the first, and then ever less often
            self._complain(f"{what} (left out so far: {self._left_out})")

    def __iter__(self) -> Iterator[str]:
        return iter(self._namespaces)
