"""Whether what failed is up again: a verdict on what the host says, and how long it must last. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ggl.host.status import UnitStatus
from ggl.recoveryd.record import Failure

# Verdicts.
FAILED = "failed"
"""The host has given up."""
UNTOLD = "untold"
"""It is down, but of a failure that was answered before, or the host's word of this one is still to come."""
PENDING = "pending"
"""It is on its way, or waits for something."""
UP = "up"
DONE = "done"
"""It did what it had to do, or leaves in peace until it is needed."""
STOPPED = "stopped"
"""Somebody wants it down."""
GONE = "gone"

PHASES = ("main", "install")
WORD_SECONDS = 30.0
"""What a unit that is shown as given up gets until it starts again or the host's word of its failure is there."""


def judge(failure: Failure, units: Iterable[UnitStatus]) -> str:
    """The verdict on what ``failure`` is about. ``units``: all that the host has."""
    if failure.is_core:
        return _core(next((unit for unit in units if unit.name == failure.unit), None))
    own = own_units(failure, units)
    if not own:
        return GONE
    # The main unit tells what is wanted; of a component that is only installed, the install unit.
    unit = next((unit for unit in own if unit.phase != "install"), own[0])
    if not unit.wanted and unit.active_state in ("inactive", "failed"):
        return STOPPED
    if any(unit.active_state == "failed" for unit in own):
        return FAILED
    if unit.active_state == "active":
        return DONE if unit.phase == "install" else UP
    if unit.active_state != "inactive":
        return PENDING
    return DONE if unit.started and unit.sub_state == "dead" and unit.result == "success" else PENDING


def own_units(failure: Failure, units: Iterable[UnitStatus]) -> list[UnitStatus]:
    """The units of the component that failed."""
    component = failure.component
    return [
        unit
        for unit in units
        if unit.name == failure.unit or (component and unit.component == component and unit.phase in PHASES)
    ]


def pid_of(failure: Failure, units: Iterable[UnitStatus]) -> int:
    """The process that must last; 0 if there is none."""
    own = own_units(failure, units)
    return next((unit.main_pid for unit in own if unit.phase != "install"), 0)


def failed_at(failure: Failure, units: Iterable[UnitStatus]) -> int:
    """When the host gave up, in milliseconds since the epoch."""
    return max((unit.since for unit in own_units(failure, units) if unit.active_state == "failed"), default=0)


def _core(unit: UnitStatus | None) -> str:
    if unit is None:
        return GONE
    if unit.active_state == "failed":
        return FAILED
    if unit.active_state == "active":
        return UP
    # Between two attempts of the host a daemon is inactive with a bad result; an idle one left in peace.
    return DONE if unit.started and unit.result == "success" else PENDING


class Word:
    """Waits for the host's word of a failure, which comes a little later than the failure is seen.

    Until then the host may not even have counted the error; and who has acted meanwhile would take the word, when it
    comes, for that of another failure, and hold it against what was just done.
    """

    def __init__(self) -> None:
        self._seen: float | None = None

    def look(self, verdict: str, is_due: bool, now: float) -> str:
        """``verdict``; ``UNTOLD`` in place of ``FAILED`` as long as word of that is due and may still come (a disk that
        is full takes none)."""
        if verdict != FAILED or not is_due:
            self._seen = None
            return verdict
        self._seen = now if self._seen is None else self._seen
        return FAILED if now - self._seen >= WORD_SECONDS else UNTOLD


class Watch:
    """Waits for a verdict that lasts: up for ``settle`` seconds on end, within ``timeout`` seconds from now on.

    Times are those of a monotonic clock. ``UNTOLD`` is for ``Word`` to end.
    """

    def __init__(self, settle: float, timeout: float, now: float) -> None:
        self._settle = settle
        self._deadline = now + timeout + settle
        self._up_since: float | None = None
        self._pid = 0

    def look(self, verdict: str, pid: int, now: float) -> str:
        """``UP``, ``FAILED``, ``STOPPED``, ``GONE``; ``PENDING`` as long as it cannot be said."""
        if verdict in (FAILED, STOPPED, GONE):
            return verdict
        if verdict == DONE:
            return UP
        if verdict == UP:
            if self._up_since is None or pid != self._pid:
                self._up_since, self._pid = now, pid
            if now - self._up_since >= self._settle:
                return UP
        else:
            self._up_since = None
        # What is not up by then did not come up; what came up late still gets its time to settle.
        return FAILED if now >= self._deadline and self._up_since is None else PENDING
