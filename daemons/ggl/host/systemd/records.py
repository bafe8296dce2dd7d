"""What is known of a component's unit beyond what systemd knows: two small files a unit, gone with the next boot.

A ``Run`` is written by the unit's own steps (``ggl.host.systemd.step``), which systemd runs whether or not the host's
daemon is there: how far this run came, how it ended, and the errors that count. A ``Wish`` is written by the host's
daemon alone: what it was asked for. Nobody writes the other's file, so nothing needs a lock. Times are seconds of
``CLOCK_BOOTTIME``.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ggl.values import get_bool, get_dict, get_float, get_int, get_list, get_str


def now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def of_monotonic(microseconds: int) -> float:
    """A moment of the clock by which systemd tells when a unit began; the device has not slept since then."""
    return now() - (time.monotonic() - microseconds / 1e6)


UNTOLD = "a command of its unit failed before the script began (ExecStartPre= or ExecCondition= of a drop-in)"
"""Why a run has failed of which the step that starts the script has written no record."""


@dataclass(frozen=True)
class Run:
    """The present run of a unit, or its last one."""

    unit: Mapping[str, Any] = field(default_factory=dict)
    """The definition with which it was started (``Unit.to_dict``): shutdown and recover are taken from it."""
    invocation: str = ""
    """How systemd calls this run (``InvocationID``)."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What all steps of the run have in common, the component's token included: shutdown does not ask for it again."""
    kind: str = ""
    """Which way to start was taken: run, startup, oneshot; empty when there was nothing to run."""
    started: float = 0.0
    began: bool = False
    """The script itself has begun."""
    up: bool = False
    """It came up; for a script that runs once: it succeeded. Known when the run has ended."""
    why: str = ""
    """Why it has not."""
    lacking: bool = False
    """The device or the runtime lacked something just then: that counts as nobody's error."""
    shut_down: bool = False
    """The shutdown script has run."""
    overdue: str = ""
    """What is said of a shutdown script that took too long."""
    result: str = ""
    """How the run ended, in the words of ``UnitStatus``; empty while it has not."""
    stage: str = ""
    exit_status: int = 0
    text: str = ""
    exhausted: bool = False
    """It has failed too often, and is not started again by itself."""
    restarts: int = 0
    """Tries after errors."""
    failures: Mapping[str, list[float]] = field(default_factory=dict)
    """The times of the errors that count, for each phase (``ggl.host.failures``)."""

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Run:
        return Run(
            unit=get_dict(data, "unit", {}),
            invocation=get_str(data, "invocation", ""),
            environment={key: str(value) for key, value in get_dict(data, "environment", {}).items()},
            kind=get_str(data, "kind", ""),
            started=get_float(data, "started", 0.0),
            began=get_bool(data, "began", False),
            up=get_bool(data, "up", False),
            why=get_str(data, "why", ""),
            lacking=get_bool(data, "lacking", False),
            shut_down=get_bool(data, "shut_down", False),
            overdue=get_str(data, "overdue", ""),
            result=get_str(data, "result", ""),
            stage=get_str(data, "stage", ""),
            exit_status=get_int(data, "exit_status", 0),
            text=get_str(data, "text", ""),
            exhausted=get_bool(data, "exhausted", False),
            restarts=get_int(data, "restarts", 0),
            failures={phase: get_list({"t": times}, "t") for phase, times in get_dict(data, "failures", {}).items()},
        )


@dataclass(frozen=True)
class Wish:
    """What the host's daemon was asked for, and what it did about it."""

    reset: float = 0.0
    """Errors before this do not count any more."""
    anew: bool = False
    """From its next start on errors of before do not count. While it goes down, the step that counts why it does is
    still to come: it has to count with the same ``reset`` by which others were shown what will come of it, and what it
    counts belongs to what was before."""
    reported_error: float = 0.0
    """When the component said that it is in error; it counts when that is later than the start of the run."""
    stopped: float = 0.0
    """When it was last asked to stop."""
    started: bool = False
    """It has been started since it was loaded."""
    waiting: bool = False
    """It is to be started as soon as it is down and what it needs is ready."""
    paused: bool = False
    restarts: int = 0
    """Restarts that were asked for, or that a dependency made necessary."""
    problem: str = ""
    """Why systemd did not take the last request."""

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Wish:
        return Wish(
            reset=get_float(data, "reset", 0.0),
            anew=get_bool(data, "anew", False),
            reported_error=get_float(data, "reported_error", 0.0),
            stopped=get_float(data, "stopped", 0.0),
            started=get_bool(data, "started", False),
            waiting=get_bool(data, "waiting", False),
            paused=get_bool(data, "paused", False),
            restarts=get_int(data, "restarts", 0),
            problem=get_str(data, "problem", ""),
        )


def run_path(directory: Path, unit: str) -> Path:
    return directory / f"{unit}.run"


def read_run(directory: Path, unit: str) -> Run:
    """An empty one when there is none, or none that can be read."""
    return Run.from_dict(_read(run_path(directory, unit)))


def write_run(directory: Path, unit: str, run: Run) -> None:
    """Raises ``OSError``."""
    _write(run_path(directory, unit), asdict(run))


def read_wish(directory: Path, unit: str) -> Wish:
    """An empty one when there is none, or none that can be read."""
    return Wish.from_dict(_read(directory / f"{unit}.wish"))


def write_wish(directory: Path, unit: str, wish: Wish) -> None:
    """Raises ``OSError``."""
    _write(directory / f"{unit}.wish", asdict(wish))


def forget(directory: Path, unit: str) -> None:
    """The unit is gone. Raises ``OSError``."""
    for suffix in (".run", ".wish"):
        (directory / (unit + suffix)).unlink(missing_ok=True)
    for path in directory.iterdir():
        # Who was killed while it wrote has left this.
        if path.name.startswith((f"{unit}.run.", f"{unit}.wish.")) and path.name.endswith(".new"):
            path.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any]:
    import json

    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _write(path: Path, data: dict[str, Any]) -> None:
    import json
    import os

    # As a whole or not at all for whoever reads; it need not survive a power cut.
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as file:
        json.dump(data, file)
    os.replace(new, path)
