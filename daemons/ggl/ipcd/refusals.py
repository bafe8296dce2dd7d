"""What was refused lately: which component asked for what how often, for whoever wonders why something does not work.

Kept in memory only, and bounded: the refusals that were repeated longest ago are forgotten first.
"""

from __future__ import annotations

import time
from typing import Any

MAX_REFUSALS = 256
"""Different refusals of all components together."""
_MAX_SHOWN = 256


class Refusals:
    def __init__(self) -> None:
        self._seen: dict[tuple[str, str, str], list[int]] = {}

    def add(self, component: str, operation: str, resource: str) -> None:
        now = int(time.time() * 1000)
        key = component, operation, resource[:_MAX_SHOWN]
        # Taken out and put in again: the order is that of the last time.
        seen = self._seen.pop(key, None)
        if seen is None:
            seen = [0, now, now]
            if len(self._seen) >= MAX_REFUSALS:
                del self._seen[next(iter(self._seen))]
        seen[0] += 1
        seen[2] = now
        self._seen[key] = seen

    def of(self, component: str) -> list[dict[str, Any]]:
        """The refusals of ``component``, the latest first; times in milliseconds since the epoch."""
        return [
            {"operation": operation, "resource": resource, "count": count, "first": first, "last": last}
            for (name, operation, resource), (count, first, last) in reversed(self._seen.items())
            if name == component
        ]
