"""The unit of a component in systemd's words: from the neutral ``Unit`` to the text of its unit file.

systemd restarts, limits and ends; all else is done by the steps (``ggl.host.systemd.step``), which the unit file names
as its commands. So it holds no script, and no environment of one. Steps run as root and become the user themselves: a
user that systemd does not know would keep it from running any of them, and nobody would learn why.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ggl.host.conditions import is_skipped
from ggl.host.systemd.ending import NOT_RESTARTED
from ggl.host.systemd.layout import CORE_UNIT, HOSTD, TARGET, daemon_unit
from ggl.host.systemd.syntax import argument, escaped, text, unit_name, word
from ggl.paths import SYSTEM

if TYPE_CHECKING:
    from ggl.host.systemd.layout import Layout
    from ggl.host.unit import Unit

STEP_MODULE = "ggl.host.systemd.step"
STOP_SECONDS = 10.0
"""How long a process may take after SIGTERM, and a step on a slow device until it says how long it will take itself."""
_LONGEST = 1e9
"""Seconds from which on a time is no limit."""
_LEAST_CPUS, _MOST_CPUS = 0.01, 1e5
"""The least is what the kernel takes; the most is no limit on any device."""

_HEAD = "# Written by ggl from the component's recipe, and written anew: put changes into a drop-in (systemctl edit)."


def file_name(name: str) -> str:
    """The name of systemd's unit for the unit ``name``."""
    return unit_name(name, "service")


def choose(unit: Unit) -> Unit:
    """``unit`` with the one way to start it that is to be taken now: the first whose Skipif does not hold.

    When all are to be skipped it is the first: its step finds that there is nothing to do.
    """
    if len(unit.start) < 2:
        return unit
    chosen = next((start for start in unit.start if not is_skipped(start.command, unit.user)), unit.start[0])
    return replace(unit, start=(chosen,))


def render(unit: Unit, layout: Layout) -> str:
    """The text of the unit file of ``unit``, for its first way to start (``choose``)."""
    return "\n".join((_HEAD, "[Unit]", *_unit_section(unit), "", "[Service]", *_service_section(unit, layout), ""))


def _unit_section(unit: Unit) -> list[str]:
    description = unit.description.rstrip(". \n")  # systemd puts it into sentences
    lines = [
        f"Description={text(description) or text(unit.name)}",
        f"PartOf={TARGET}",
        # Nothing wants it but hostd: "systemctl isolate" of another target would take it away, with nobody to notice.
        "IgnoreOnIsolate=yes",
        # hostd tells an ordered stop from a failure, and clears what systemd takes for one.
        f"OnFailure={daemon_unit(HOSTD.name)}",
        # Its scripts may need the daemons, also the one that runs when everything is stopped.
        f"After={CORE_UNIT}",
    ]
    # Only an order, for the way down: when to start is decided by hostd, which knows what is ready.
    lines += [f"After={file_name(name)}" for name in dict.fromkeys((*unit.requires, unit.install)) if name]
    # Errors are counted by the steps, each phase on its own.
    return [*lines, "StartLimitIntervalSec=0"]


def _service_section(unit: Unit, layout: Layout) -> list[str]:
    lines = [f"SyslogIdentifier={text(unit.component or unit.name)}", "StandardOutput=journal"]
    if unit.user:
        lines.append(f"X-User={text(unit.user)}")
    if layout.root != SYSTEM:
        lines += [f"Environment={word(f'{name}={value}')}" for name, value in layout.root.environment().items()]
    if not unit.start:
        return [*lines, "Type=oneshot", "RemainAfterExit=yes", "ExecStart=/bin/true"]
    start = unit.start[0]
    seconds = start.command.timeout
    lines += ["Type=oneshot" if start.kind == "oneshot" else "Type=notify", "NotifyAccess=all"]
    if start.kind == "run":
        # 143 is what Java and others make of SIGTERM. The last step tells it from an end that nobody asked for.
        lines += ["TimeoutStartSec=infinity", "SuccessExitStatus=143"]
        if seconds is not None:
            lines.append(f"RuntimeMaxSec={_seconds(seconds)}")
    else:
        lines += ["RemainAfterExit=yes", f"TimeoutStartSec={_seconds(seconds)}"]
    lines += [f"ExecStart={_step(layout, 'start', escaped(unit.name), start.kind)}"]
    if unit.stop is not None:
        lines.append(f"ExecStop={_step(layout, 'stop', escaped(unit.name))}")
    lines += [
        # Whatever sandbox somebody has put around it: what came of the run is to be counted and kept.
        f"ExecStopPost=+{_step(layout, 'post', escaped(unit.name))}",
        f"TimeoutStopSec={_seconds(STOP_SECONDS)}",
        # Of units that are to run once as well: something may be lacking that is not their fault. After everything else
        # their last step keeps them down.
        "Restart=on-failure",
        f"RestartSec={_seconds(unit.restart_delay)}",
        # A user or directory that a drop-in names and that is not there: no step can run to count that. (After a
        # script that ends so itself, the last step sees to another try.)
        f"RestartPreventExitStatus={' '.join(NOT_RESTARTED)}",
    ]
    # By the watchdog's way out a component goes that says it is in error: it is an error, and not one of systemd's.
    lines.append("WatchdogSignal=SIGTERM")
    return lines + _limits(unit)


def _limits(unit: Unit) -> list[str]:
    # The kernel picks one process when there is no memory left; whether the others can do without it is theirs to know.
    lines = ["OOMPolicy=continue"]
    if unit.limits.memory is not None:
        lines.append(f"MemoryMax={unit.limits.memory}K")
    if unit.limits.cpus is not None:
        percent = min(max(unit.limits.cpus, _LEAST_CPUS), _MOST_CPUS) * 100
        lines.append(f"CPUQuota={_number(percent, 2)}%")
    return lines


def _step(layout: Layout, action: str, *arguments: str) -> str:
    program, *options = layout.command
    return " ".join((word(program), *(argument(each) for each in (*options, "-m", STEP_MODULE, action, *arguments))))


def _seconds(value: float | None) -> str:
    if value is None or not value < _LONGEST:
        return "infinity"
    # For systemd 0 is no limit, for us it is none at all.
    return _number(max(value, 0.001), 3)


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".rstrip("0").rstrip(".")
