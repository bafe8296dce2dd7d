"""One component unit as it runs: the state machine from start to stop, with retries.

``activating`` → ``active`` → ``deactivating`` → ``inactive`` is a life without errors. An error leads to
``auto-restart``: the recover script, the shutdown script, the end of what is left, a delay, and the next try; the third
in a row to ``failed``. A unit whose dependencies are not ready waits in ``inactive``/``waiting``.

Whatever is under way is one sequence (``ggl.host.process.sequence``): a later request (stop, restart, the loss of a
dependency) abandons it and begins another. Only the way down is never abandoned: a request that comes meanwhile decides
what follows it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ggl.host.process.conditions import is_skipped
from ggl.host.process.sequence import Sequence
from ggl.host.process.state import UnitState
from ggl.host.process.step import Outcome
from ggl.host.unit import Command, Start, Unit
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.host.process.supervisor import Supervisor

_log = get_logger("ggld")


class RunningUnit(UnitState):
    """A unit under supervision: takes the requests that concern it, and runs its scripts."""

    def __init__(self, supervisor: Supervisor, unit: Unit) -> None:
        super().__init__(supervisor, unit)
        self._sequence = Sequence(supervisor)
        self._start_again = False
        self._stopped: list[Callable[[], None]] = []

    # -- requests ----------------------------------------------------------------------------------------------------

    def load(self, unit: Unit) -> None:
        """Take over a new definition; what runs goes on with the old one until it is stopped."""
        changed = unit.revision != self.loaded.revision
        self.loaded = unit
        done_before = changed and self._kind == "oneshot" and self.sub == "exited"
        if (self.active == "failed" and self.is_down) or done_before:
            # It gets another chance; or its work was done by the old definition, and is to be done again.
            self.active, self.sub = "inactive", "dead"
        if self.is_down:
            self._adopt()
            if self.sub == "waiting" and self.wanted:
                self._try_start()  # the new definition may wait for less
        self._supervisor.changed(self)

    def start(self) -> None:
        """Bring the unit up, if it is not; failures before this do not count any more."""
        self.wanted = True
        self._supervisor.retry_install(self.loaded)
        if self.is_going_down:
            self.reset()
            self._start_again = True
            self._supervisor.changed(self)
        elif self.is_down:
            self.reset()
            self._try_start()
        else:
            self._supervisor.changed(self)

    def stop(self, done: Callable[[], None] | None = None) -> None:
        """Take the unit down with its shutdown script, and keep it down. ``done`` is called when it is.

        An installation that it waits for is given up.
        """
        self.wanted = False
        self._start_again = False
        if done is not None:
            self._stopped.append(done)
        if self.is_going_down:
            self._supervisor.changed(self)  # it is on its way down, and now stays there
        elif self.active == "failed":
            self._supervisor.changed(self)
            self._report_stopped()
        elif self.active == "inactive":
            waited = self.sub == "waiting"
            self._set("inactive", "dead")
            if waited:
                self._supervisor.stop_install(self.unit, self._report_stopped)
            else:
                self._report_stopped()
        else:
            self._take_down()

    def restart(self) -> None:
        """Down and up again; errors before this do not count any more."""
        self.reset()
        self.wanted = True
        self._restarts += 1
        self._supervisor.retry_install(self.loaded)
        if self.is_down:
            self._try_start()
        else:
            self._start_again = True
            if not self.is_going_down:
                self._take_down()

    def kill(self) -> None:
        """End every process at once, without the shutdown script; those who wait for the unit's end are told."""
        self.wanted = self._start_again = self._clearing = False
        self._sequence.begin()
        self._set("deactivating", "stop", "success", "stop")
        self._sequence.end_processes(self.name, self._down, at_once=True)

    def reset(self) -> None:
        """Forget the errors so far."""
        self._failures.clear()

    def ready_notified(self) -> None:
        """The component says that it is up."""
        if self.active == "activating" and self.sub == "start":
            self._up("running" if self._main is not None else "exited")

    def error_notified(self) -> None:
        """The component says that it is in error."""
        if self.active == "activating" and self.sub == "start":
            self._fail(("notified-error", 0), "start", "the component reported an error")
        elif self.active == "active":
            self._fail(("notified-error", 0), "run", "the component reported an error")

    def dependency_ready(self) -> None:
        if self.sub == "waiting" and self.wanted:
            self._try_start()

    def dependency_lost(self, name: str) -> None:
        """A unit that this one requires is not ready any more: go down, and wait for it."""
        if self.active == "active" or (self.active == "activating" and self.sub == "start"):
            _log.info("%s: restarting, because %s is not ready any more", self.name, name)
            self._restarts += 1
            self._start_again = self.wanted
            self._take_down()

    def forget_empty_groups(self) -> None:
        """Called when processes were reaped."""
        self._sequence.forget_empty_groups()

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
        self._main = self._sequence.run(self.unit, chosen.command, "start", self._main_ended, self._main_runs)
        self._supervisor.changed(self)

    def _choose(self) -> Start | None:
        for start in self.unit.start:
            if not is_skipped(start.command, self.unit.user):
                return start
            _log.info("%s: %s is skipped: its Skipif holds", self.name, start.kind)
        return None

    def _main_runs(self) -> None:
        if self._kind == "run" and self.active == "activating":
            self._up("running")

    def _up(self, sub: str) -> None:
        if self._main is not None and self._kind != "run":
            self._main.lift_limit()  # the limit of a startup script holds until the component is up
        self._failures.succeeded("start")
        self._set("active", sub, "success", "run")

    def _main_ended(self, outcome: Outcome) -> None:
        why = (self._main.why if self._main is not None else "") or _words(outcome)
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
        had_started = self.active in ("active", "activating") and self.sub != "auto-restart"
        self._set("deactivating", "stop", "success", self._stage if finishing else "stop")

        def end_processes() -> None:
            self._sequence.end_processes(self.name, self._down)

        if had_started:
            self._run_aside(self.unit.stop, "stop", end_processes)
        else:
            end_processes()

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

        def clear(then: Callable[[], None]) -> None:
            self._run_aside(self.unit.stop, "stop", lambda: self._sequence.end_processes(self.name, then))

        if exhausted:
            self._clearing = True
            self._set("failed", "failed", outcome[0], phase, outcome[1], why)
            clear(self._given_up)
        else:
            self._restarts += 1
            self._set("activating", "auto-restart", outcome[0], phase, outcome[1], why)
            self._run_aside(self.unit.recover, "recover", lambda: clear(self._retry_later))

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

    def _run_aside(self, command: Command | None, stage: str, then: Callable[[], None]) -> None:
        """Run the shutdown or the recover script, if there is one; go on with ``then`` however it ends."""
        if command is None or is_skipped(command, self.unit.user):
            then()
            return

        def ended(outcome: Outcome) -> None:
            if outcome[0] != "success":
                _log.warning(
                    "%s: its %s script failed (%s), going on",
                    self.name, "shutdown" if stage == "stop" else stage, step.why or _words(outcome),
                )  # fmt: skip
            if outcome[0] == "timeout" and self.active == "deactivating":
                self._set(self.active, self.sub, "timeout", "stop")
            then()

        step = self._sequence.run(self.unit, command, stage, ended)


def _words(outcome: Outcome) -> str:
    result, status = outcome
    if result == "exit-code":
        return f"exit code {status}"
    if result == "signal":
        return f"killed by signal {status}"
    if result == "timeout":
        return "it took longer than its time limit"
    return result
