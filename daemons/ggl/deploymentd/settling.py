"""When the components of a deployment are up, and when one of them never will be.

Pure: told of healths and of the time, it answers. A component is up when it is RUNNING or FINISHED. A ``run`` script
counts as RUNNING from the moment its process exists, so it must stay so for a moment: one that ends at once with an
error is not up. The moment is longer where starting the process took long, since everything is slow there, and for a
component that has failed since the deployment began.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

UP = ("RUNNING", "FINISHED")
BROKEN = "BROKEN"
ERRORED = "ERRORED"

SETTLE = 0.3
"""Seconds that a run script must run."""
SETTLE_AFTER_ERROR = 3.0
SETTLE_PER_START = 5.0
"""Seconds for each second that the process took to start; no more than ``SETTLE_AFTER_ERROR``."""


@dataclass
class _Seen:
    """What was last heard of one component."""

    state: str = ""
    reason: str = ""
    since: float = 0.0
    failed: bool = False
    starting: int = 0
    settle: float = SETTLE


class Settling:
    """``components`` are all that must be up; those in ``probation`` have a new run script. Times are seconds."""

    def __init__(self, components: Iterable[str], probation: Iterable[str] = ()) -> None:
        self._seen = {component: _Seen() for component in components}
        self._probation = set(probation)

    def tell(self, healths: Iterable[Mapping[str, Any]], now: float) -> None:
        for health in healths:
            seen = self._seen.get(str(health.get("component")))
            state = str(health.get("state"))
            if seen is None:
                continue
            if state != seen.state:
                seen.since = now
            seen.failed = seen.failed or state == ERRORED
            since = int(health.get("since") or 0)
            if state == "STARTING":
                seen.starting = since
            elif state == "RUNNING" and seen.starting:
                slow = SETTLE_PER_START * (since - seen.starting) / 1000
                seen.settle = min(max(SETTLE, slow), SETTLE_AFTER_ERROR)
            seen.state = state
            seen.reason = " ".join(str(health[key]) for key in ("status_code", "reason") if health.get(key))

    @property
    def states(self) -> dict[str, str]:
        return {component: seen.state for component, seen in self._seen.items() if seen.state}

    @property
    def broken(self) -> dict[str, str]:
        """The components that the host gave up on, with the reason."""
        return {component: seen.reason for component, seen in self._seen.items() if seen.state == BROKEN}

    @property
    def waiting(self) -> dict[str, str]:
        """The components that are not up, with their state and what is known about it."""
        return {
            component: f"{seen.state or 'unknown'}{f' ({seen.reason})' if seen.reason not in ('', 'NONE') else ''}"
            for component, seen in self._seen.items()
            if seen.state not in UP
        }

    def remaining(self, now: float) -> float | None:
        """Seconds until everything is up if nothing happens: 0 when it is, ``None`` when something must happen."""
        longest = 0.0
        for component, seen in self._seen.items():
            if seen.state not in UP:
                return None
            if seen.state == "RUNNING" and (component in self._probation or seen.failed):
                settle = SETTLE_AFTER_ERROR if seen.failed else seen.settle
                longest = max(longest, seen.since + settle - now)
        return longest
