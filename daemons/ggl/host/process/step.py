"""One process of a unit: a lifecycle script, from the fork to its end, with its time limit."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from ggl.bus.loop import Timer
from ggl.host.process.spawn import Child
from ggl.host.unit import Command
from ggl.runner import BEGINNING, EXIT_NOT_STARTED

if TYPE_CHECKING:
    from ggl.host.process.supervisor import Supervisor
    from ggl.host.unit import Unit

Outcome = tuple[str, int]
"""How a process ended: a ``result`` as in ``UnitStatus``, and its exit status or signal number."""


class Step:
    """Runs ``command`` of ``unit``; then calls ``on_end(outcome)``, once, unless it was abandoned before.

    ``on_exec`` is called when the script itself has begun. Past the time limit the outcome is ``timeout``: ending the
    process is up to the caller, as it always is. No callback comes before the constructor has returned.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        unit: Unit,
        command: Command,
        stage: str,
        on_end: Callable[[Outcome], None],
        on_exec: Callable[[], None] | None = None,
    ) -> None:
        self.pid = 0
        self.why = ""
        """Why the script did not begin."""
        self._supervisor = supervisor
        self._on_end: Callable[[Outcome], None] | None = on_end
        self._on_exec = on_exec
        self._timer: Timer | None = None
        self._status_fd = -1
        self._said = b""
        self._began = False
        loop = supervisor.loop
        try:
            child = supervisor.spawn_script(unit, command, stage)
        except OSError as error:
            self.why = f"cannot start a process: {error.strerror}"
            loop.call_soon(lambda: self._end(("exec-failed", EXIT_NOT_STARTED)))
            return
        self._watch(child)
        if command.timeout is not None:
            self._timer = loop.call_later(command.timeout, lambda: self._end(("timeout", 0)))

    def abandon(self) -> None:
        """Do not report any more; the process itself is ended by whoever calls this."""
        self._on_end = None
        self.lift_limit()

    def lift_limit(self) -> None:
        """It may take as long as it likes from now on."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _watch(self, child: Child) -> None:
        self.pid = child.pid
        self._status_fd = child.status_fd
        self._supervisor.loop.watch(child.status_fd, self._on_status)
        self._supervisor.reaper.expect(child.pid, self._exited)

    def _on_status(self, _events: int) -> None:
        try:
            while text := os.read(self._status_fd, 4096):
                self._said += text
        except BlockingIOError:
            return
        # The script has begun, or the child is gone: with a word why it could not, or killed before it could say one.
        self._close_status()
        self._began = self._said == BEGINNING
        if not self._began:
            said = self._said.removeprefix(BEGINNING).decode("utf-8", "replace").strip()
            self.why = said or "it ended before the script began"
        elif self._on_exec is not None and self._on_end is not None:
            self._on_exec()

    def _close_status(self) -> None:
        if self._status_fd >= 0:
            self._supervisor.loop.unwatch(self._status_fd)
            os.close(self._status_fd)
            self._status_fd = -1

    def _exited(self, status: int) -> None:
        if self._status_fd >= 0:
            # The end of the process may be known before what it said on its way is read.
            self._on_status(0)
            self._close_status()
        if os.WIFSIGNALED(status):
            self._end(("signal", os.WTERMSIG(status)))
            return
        code = os.waitstatus_to_exitcode(status)
        if not self._began:
            self._end(("exec-failed", code))
        else:
            self._end(("success" if code == 0 else "exit-code", code))

    def _end(self, outcome: Outcome) -> None:
        self.lift_limit()
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end(outcome)
