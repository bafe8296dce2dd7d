"""A run that ended without any record of it: systemd could not run even its steps, or they could not keep their word.

So says a drop-in that takes away what they need, or names what is not there. systemd would try for ever; so that is
counted here, like any other error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ggl.host.failures import Failures
from ggl.host.systemd import records
from ggl.host.systemd.records import Run

if TYPE_CHECKING:
    from ggl.host.systemd.properties import Properties
    from ggl.host.systemd.records import Wish
    from ggl.host.unit import Unit


def is_untold(run: Run, properties: Properties) -> bool:
    """The last run has failed, and ``run`` is the record of another one."""
    failed = properties.active_state == "failed" or is_to_be_tried_again(properties)
    return failed and not properties.main_pid and properties.invocation not in ("", run.invocation)


def is_behind(properties: Properties, run: Run) -> bool:
    """``run`` is the record of a later run: systemd has begun that already, and its word of it is still on its way."""
    if not run.invocation or properties.invocation in ("", run.invocation):
        return False
    return run.started > records.of_monotonic(properties.begun)


def is_to_be_tried_again(properties: Properties) -> bool:
    """systemd waits a moment before it starts the unit again by itself."""
    return properties.sub_state.startswith("auto-restart")


def counted(unit: Unit, before: Run, wish: Wish, properties: Properties) -> Run:
    """The record that is missing; ``before`` is that of the last run that has one."""
    same = before.unit.get("revision") == unit.revision
    times = before.failures if same else {}
    left = {phase: [each for each in found if each > wish.reset] for phase, found in times.items()}
    failures = Failures(unit.start_limit_burst, unit.start_limit_interval, left)
    exhausted = failures.record("start", records.now()) or unit.restart == "no"
    exhausted |= not is_to_be_tried_again(properties)
    why = f"status {properties.exit_status}, see systemd.exec(5)" if properties.exit_status else properties.result
    return Run(
        unit=unit.to_dict(),
        invocation=properties.invocation,
        kind=unit.start[0].kind if unit.start else "",
        started=records.of_monotonic(properties.begun),
        result="exec-failed",
        stage="start",
        exit_status=properties.exit_status,
        text=f"systemd could not run its steps ({why}); does a drop-in keep it from that?",
        exhausted=exhausted,
        restarts=before.restarts + (not exhausted),
        failures=failures.times,
    )
