"""Ending what is left of a unit: SIGTERM to every process group and stray it has, SIGKILL after five seconds."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from ggl.bus.loop import Loop
from ggl.host.process.marker import mark, marked, send
from ggl.log import get_logger

TERM_SECONDS = 5.0
"""What a component's processes get between SIGTERM and SIGKILL."""
_POLL_SECONDS = 0.02

_log = get_logger("ggld")


class Ending:
    """Ends the processes of ``unit``: those in ``groups``, and those that left them but carry its mark.

    ``done`` is called when none is left: at once if there are none to begin with.
    """

    def __init__(self, loop: Loop, state: Path, unit: str, groups: set[int], done: Callable[[], None]) -> None:
        self._loop = loop
        self._mark = mark(state, unit)
        self._unit = unit
        self._groups = groups
        self._done = done
        self._waited = 0.0
        self._strays: list[int] = []
        self._killing = False
        self._signal(signal.SIGTERM)
        self._check()

    def _signal(self, number: int) -> None:
        for group in list(self._groups):
            try:
                os.killpg(group, number)
            except ProcessLookupError:
                self._groups.discard(group)
            except PermissionError:
                pass  # a privileged helper of the component; its leader still counts
        # Groups first: most units have no strays once their groups are gone.
        self._strays = [pid for pid in marked(self._mark, whole=True) if not _in_groups(pid, self._groups)]
        send(self._strays, number)

    def _check(self) -> None:
        for group in list(self._groups):
            if not _alive(-group):
                self._groups.discard(group)
        self._strays = [pid for pid in self._strays if _alive(pid)]
        if not self._groups and not self._strays:
            if self._waited:
                self._strays = list(marked(self._mark, whole=True))
            if not self._strays:
                self._done()
                return
        self._waited += _POLL_SECONDS
        if self._waited >= TERM_SECONDS:
            if not self._killing:
                _log.warning("%s: SIGTERM did not end it within %g s, sending SIGKILL", self._unit, TERM_SECONDS)
            self._killing = True
        if self._killing:
            self._signal(signal.SIGKILL)
        self._loop.call_later(_POLL_SECONDS, self._check)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _in_groups(pid: int, groups: set[int]) -> bool:
    try:
        return os.getpgid(pid) in groups
    except ProcessLookupError:
        return True
