"""What a component's unit is, in the host's words: from what systemd says, the records, and the definition.

Nothing is remembered here, so that a new process of the host's daemon names the same things. Two differences between
systemd's view and the host's shape it: systemd calls a unit that ends with an error *deactivating* until nothing is
left of it, while for the host it is being restarted (``auto-restart``) or was given up (``failed``); and a unit that
waits for another one is no more than inactive for systemd.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ggl.host.status import UnitStatus
from ggl.host.systemd.ending import Ending, Verdict, judge
from ggl.host.systemd.properties import Properties
from ggl.host.systemd.records import UNTOLD, Run, Wish
from ggl.host.unit import Unit

_EXIT_CODES = {1: "exited", 2: "killed", 3: "dumped"}
"""By ``si_code`` of waitid(2)."""


@dataclass(frozen=True)
class Facts:
    """Everything that is known of a unit at one moment."""

    unit: Unit
    """The newest definition."""
    properties: Properties = field(default_factory=Properties)
    run: Run = field(default_factory=Run)
    wish: Wish = field(default_factory=Wish)
    wanted: bool = False
    request: str = ""
    """What the host's daemon has just told systemd to do, or is about to: start, stop, or nothing."""
    missing: tuple[str, ...] = ()
    """The units that it waits for."""
    stopping: bool = False
    """The whole runtime goes down: nothing is started."""
    untold: bool = False
    """It has failed, and there is no record of that; it gets one as soon as it is clear what systemd makes of it."""
    settled: bool = False
    """What systemd says is no mere step on the way: a unit passes ``failed`` before it is started again."""
    lacking: str = ""
    """Why systemd could not take the last request just then; it is asked again."""
    outdated: bool = False
    """What it did was done by a definition that is not valid any more."""
    can_limit: bool = True
    out_of_memory: bool = False
    """The kernel has killed a process of it for using more memory than its limit."""
    now: float = 0.0
    began: float = 0.0
    """When its present run began, or its last one, as systemd says."""


class State(NamedTuple):
    """The words of ``UnitStatus``."""

    active: str
    sub: str
    result: str = "success"
    stage: str = ""
    exit_status: int = 0
    text: str = ""


@dataclass(frozen=True)
class Observed:
    """``ready``: what requires the unit may run. ``down``: nothing of it runs, and nothing is under way."""

    status: UnitStatus
    ready: bool
    down: bool

    @property
    def going_down(self) -> bool:
        return not self.down and self.status.active_state in ("deactivating", "failed")


def definition_in_force(facts: Facts) -> Unit:
    """That with which its present run was started, or the newest one."""
    if facts.properties.is_down or not facts.run.unit or facts.run.unit.get("revision") == facts.unit.revision:
        return facts.unit
    return Unit.from_dict(facts.run.unit)


def observe(facts: Facts) -> Observed:
    facts = _without_earlier_run(facts)
    unit, run, wish = definition_in_force(facts), facts.run, facts.wish
    nothing = _is_nothing_to_run(unit, run)
    state = _state(facts, unit, nothing)
    kind = _kind(facts, unit)
    started = wish.started or run.started > 0 or facts.request == "start"
    accomplished = (nothing or run.up or facts.properties.is_up_since_start) and not facts.outdated
    if kind == "oneshot" and state.active == "inactive" and not accomplished:
        started = False  # an installation that was stopped is as good as none
    runs = state.active in ("active", "deactivating") or (state.active, state.sub) == ("activating", "start")
    status = UnitStatus(
        name=unit.name,
        component=unit.component,
        version=unit.version,
        phase=unit.phase,
        active_state=state.active,
        sub_state=state.sub,
        result=state.result,
        stage=state.stage,
        exit_status=state.exit_status,
        main_pid=facts.properties.main_pid,
        restarts=run.restarts + wish.restarts + (state.sub == "auto-restart" and not run.result),
        started=started,
        wanted=facts.wanted,
        has_start=bool(unit.start),
        install=facts.unit.install,
        kind=kind,
        paused=state.active == "active" and (wish.paused or facts.properties.frozen),
        limited=runs and facts.can_limit and bool(facts.unit.limits) and kind != "oneshot",
        revision=facts.unit.revision,
        status_text=state.text,
    )
    return Observed(status, _is_ready(status, accomplished), _is_down(facts, state))


def _without_earlier_run(facts: Facts) -> Facts:
    """What is known of the present run only: the step that makes its record comes after systemd's word of it."""
    run, invocation = facts.run, facts.properties.invocation
    if not run.invocation or not invocation or run.invocation == invocation:
        return facts
    # As if it had begun in the present run: what was asked for before that was asked of another run.
    run = replace(run, started=max(run.started, facts.began), why=UNTOLD, lacking=False, shut_down=False)
    run = replace(run, result="", stage="", overdue="", up=False, began=False, exhausted=False)
    return replace(facts, run=run, wish=replace(facts.wish, reported_error=0.0))


def _is_nothing_to_run(unit: Unit, run: Run) -> bool:
    """Its start does nothing: there is no way to start it, or all are skipped."""
    return not unit.start or (run.started > 0 and run.kind == "")


def _is_ready(status: UnitStatus, accomplished: bool) -> bool:
    if status.active_state == "active":
        return True
    if status.active_state == "deactivating":
        return accomplished and status.result == "success"
    done = (status.active_state, status.sub_state) == ("inactive", "dead") and status.started
    # However its shutdown script fared, it has finished then.
    return accomplished and done and (status.result == "success" or status.stage == "stop")


def _is_down(facts: Facts, state: State) -> bool:
    return not facts.request and facts.properties.is_down and state.sub != "auto-restart"


def _kind(facts: Facts, unit: Unit) -> str:
    if facts.run.started > 0 and facts.request != "start":
        return facts.run.kind
    return unit.start[0].kind if facts.request == "start" and len(unit.start) == 1 else ""


def _state(facts: Facts, unit: Unit, nothing: bool) -> State:
    properties, run = facts.properties, facts.run
    if facts.request == "stop":
        return _stopping(run)
    if properties.is_down:
        return _down(facts, nothing)
    if properties.active_state == "deactivating":
        return _deactivating(facts, unit)
    if _has_reported(facts):
        return _failing(facts, unit, judge(unit, run, facts.wish, _ending(facts)))
    if properties.sub_state.startswith("auto-restart"):
        return _ended(run)
    if properties.active_state in ("activating", "inactive", "failed"):
        return _starting(run)
    if nothing:
        return State("inactive", "dead", stage="start")
    return State("active", "exited" if properties.sub_state == "exited" else "running", stage="run")


def _down(facts: Facts, nothing: bool) -> State:
    """systemd has it neither up nor on its way."""
    run = facts.run
    on_its_way = State(
        "activating", "start", stage="start", text=f"not started yet: {facts.lacking}" if facts.lacking else ""
    )
    if facts.request == "start":
        return on_its_way
    if facts.wish.problem:
        return State("failed", "failed", "exec-failed", "start", 0, facts.wish.problem)
    if facts.wish.waiting and facts.wanted and not facts.stopping:
        if not facts.missing:
            return on_its_way  # at once
        text = f"waiting for {', '.join(facts.missing)}"
        return State("inactive", "waiting", run.result or "success", run.stage, run.exit_status, text)
    if facts.untold:
        return State("activating", "auto-restart", "exec-failed", "start")
    if run.started == 0:
        return State("inactive", "dead", stage="start" if nothing and facts.wish.started else "")
    if run.exhausted:
        return _ended(run)
    if not run.result and facts.properties.active_state == "failed":
        result = facts.properties.result
        return State("failed", "failed", result, "start", facts.properties.exit_status, f"systemd says {result}")
    if run.result == "success" or run.stage == "stop":
        return State("inactive", "dead", run.result, run.stage, run.exit_status)
    if run.result and (facts.properties.job or (facts.properties.active_state == "failed" and not facts.settled)):
        return _ended(run)  # systemd passes this on the way to its next start
    return State("inactive", "dead", stage="start" if nothing else "stop")  # its restart was called off


def _starting(run: Run) -> State:
    return State("activating", "start", stage="start", text=f"not started yet: {run.why}" if run.lacking else "")


def _deactivating(facts: Facts, unit: Unit) -> State:
    """It goes down, and it has to be found out why; its last step will say the same."""
    run, properties = facts.run, facts.properties
    if run.result or run.lacking:
        return _ended(run)
    verdict = judge(unit, run, facts.wish, _ending(facts))
    if verdict.failed and (properties.exit_code or properties.result != "success" or _has_reported(facts)):
        return _failing(facts, unit, verdict)
    if run.overdue or verdict.failed or verdict.stage == "stop":
        return _stopping(run)
    return State("deactivating", "stop", stage=verdict.stage)


def _ending(facts: Facts) -> Ending:
    properties, run = facts.properties, facts.run
    up = properties.is_up_since_start or (run.kind == "run" and run.began)
    return Ending(
        service_result=properties.result,
        exit_code=_EXIT_CODES.get(properties.exit_code, ""),
        exit_status=str(properties.exit_status),
        asked=properties.is_to_stop,
        up=up,
        seconds=(properties.went_down - properties.came_up) / 1e6 if up else 0.0,
        out_of_memory=facts.out_of_memory,
    )


def _stopping(run: Run) -> State:
    if run.overdue or (run.result, run.stage) == ("timeout", "stop"):
        return State("deactivating", "recover", "timeout", "stop", text=run.overdue)
    return State("deactivating", "stop", stage="stop")


def _ended(run: Run) -> State:
    """The run is over, as its record says, and not everything is cleared away."""
    if run.lacking:
        return _starting(run)
    if run.result == "success" or run.stage == "stop":
        return State(
            "deactivating", "recover" if run.result == "timeout" else "stop", run.result, run.stage, 0, run.overdue
        )
    words = ("failed", "failed") if run.exhausted else ("activating", "auto-restart")
    return State(*words, run.result, run.stage, run.exit_status, run.text)


def _failing(facts: Facts, unit: Unit, verdict: Verdict) -> State:
    """It has just ended with an error, of which its record does not tell yet."""
    words = ("failed", "failed") if _is_last(facts, unit, verdict.stage) else ("activating", "auto-restart")
    return State(*words, verdict.result, verdict.stage, verdict.exit_status, verdict.text)


def _is_last(facts: Facts, unit: Unit, phase: str) -> bool:
    """This error in ``phase`` is one too many; the step that counts it will say the same."""
    if unit.restart == "no":
        return True
    before = [time for time in facts.run.failures.get(phase, ()) if time > facts.wish.reset]
    if before and facts.now - before[-1] >= unit.start_limit_interval:
        before = []
    return 0 < unit.start_limit_burst <= len(before) + 1


def _has_reported(facts: Facts) -> bool:
    return not facts.run.result and 0 < facts.run.started < facts.wish.reported_error
