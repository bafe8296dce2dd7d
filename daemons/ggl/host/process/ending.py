"""Ending what is left of a unit: SIGTERM to every process group and stray it has, SIGKILL after five seconds."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ggl.bus.loop import Timer
from ggl.host.process.marker import has_ended, send
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.host.process.reaper import Reaper
    from ggl.host.process.supervisor import Supervisor

TERM_SECONDS = 5.0
"""What a component's processes get between SIGTERM and SIGKILL."""
KILL_SECONDS = 10.0
"""After so much SIGKILL, what is still there cannot be ended by us: a process in an uninterruptible call, or another
user's."""
_AGAIN_SECONDS = 0.002
_POLL_SECONDS = 0.02
_SLOW_POLL_SECONDS = 0.2

_log = get_logger("ggld")


class Ending:
    """Ends the processes of ``units``: those in ``groups``, and those that left them but carry the mark of one.

    ``done`` is called when none is left: at once if there are none to begin with.
    """

    def __init__(
        self, supervisor: Supervisor, units: tuple[str, ...], groups: set[int], done: Callable[[], None]
    ) -> None:
        self._supervisor = supervisor
        self._units = units
        self._groups = groups
        self._done = done
        self._strays: list[int] = []
        self._begun = 0.0
        self._kill_from = 0.0
        self._killing = False
        self._empty = False
        self._timer: Timer | None = None

    def begin(self, at_once: bool = False) -> None:
        """``at_once``: SIGKILL from the start."""
        self._begun = time.monotonic()
        self._kill_from = self._begun + (0.0 if at_once else TERM_SECONDS)
        self._killing = at_once
        # What is stopped (SIGSTOP) can only end in order when it is let go on.
        for number in (signal.SIGKILL,) if at_once else (signal.SIGTERM, signal.SIGCONT):
            self._signal(number)
        self._empty = not self._groups and not self._strays
        self._check()

    def cancel(self) -> None:
        """Leave the processes alone from now on, and call nobody."""
        if self._timer is not None:
            self._timer.cancel()

    def _signal(self, number: int) -> None:
        for group in list(self._groups):
            _send_group(group, number, self._supervisor.reaper)
        # Groups first: most units have no strays once their groups are gone.
        self._strays = self._find_strays()
        send(self._strays, number)

    def _find_strays(self) -> list[int]:
        strays = self._supervisor.strays
        return [pid for unit in self._units for pid in strays.of(unit) if not _in_groups(pid, self._groups)]

    def _check(self) -> None:
        now = time.monotonic()
        reaper = self._supervisor.reaper
        for group in list(self._groups):
            if not group_exists(group, reaper):
                self._groups.discard(group)
        if not self._groups:
            self._strays = [pid for pid in self._strays if not has_ended(pid)] or self._find_strays()
            if self._empty and not self._strays:
                self._done()
                return
            # Looked for twice: what ended meanwhile may have left a child that was not there at the first look.
            self._empty = not self._strays
        if now >= self._kill_from and (self._groups or self._strays):
            if now >= self._kill_from + KILL_SECONDS:
                _log.error("%s: SIGKILL does not end it; its processes are left alone", self._units[0])
                self._done()
                return
            if not self._killing:
                _log.warning("%s: SIGTERM did not end it within %g s, sending SIGKILL", self._units[0], TERM_SECONDS)
            self._killing = True
            self._signal(signal.SIGKILL)
        delay = _POLL_SECONDS if now < max(self._begun, self._kill_from) + 1.0 else _SLOW_POLL_SECONDS
        delay = _AGAIN_SECONDS if self._empty else delay
        self._timer = self._supervisor.loop.call_later(delay, self._check)


def group_exists(group: int, reaper: Reaper) -> bool:
    """Whether the process group has members, or will have: its leader was forked and is not reaped yet."""
    if reaper.expects(group):
        return True
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # a privileged helper of the component
    return True


def _send_group(group: int, number: int, reaper: Reaper) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        # A child that was forked just now has no group yet.
        if reaper.expects(group):
            send([group], number)
    except PermissionError:
        pass


def _in_groups(pid: int, groups: set[int]) -> bool:
    try:
        return os.getpgid(pid) in groups
    except ProcessLookupError:
        return True
