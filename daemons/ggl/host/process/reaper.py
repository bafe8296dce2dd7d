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
        self._expected: dict[int, Callable[[int], None]] = {}
        loop.on_signal(signal.SIGCHLD, self.reap)

    def expect(self, pid: int, callback: Callable[[int], None]) -> None:
        self._expected[pid] = callback

    def reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            callback = self._expected.pop(pid, None)
            if callback is None:
                continue
            try:
                callback(status)
            except Exception:
                _log.exception("handling the end of process %d failed", pid)
