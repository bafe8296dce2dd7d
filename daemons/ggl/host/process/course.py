"""The course of a unit: what happens by itself from its start to its end, with retries.

``activating`` → ``active`` → ``deactivating`` → ``inactive`` is a life without errors. An error leads to
``auto-restart``: the recover script, the shutdown script, the end of what is left, a delay, and the next try; the third
in a row to ``failed``. A unit whose dependencies are not ready waits in ``inactive``/``waiting``.

Whatever is under way is one sequence (``ggl.host.process.sequence``): a later request (stop, restart, the loss of a
dependency) abandons it and begins another. Only the way down is never abandoned: a request that comes meanwhile decides
what follows it.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ggl.host.conditions import is_skipped
from ggl.host.process.sequence import Sequence
from ggl.host.process.state import UnitState
from ggl.host.process.step import Outcome
from ggl.host.unit import Command, Start, Unit
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.host.process.bounds import Bounds
    from ggl.host.process.supervisor import Supervisor

_log = get_logger("ggld")


class UnitCourse(UnitState):
    """The inner half of ``RunningUnit``: runs the scripts, and goes on when they end."""

    def __init__(self, supervisor: Supervisor, unit: Unit) -> None:
        super().__init__(supervisor, unit)
        self._sequence = Sequence(supervisor)
        self._start_again = False
        self._stopped: list[Callable[[], None]] = []

    # -- up ----------------------------------------------------------------------------------------------------------

    def _try_start(self) -> None:
        self._sequence.begin()
        if self._supervisor.stopping:
            self._set("inactive", "dead")  # it is remembered as wanted, and starts with the runtime
            return
        self._adopt()
        missing = self._supervisor.missing_for(self.unit)
        if missing:
            self._set("inactive", "waiting", text=f"waiting for {', '.join(missing)}")
            return
        chosen = self._choose()
        self.started = True
        self._main = None
        if chosen is None:
            oneshot = any(start.kind == "oneshot" for start in self.unit.start)
            self._kind = "oneshot" if oneshot else ""
            state = ("active", "exited") if oneshot else ("inactive", "dead")
            self._set(*state, "success", "start", accomplished=True)
            return
        self._kind = chosen.kind
        self._set("activating", "start", "success", "start")
        cgroups = self._bound().enter(self.unit.limits) if self.unit.limits and chosen.kind != "oneshot" else ()
        self._main = self._sequence.run(
            self.unit, chosen.command, "start", self._main_ended, self._main_runs, self._main_delayed, cgroups
        )
        self._supervisor.changed(self)

    def _choose(self) -> Start | None:
        for start in self.unit.start:
            if not is_skipped(start.command, self.unit.user):
                return start
            _log.info("%s: %s is skipped: its Skipif holds", self.name, start.kind)
        return None

    def _main_runs(self) -> None:
        if self.active == "activating" and self._kind == "run":
            self._up("running")
        elif self._text:
            self._set(self.active, self.sub)  # it was delayed, and is not any more

    def _main_delayed(self, why: str) -> None:
        _log.warning("%s: not started yet: %s", self.name, why)
        self._set(self.active, self.sub, text=f"not started yet: {why}")

    def _up(self, sub: str) -> None:
        if self._main is not None and self._kind != "run":
            self._main.lift_limit()  # the limit of a startup script holds until the component is up
        self._failures.succeeded("start")
        self._set("active", sub, "success", "run")

    def _main_ended(self, outcome: Outcome) -> None:
        why = (self._main.why if self._main is not None else "") or self._words(outcome)
        self._main = None
        if outcome[0] != "success":
            self._fail(outcome, "run" if self.active == "active" else "start", why)
        elif self._kind == "run":
            self._failures.clear()
            self._stage = "run"
            self._take_down(finishing=True)
        else:
            self._up("exited")

    # -- down --------------------------------------------------------------------------------------------------------

    def _take_down(self, finishing: bool = False) -> None:
        """The shutdown script beside whatever still runs, then the end of every process."""
        self._sequence.begin()
        self._thaw()
        had_started = self.active in ("active", "activating") and self.sub != "auto-restart"
        if had_started:
            # Whatever it goes down for: this phase has ended without an error.
            self._failures.succeeded("run" if self.active == "active" else "start")
        self._set("deactivating", "stop", "success", self._stage if finishing else "stop")

        def ended(overdue: str) -> None:
            if overdue:
                self._set("deactivating", "recover", "timeout", "stop", text=overdue)
                self._run_aside(self.unit.recover, "recover", lambda _: self._end_processes(self._down))
            else:
                self._end_processes(self._down)

        if had_started:
            self._run_aside(self.unit.stop, "stop", ended)
        else:
            self._end_processes(self._down)

    def _end_processes(self, then: Callable[[], None], at_once: bool = False) -> None:
        def ended() -> None:
            if self._bounds is not None:
                self._bounds.end()
            then()

        units = [self.name]
        install = self._supervisor.installed_by(self.unit)
        if install is not None:
            self._sequence.take_over(install._sequence)
            units.append(install.name)
        self._sequence.end_processes(tuple(units), ended, at_once)

    def _down(self) -> None:
        """No process is left."""
        self._main = None
        again, self._start_again = self._start_again, False
        if again and self.wanted:
            self._try_start()
        else:
            if self._kind == "oneshot" and not self._accomplished:
                self.started = False  # an installation that was stopped is as good as none
            self._set("inactive", "dead")
        self._report_stopped()

    def _report_stopped(self) -> None:
        callbacks, self._stopped = self._stopped, []
        for callback in callbacks:
            callback()

    # -- errors ------------------------------------------------------------------------------------------------------

    def _fail(self, outcome: Outcome, phase: str, why: str) -> None:
        exhausted = self._failures.record(phase, time.monotonic()) or self.unit.restart == "no"
        _log.error(
            "%s: %s %s: %s%s", self.name, self._kind, "failed" if phase == "start" else "ended", why,
            "; giving up" if exhausted else "",
        )  # fmt: skip
        self._sequence.begin()
        self._thaw()

        def clear(then: Callable[[], None]) -> None:
            self._run_aside(self.unit.stop, "stop", lambda _: self._end_processes(then))

        if exhausted:
            self._clearing = True
            self._set("failed", "failed", outcome[0], phase, outcome[1], why)
            self._supervisor.failed(self)
            self._supervisor.given_up(self)
            clear(self._given_up)
        else:
            self._restarts += 1
            self._set("activating", "auto-restart", outcome[0], phase, outcome[1], why)
            self._supervisor.failed(self)
            self._run_aside(self.unit.recover, "recover", lambda _: clear(self._retry_later))

    def _retry_later(self) -> None:
        self._main = None
        self._sequence.later(self.unit.restart_delay, self._try_start)

    def _given_up(self) -> None:
        self._main = None
        self._clearing = False
        again, self._start_again = self._start_again, False
        if again and self.wanted:
            self._try_start()
        self._report_stopped()

    # -- common ------------------------------------------------------------------------------------------------------

    def _run_aside(self, command: Command | None, stage: str, then: Callable[[str], None]) -> None:
        """Run the shutdown or the recover script, if there is one; go on with ``then`` however it ends.

        ``then`` is given a text when the script took too long, else an empty one.
        """
        if command is None or is_skipped(command, self.unit.user):
            then("")
            return

        def ended(outcome: Outcome) -> None:
            why = step.why or self._words(outcome)
            if outcome[0] != "success":
                name = "shutdown" if stage == "stop" else stage
                _log.warning("%s: its %s script failed: %s; going on", self.name, name, why)
            then(why if outcome[0] == "timeout" else "")

        step = self._sequence.run(self.unit, command, stage, ended)

    def _bound(self) -> Bounds:
        """The bounds of its processes; made when they are first needed."""
        if self._bounds is None:
            from ggl.host.process.bounds import Bounds

            host = self._supervisor
            self._bounds = Bounds(host.loop, host.root, self.name, self.unit.component, self._sequence.groups)
        return self._bounds

    def _thaw(self) -> None:
        """What is paused cannot end in order."""
        if self._bounds is not None and self._bounds.paused:
            self._bounds.resume()

    def _words(self, outcome: Outcome) -> str:
        result, status = outcome
        if result == "exit-code":
            return f"exit code {status}"
        if result == "signal":
            if status == signal.SIGKILL and self._bounds is not None and self._bounds.out_of_memory():
                return f"it used more memory than its limit of {self.loaded.limits.memory} KB, and the kernel killed it"
            return f"killed by signal {status}"
        return result
