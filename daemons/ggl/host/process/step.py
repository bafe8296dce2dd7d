"""One process of a unit: a lifecycle script, from the fork to its end, with its time limit."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from ggl.bus.loop import Timer
from ggl.host.process.spawn import Child
from ggl.host.unit import Command
from ggl.runner import BEGINNING, EXIT_LACKING

if TYPE_CHECKING:
    from ggl.host.process.supervisor import Supervisor
    from ggl.host.unit import Unit

Outcome = tuple[str, int]
"""How a process ended: a ``result`` as in ``UnitStatus``, and its exit status or signal number."""


FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0
"""Seconds before another try when the device or the runtime lacks what a process needs; doubled each time."""


class Step:
    """Runs ``command`` of ``unit``; then calls ``on_end(outcome)``, once, unless it was abandoned before.

    ``on_exec`` is called when the script itself has begun. Past the time limit the outcome is ``timeout``: ending the
    process is up to the caller, as it always is. No callback comes before ``begin`` has returned.

    When the device lacks what a process needs (processes, memory, disk space), or a daemon of the runtime does not
    answer, that is no error of the script: it is tried again until it works, and ``on_delay(why)`` is called before
    each further try. Only shutdown and recover scripts give that up, with their time limit.

    ``cgroups``: see ``ggl.runner.become_script``.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        unit: Unit,
        command: Command,
        stage: str,
        on_end: Callable[[Outcome], None],
        on_exec: Callable[[], None] | None = None,
        on_delay: Callable[[str], None] | None = None,
        cgroups: tuple[str, ...] = (),
    ) -> None:
        self.pid = 0
        self.why = ""
        """Why the script did not begin, or was not allowed to go on."""
        self._supervisor = supervisor
        self._unit = unit
        self._command = command
        self._stage = stage
        self._cgroups = cgroups
        self._on_end: Callable[[Outcome], None] | None = on_end
        self._on_exec = on_exec
        self._on_delay = on_delay
        self._on_fork: Callable[[int], object]
        self._timer: Timer | None = None
        self._next_try: Timer | None = None
        self._delay = FIRST_DELAY
        self._status_fd = -1
        self._said = b""
        self._began = False

    def begin(self, on_fork: Callable[[int], object]) -> None:
        """``on_fork`` is called with each new process id, which is that of a process group as well."""
        self._on_fork = on_fork
        if self._stage != "start":
            self._start_limit()
        self._fork()

    def _start_limit(self) -> None:
        seconds = self._command.timeout
        if seconds is None or self._timer is not None:
            return

        def over() -> None:
            self.why = f"did not finish within {seconds:g} s" + (f" ({self.why})" if self.why else "")
            self._end(("timeout", 0))

        self._timer = self._supervisor.loop.call_later(seconds, over)

    def _fork(self) -> None:
        self._next_try = None
        self._said = b""
        self._began = False
        try:
            child = self._supervisor.children.spawn_script(self._unit, self._command, self._stage, self._cgroups)
        except OSError as error:
            self._try_later(f"cannot start a process: {error.strerror}")
            return
        self._on_fork(child.pid)
        self._watch(child)
        self._start_limit()

    def _try_later(self, why: str) -> None:
        """The device lacks something: that must break no component."""
        self.pid = 0
        self.why = why
        if self._stage == "start":
            self.lift_limit()  # it did not begin
        loop = self._supervisor.loop
        self._next_try = loop.call_later(self._delay, self._fork)
        self._delay = min(self._delay * 2, LONGEST_DELAY)
        loop.call_soon(self._tell_delay)

    def _tell_delay(self) -> None:
        if self._on_delay is not None and self._on_end is not None:
            self._on_delay(self.why)

    def abandon(self) -> None:
        """Do not report any more; the process itself is ended by whoever calls this."""
        self._on_end = None
        self._stop_trying()
        self.lift_limit()

    def _stop_trying(self) -> None:
        if self._next_try is not None:
            self._next_try.cancel()
            self._next_try = None

    def lift_limit(self) -> None:
        """It may take as long as it likes from now on."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _watch(self, child: Child) -> None:
        self.pid = child.pid
        self._status_fd = child.status_fd
        self._supervisor.loop.watch(child.status_fd, self._on_status)
        self._supervisor.reaper.expect(child.pid, self._exited, self._unit.name)

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
        else:
            self.why = ""
            if self._on_exec is not None and self._on_end is not None:
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
        if not self._began and code == EXIT_LACKING and self._on_end is not None:
            self._try_later(self.why)
        elif not self._began:
            self._end(("exec-failed", code))
        else:
            self._end(("success" if code == 0 else "exit-code", code))

    def _end(self, outcome: Outcome) -> None:
        self._stop_trying()
        self.lift_limit()
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end(outcome)
