"""One component unit as it runs: the state machine from start to stop, with retries.

``activating`` → ``active`` → ``deactivating`` → ``inactive`` is a life without errors. An error leads to
``auto-restart``: the recover script, the shutdown script, the end of what is left, a delay, and the next try; the third
in a row to ``failed``. A unit whose dependencies are not ready waits in ``inactive``/``waiting``.

Whatever is under way is one *sequence*: a later request (stop, restart, the loss of a dependency) abandons it and
begins another.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ggl.bus.loop import Timer
from ggl.host.process.conditions import holds
from ggl.host.process.ending import Ending
from ggl.host.process.failures import Failures
from ggl.host.process.step import Outcome, Step
from ggl.host.status import UnitStatus
from ggl.host.unit import Start, Unit
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.host.process.supervisor import Supervisor

_log = get_logger("ggld")


class RunningUnit:
    """``unit`` is the definition in force; a newer one waits in ``loaded`` for the next start."""

    def __init__(self, supervisor: Supervisor, unit: Unit) -> None:
        self.unit = unit
        self.loaded = unit
        self.active = "inactive"
        self.sub = "dead"
        self.wanted = False
        self.started = False
        self._result = "success"
        self._stage = ""
        self._exit_status = 0
        self._restarts = 0
        self._since = int(time.time() * 1000)
        self._text = ""
        self._supervisor = supervisor
        self._failures = Failures(unit.start_limit_burst, unit.start_limit_interval)
        self._main: Step | None = None
        self._kind = ""
        self._steps: list[Step] = []
        self._groups: set[int] = set()
        self._timer: Timer | None = None
        self._sequence = 0
        self._start_again = False
        self._stopped: list[Callable[[], None]] = []

    # -- what others see ---------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self.unit.name

    @property
    def is_ready(self) -> bool:
        """What depends on this unit may run: it is up, or has done its work, or is on its orderly way out."""
        if self.active == "active":
            return True
        if self._result != "success":
            return False
        return self.active == "deactivating" or (self.active == "inactive" and self.sub == "dead" and self.started)

    @property
    def is_down(self) -> bool:
        return self.active in ("inactive", "failed") and not self._groups

    def status(self) -> UnitStatus:
        unit = self.unit
        return UnitStatus(
            name=unit.name,
            component=unit.component,
            version=unit.version,
            phase=unit.phase,
            active_state=self.active,
            sub_state=self.sub,
            result=self._result,
            stage=self._stage,
            exit_status=self._exit_status,
            main_pid=self._main.pid if self._main is not None else 0,
            restarts=self._restarts,
            since=self._since,
            started=self.started,
            wanted=self.wanted,
            has_start=bool(unit.start),
            revision=self.loaded.revision,
            status_text=self._text,
        )

    # -- requests ----------------------------------------------------------------------------------------------------

    def load(self, unit: Unit) -> None:
        """Take over a new definition; what runs goes on with the old one until it is stopped."""
        changed = unit.revision != self.loaded.revision
        self.loaded = unit
        if self.active == "failed" and not self._groups:
            self.active, self.sub = "inactive", "dead"
        if changed and self._kind == "oneshot" and self.sub == "exited" and not self._groups:
            # Its work was done by the old definition: it is to be done again.
            self.active, self.sub = "inactive", "dead"
        if self.is_down:
            self._adopt()
        self._supervisor.changed(self)

    def start(self) -> None:
        """Bring the unit up, if it is not; failures before this do not count any more."""
        self.wanted = True
        self._supervisor.retry_install(self.loaded)
        if self.active == "deactivating":
            self._start_again = True
        elif self.active == "failed" and self._groups:
            self.reset()
            self._take_down(self._start_if_wanted)
        elif self.active in ("inactive", "failed"):
            self.reset()
            self._try_start()
        else:
            self._supervisor.changed(self)

    def stop(self, done: Callable[[], None] | None = None) -> None:
        """Take the unit down with its shutdown script, and keep it down. ``done`` is called when it is."""
        self.wanted = False
        self._start_again = False
        if done is not None:
            self._stopped.append(done)
        if self.active == "deactivating":
            self._supervisor.changed(self)  # it is on its way down, and now stays there
        elif self.is_down:
            self._set(self.active, "dead" if self.active == "inactive" else self.sub)
            self._report_stopped()
        else:
            self._take_down(self._stay_down)

    def restart(self) -> None:
        """Down and up again; errors before this do not count any more."""
        self.reset()
        self.wanted = True
        self._restarts += 1
        self._supervisor.retry_install(self.loaded)
        if self.is_down:
            self._try_start()
        elif self.active == "deactivating":
            self._start_again = True
        else:
            self._take_down(self._start_if_wanted)

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
            self._take_down(self._start_if_wanted)

    # -- up ----------------------------------------------------------------------------------------------------------

    def _adopt(self) -> None:
        if self.unit is not self.loaded:
            self.unit = self.loaded
            self.started = False
            self._result, self._stage, self._exit_status, self._text = "success", "", 0, ""
            self._failures = Failures(self.unit.start_limit_burst, self.unit.start_limit_interval)

    def _try_start(self) -> None:
        self._begin_sequence()
        self._adopt()
        missing = self._supervisor.missing_for(self.unit)
        if missing:
            self._set("inactive", "waiting", text=f"waiting for {', '.join(missing)}")
            return
        chosen = self._choose()
        self.started = True
        if chosen is None:
            oneshot = any(start.kind == "oneshot" for start in self.unit.start)
            self._set("active" if oneshot else "inactive", "exited" if oneshot else "dead", "success", "start")
            return
        self._kind = chosen.kind
        self._set("activating", "start", "success", "start")
        sequence = self._sequence
        step = Step(
            self._supervisor,
            self.unit,
            chosen.command,
            "start",
            lambda outcome: self._main_ended(sequence, step, outcome),
            lambda: self._main_runs(sequence),
        )
        self._track(step)
        self._main = step
        self._supervisor.changed(self)

    def _choose(self) -> Start | None:
        for start in self.unit.start:
            condition = start.command.skip_if
            if condition is None or not holds(condition, self._supervisor.root):
                return start
            _log.info("%s: %s is skipped: its Skipif holds", self.name, start.kind)
        return None

    def _main_runs(self, sequence: int) -> None:
        if sequence == self._sequence and self._kind == "run" and self.active == "activating":
            self._up("running")

    def _up(self, sub: str) -> None:
        self._failures.succeeded("start")
        self._set("active", sub, "success", "run")

    def _main_ended(self, sequence: int, step: Step, outcome: Outcome) -> None:
        if sequence != self._sequence:
            return
        timed_out = outcome[0] == "timeout"
        if self._kind != "run" and timed_out and self.active == "active":
            return  # the limit of a startup script holds until the component is up
        self._main = None
        if outcome[0] != "success":
            phase = "run" if self.active == "active" else "start"
            self._fail(outcome, phase, step.why or _words(outcome))
        elif self._kind == "run":
            self._failures.succeeded("start")
            self._failures.succeeded("run")
            self._stage = "run"
            self._take_down(self._stay_down, finishing=True)
        else:
            self._up("exited")

    # -- down --------------------------------------------------------------------------------------------------------

    def _take_down(self, then: Callable[[], None], finishing: bool = False) -> None:
        """The shutdown script beside whatever still runs, then the end of every process, then ``then``."""
        self._begin_sequence()
        had_started = self.active in ("active", "activating") and self.sub != "auto-restart"
        self._set("deactivating", "stop", "success", self._stage if finishing else "stop")
        if had_started:
            self._run_stop(lambda: self._end_processes(then))
        else:
            self._end_processes(then)

    def _run_stop(self, then: Callable[[], None]) -> None:
        command = self.unit.stop
        if command is None or (command.skip_if is not None and holds(command.skip_if, self._supervisor.root)):
            then()
            return
        sequence = self._sequence

        def ended(outcome: Outcome) -> None:
            if sequence != self._sequence:
                return
            if outcome[0] == "timeout":
                _log.error("%s: its shutdown script took more than %g s", self.name, command.timeout or 0)
                self._set(self.active, self.sub, "timeout", "stop")
            elif outcome[0] != "success":
                _log.warning("%s: its shutdown script failed (%s), going on", self.name, _words(outcome))
            then()

        self._track(Step(self._supervisor, self.unit, command, "stop", ended))

    def _end_processes(self, then: Callable[[], None]) -> None:
        sequence = self._sequence

        def ended() -> None:
            if sequence == self._sequence:
                self._main = None
                self._steps.clear()
                then()

        Ending(self._supervisor.loop, self._supervisor.root.state, self.name, self._groups, ended)

    def _stay_down(self) -> None:
        again, self._start_again = self._start_again, False
        if again:
            self._try_start()
        else:
            self._set("inactive", "dead")
        self._report_stopped()

    def _start_if_wanted(self) -> None:
        if self.wanted:
            self._start_again = False
            self._try_start()
        else:
            self._stay_down()

    def _report_stopped(self) -> None:
        callbacks, self._stopped = self._stopped, []
        for callback in callbacks:
            callback()

    # -- errors ------------------------------------------------------------------------------------------------------

    def _fail(self, outcome: Outcome, phase: str, why: str) -> None:
        exhausted = self._failures.record(phase, time.monotonic()) or self.unit.restart == "no"
        kind = self._kind
        _log.error(
            "%s: %s %s: %s%s", self.name, kind, "failed" if phase == "start" else "ended", why,
            "; giving up" if exhausted else "",
        )  # fmt: skip
        self._begin_sequence()
        if exhausted:
            self._set("failed", "failed", outcome[0], phase, outcome[1], why)
            self._run_stop(lambda: self._end_processes(self._report_stopped))
            return
        self._restarts += 1
        self._set("activating", "auto-restart", outcome[0], phase, outcome[1], why)
        self._run_recover(
            lambda: (
                self._run_stop(lambda: self._end_processes(self._retry_later))
                if self.unit.phase != "install"
                else self._end_processes(self._retry_later)
            )
        )

    def _run_recover(self, then: Callable[[], None]) -> None:
        command = self.unit.recover
        if command is None or (command.skip_if is not None and holds(command.skip_if, self._supervisor.root)):
            then()
            return
        sequence = self._sequence

        def ended(outcome: Outcome) -> None:
            if sequence == self._sequence:
                if outcome[0] != "success":
                    _log.warning("%s: its recover script failed (%s), going on", self.name, _words(outcome))
                then()

        self._track(Step(self._supervisor, self.unit, command, "recover", ended))

    def _retry_later(self) -> None:
        self._timer = self._supervisor.loop.call_later(self.unit.restart_delay, self._try_start)

    # -- common ------------------------------------------------------------------------------------------------------

    def _begin_sequence(self) -> None:
        """Whatever was under way does not go on; its processes are left to the sequence that begins."""
        self._sequence += 1
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for step in self._steps:
            step.abandon()

    def _track(self, step: Step) -> None:
        self._steps.append(step)
        if step.pid:
            self._groups.add(step.pid)

    def _set(
        self,
        active: str,
        sub: str,
        result: str | None = None,
        stage: str | None = None,
        exit_status: int = 0,
        text: str = "",
    ) -> None:
        was_ready = self.is_ready
        if (active, sub) != (self.active, self.sub):
            self._since = int(time.time() * 1000)
        self.active, self.sub = active, sub
        if result is not None:
            self._result, self._exit_status = result, exit_status
        if stage is not None:
            self._stage = stage
        self._text = text
        self._supervisor.changed(self)
        if was_ready != self.is_ready:
            self._supervisor.readiness_changed(self)


def _words(outcome: Outcome) -> str:
    result, status = outcome
    if result == "exit-code":
        return f"exit code {status}"
    if result == "signal":
        return f"killed by signal {status}"
    if result == "timeout":
        return "it took longer than its time limit"
    return result
