"""``step post``: what comes after a run, whatever ended it.

An error is followed by the recover and the shutdown script, and counted; after the third in a row systemd is told not
to start the unit again. What systemd takes for an orderly end although it was none (a signal that somebody sent) is
made an error by our exit status, so that it is followed by another try.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ggl.host.failures import Failures
from ggl.host.systemd import records
from ggl.host.systemd.aside import run_aside
from ggl.host.systemd.cgroup import out_of_memory, processes_of
from ggl.host.systemd.ending import NOT_RESTARTED, Ending, Verdict, judge
from ggl.host.systemd.step_stop import take_down, use_own_log
from ggl.host.systemd.surroundings import definition
from ggl.host.systemd.syntax import unit_name
from ggl.host.systemd.systemctl import SystemctlError, systemctl
from ggl.host.unit import ONCE_PHASES
from ggl.log import get_logger
from ggl.notify import notify

if TYPE_CHECKING:
    from ggl.host.systemd.records import Run, Wish
    from ggl.host.systemd.surroundings import Surroundings
    from ggl.host.unit import Unit

TERM_SECONDS, KILL_SECONDS = 5.0, 5.0
"""What processes that were left running get after SIGTERM, and how long SIGKILL may take."""

_TIMESTAMPS = ("ActiveEnterTimestampMonotonic", "ActiveExitTimestampMonotonic", "InactiveExitTimestampMonotonic")
_PROPERTIES = ("Job", *_TIMESTAMPS, "DropInPaths", "User", "DynamicUser")
_NOT_NOW = "exec-condition"

_log = get_logger("hostd")


def post(here: Surroundings) -> int:
    """The exit status: 1 when systemd does not know yet that the run has failed."""
    use_own_log(here)
    run = here.run()
    unit = definition(run) or here.loaded()
    if unit is None:
        return 0
    found = _ask(here.service, *_PROPERTIES)
    if not run.unit:
        # Its first step did not get that far: systemd, or a command of a drop-in, kept it from running.
        kind = unit.start[0].kind if unit.start else ""
        began = records.of_monotonic(int(found.get("InactiveExitTimestampMonotonic") or 0))
        run = replace(run, unit=unit.to_dict(), kind=kind, started=began, why=run.why or _kept_from(found))
    if not run.began and run.why and not run.lacking and found.get("DropInPaths"):
        run = replace(run, why=f"{run.why} (its unit is changed by {found['DropInPaths']})")
    wish = here.wish()
    ending = _ending(here, run, found)
    verdict = judge(unit, run, wish, ending)
    if verdict.failed:
        return _failed(here, unit, run, wish, ending, verdict)
    if verdict.stage in ("run", "stop") and run.kind:
        if unit.stop is not None and not run.shut_down:
            # It was not up yet, or was gone before systemd knew that it was.
            run = take_down(here, unit, run)
            if run.overdue:
                verdict = Verdict("timeout", "stop")
        _end_what_install_left(unit)
    failures = _failures(unit, run, wish)
    if verdict.stage == "run":
        failures.clear()
    elif verdict.result:
        failures.succeeded("run" if ending.up else "start")
    here.write(_kept(run, verdict, ending, failures), verdict.text or "down")
    if not verdict.result:
        _choose_again(here, run)
    elif not ending.asked and ending.service_result != "success":
        _keep_down(here)  # to systemd it has failed
    return 0


def _failed(here: Surroundings, unit: Unit, run: Run, wish: Wish, ending: Ending, verdict: Verdict) -> int:
    failures = _failures(unit, run, wish)
    if ending.up:
        failures.succeeded("start")
    exhausted = failures.record(verdict.stage, records.now()) or unit.restart == "no"
    exhausted |= ending.service_result == _NOT_NOW  # for systemd that is no error: it would not start it again
    run = _kept(run, verdict, ending, failures)
    run = replace(run, exhausted=exhausted, restarts=run.restarts + (0 if exhausted else 1))
    here.write(run, f"{verdict.text}; {'given up' if exhausted else 'it will be tried again'}")
    _log.error(
        "%s: %s %s: %s%s", here.name, run.kind, "failed" if verdict.stage == "start" else "ended", verdict.text,
        "; giving up" if exhausted else "",
    )  # fmt: skip
    if exhausted:
        _keep_down(here)
        _report(here, unit, run)
    _tell(here, unit)
    if not exhausted:
        run_aside(here, unit, run, unit.recover, "recover")
    if not run.shut_down:
        run_aside(here, unit, run, unit.stop, "stop")
    _end_what_install_left(unit)
    if not exhausted:
        _choose_again(here, run)
        if ending.exit_status in NOT_RESTARTED:
            _tell_systemd("start", "--no-block", "--", here.service)
    return 1 if ending.service_result == "success" else 0


def _kept(run: Run, verdict: Verdict, ending: Ending, failures: Failures) -> Run:
    return replace(
        run,
        up=ending.up,
        result=verdict.result,
        stage=verdict.stage,
        exit_status=verdict.exit_status,
        text=verdict.text,
        failures=failures.times,
    )


def _failures(unit: Unit, run: Run, wish: Wish) -> Failures:
    """The errors of before that still count."""
    left = {phase: [each for each in times if each > wish.reset] for phase, times in run.failures.items()}
    return Failures(unit.start_limit_burst, unit.start_limit_interval, left)


def _kept_from(found: dict[str, str]) -> str:
    """Why the first step has left no record."""
    result = os.environ.get("SERVICE_RESULT", "")
    if result == _NOT_NOW:
        return "an ExecCondition= says that it is not to be started"
    if found.get("User") or found.get("DynamicUser") == "yes":
        return "its unit has a user of its own: whom it runs as is said by runWith, in a deployment"
    status = os.environ.get("EXIT_STATUS", "")
    if status.isdecimal() and int(status):
        return f"systemd could not begin with it (status {status}, see systemd.exec(5))"
    return records.UNTOLD


def _ending(here: Surroundings, run: Run, found: dict[str, str]) -> Ending:
    entered, left, began = (int(found.get(name) or 0) for name in _TIMESTAMPS)
    up = entered > 0 and entered >= began
    return Ending(
        service_result=os.environ.get("SERVICE_RESULT", "success"),
        exit_code=os.environ.get("EXIT_CODE", ""),
        exit_status=os.environ.get("EXIT_STATUS", ""),
        asked=found.get("Job", "0") not in ("", "0") and _job(here.service) in ("stop", "restart", "try-restart"),
        # A script that runs is up, also one that has ended before systemd was told.
        up=up or (run.kind == "run" and run.began),
        seconds=(left - entered) / 1e6 if up else 0.0,
        out_of_memory=out_of_memory(),
    )


def _ask(service: str, *names: str) -> dict[str, str]:
    """The properties ``names`` of the unit; none when systemd does not answer."""
    lines = _tell_systemd("show", *(f"--property={name}" for name in names), "--", service).splitlines()
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def _job(service: str) -> str:
    """What systemd is about to do with the unit; empty when it is nothing."""
    for line in _tell_systemd("list-jobs", "--full", "--plain", "--no-legend").splitlines():
        fields = line.split()
        if len(fields) > 2 and fields[1] == service:
            return fields[2]
    return ""


def _keep_down(here: Surroundings) -> None:
    """It is not to be started again by itself."""
    _tell_systemd("stop", "--no-block", "--", here.service)


def _tell_systemd(*arguments: str) -> str:
    """What it answers; nothing when it refuses, which is only logged: what else there is to do is done all the same."""
    try:
        return systemctl(*arguments)
    except SystemctlError as error:
        _log.error("systemctl %s: %s", " ".join(arguments), error)
        return ""


def _end_what_install_left(unit: Unit) -> None:
    """What an installation left running is the component's, and ends with it."""
    if not unit.install:
        return
    service = unit_name(unit.install, "service")
    for signal, seconds in (("SIGTERM", TERM_SECONDS), ("SIGKILL", KILL_SECONDS)):
        deadline = time.monotonic() + seconds
        if not processes_of(service):
            return
        notify(f"EXTEND_TIMEOUT_USEC={int((TERM_SECONDS + KILL_SECONDS + 1.0) * 1e6)}")
        _tell_systemd("kill", f"--signal={signal}", "--", service)
        while processes_of(service) and time.monotonic() < deadline:
            time.sleep(0.05)


def _tell(here: Surroundings, unit: Unit) -> None:
    """Tell who wants to know of errors."""
    if unit.phase not in ONCE_PHASES:
        from ggl.host.told import tell_at_once

        tell_at_once(here.root, unit.component)


def _report(here: Surroundings, unit: Unit, run: Run) -> None:
    """Leave word for whoever looks after what was given up."""
    if unit.phase in ONCE_PHASES:
        return
    from ggl.host.given_up import report
    from ggl.host.status import UnitStatus

    status = UnitStatus(
        name=unit.name,
        component=unit.component,
        version=unit.version,
        phase=unit.phase,
        result=run.result,
        exit_status=run.exit_status,
        status_text=run.text,
        revision=unit.revision,
    )
    report(here.root, status)


def _choose_again(here: Surroundings, run: Run) -> None:
    """Write the unit file anew when another way to start is to be taken next."""
    unit = here.loaded()
    if unit is None or len(unit.start) < 2:
        return
    from ggl.host.systemd.component_unit import choose, render
    from ggl.host.systemd.layout import Layout

    chosen = choose(unit)
    if chosen.start[0].kind != run.kind:
        layout = Layout(root=here.root)
        (layout.runtime_units / here.service).write_text(render(chosen, layout))
        _tell_systemd("daemon-reload")
