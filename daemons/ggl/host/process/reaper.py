"""Waiting for children: every process that ends below the supervisor is reaped, whoever its parent was.

(As PID 1 the supervisor is the parent of orphans anyway; elsewhere ``launch`` makes it a subreaper.)
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from ggl.bus.loop import Loop
from ggl.log import get_logger

_log = get_logger("ggld")


class Reaper:
    """Calls back with the wait status of the processes that somebody expects; reaps the others silently."""

    def __init__(self, loop: Loop) -> None:
        self._expected: dict[int, tuple[Callable[[int], None], str]] = {}
        self.after_each: Callable[[], None] = lambda: None
        """Called after each process that was reaped."""
        loop.on_signal(signal.SIGCHLD, self.reap)

    def expect(self, pid: int, callback: Callable[[int], None], unit: str = "") -> None:
        """``unit``: whose process it is."""
        self._expected[pid] = callback, unit

    def expects(self, pid: int) -> bool:
        """It was forked and is not reaped yet, so that its number can be nobody else's."""
        return pid in self._expected

    def unit_of(self, pid: int) -> str:
        """The unit for which it was forked, if it is not reaped yet; else empty."""
        return self._expected.get(pid, (_nobody, ""))[1]

    def reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            try:
                self._expected.pop(pid, (_nobody, ""))[0](status)
                self.after_each()
            except Exception:
                _log.exception("handling the end of process %d failed", pid)


def _nobody(_status: int) -> None:
    """An orphan that became our child: it is enough that it is reaped."""
