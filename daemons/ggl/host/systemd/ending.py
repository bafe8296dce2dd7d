"""How a run has ended: what systemd, the record and the wish say together."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ggl.host.systemd.records import Run, Wish
    from ggl.host.unit import Unit

NOT_RESTARTED = ("216", "217", "226")
"""Exit statuses of what systemd cannot run for want of its group, its user or a mount (systemd.exec(5))."""


@dataclass(frozen=True)
class Ending:
    """What systemd says. The first three are variables that it sets for a unit's last commands (systemd.exec(5))."""

    service_result: str = "success"
    exit_code: str = ""
    exit_status: str = ""
    asked: bool = False
    """Somebody wants the unit to stop, or to start anew."""
    up: bool = False
    """The run had come up."""
    seconds: float = 0.0
    """How long it was up."""
    out_of_memory: bool = False
    """The kernel has killed a process of the unit for using more memory than the limit."""


@dataclass(frozen=True)
class Verdict:
    """``result``, ``stage``, ``exit_status`` and ``text`` are those of ``UnitStatus``; ``failed``: it counts."""

    result: str
    stage: str
    exit_status: int = 0
    text: str = ""
    failed: bool = False


def judge(unit: Unit, run: Run, wish: Wish, ending: Ending) -> Verdict:
    """What came of ``run``. An empty result: it has not ended, but is tried again for lack of something."""
    phase = "run" if ending.up else "start"
    if wish.reported_error > run.started or (ending.service_result == "watchdog" and not ending.asked):
        return Verdict("notified-error", phase, 0, "the component reported an error", True)
    if ending.asked or wish.stopped > run.started:
        return Verdict("timeout" if run.overdue else "success", "stop")
    if not run.kind and not run.why:
        return Verdict("success", "start")
    if run.lacking:
        return Verdict("", "start", 0, f"not started yet: {run.why}")
    limit = next((start.command.timeout for start in unit.start if start.kind == run.kind), None)
    if _is_overdue(run, ending, limit):
        why = f" ({run.why})" if run.why else ""
        return Verdict("timeout", phase, 0, f"did not finish within {limit:g} s{why}", True)
    return _outcome(unit, run, ending, phase)


def _outcome(unit: Unit, run: Run, ending: Ending, phase: str) -> Verdict:
    why = "" if run.began else run.why or "it ended before the script began"
    if ending.exit_code in ("killed", "dumped"):
        number = _number(ending.exit_status)
        text = why or f"killed by signal {number}"
        if number == signal.SIGKILL and ending.out_of_memory:
            text = f"it used more memory than its limit of {unit.limits.memory} KB, and the kernel killed it"
        return Verdict("signal", phase, number, text, True)
    code = int(ending.exit_status) if ending.exit_status.isdecimal() else 0
    if not run.began:
        return Verdict("exec-failed", "start", code, why, True)
    if ending.exit_code == "exited" and code == 0:
        return Verdict("timeout" if run.overdue else "success", "stop" if run.overdue else phase)
    if ending.exit_code == "exited":
        return Verdict("exit-code", phase, code, f"exit code {code}", True)
    return Verdict("exec-failed", phase, 0, ending.service_result, True)


def _is_overdue(run: Run, ending: Ending, limit: float | None) -> bool:
    """systemd says so as well of what was left and did not end in time after the script itself had ended in order."""
    if ending.service_result != "timeout" or limit is None:
        return False
    return not ending.up or (run.kind == "run" and ending.seconds >= limit)


def _number(name: str) -> int:
    if name.isdecimal():
        return int(name)
    return int(getattr(signal, f"SIG{name}", 0))
