"""What a host says about one unit: the facts from which a component's lifecycle state follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ggl.values import get_bool, get_int, get_str


@dataclass(frozen=True)
class UnitStatus:
    """The state of a unit, in the words of service managers.

    ``active_state``: inactive, activating, active, deactivating or failed. ``sub_state`` says more: dead (never
    started, or ended), waiting (for its dependencies), start, running, exited (up without a process), stop, recover
    (shutdown took too long, the recover script runs), auto-restart (failed, will be tried again), failed (given up).
    ``result``: how the last run ended: success, exit-code, signal, timeout, exec-failed, notified-error. ``stage``: the
    step to which ``result`` belongs or that runs now (start, run, stop). ``since``: milliseconds since the epoch of the
    last change.
    """

    name: str
    component: str = ""
    version: str = ""
    phase: str = ""
    active_state: str = "inactive"
    sub_state: str = "dead"
    result: str = "success"
    stage: str = ""
    exit_status: int = 0
    main_pid: int = 0
    restarts: int = 0
    since: int = 0
    started: bool = False
    """It has been started since it was loaded."""
    wanted: bool = False
    """It is meant to be up."""
    has_start: bool = True
    """It has something to run."""
    install: str = ""
    """The unit that must have succeeded before this one starts (``ggl.host.unit.Unit``)."""
    kind: str = ""
    """Which way to start it was taken (``ggl.host.unit.Start``): run, startup, oneshot, or none yet."""
    paused: bool = False
    """Its processes are frozen."""
    limited: bool = False
    """Its processes are held to its limits; false as well when the host cannot do that."""
    revision: str = ""
    status_text: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> UnitStatus:
        return UnitStatus(
            name=get_str(data, "name"),
            component=get_str(data, "component", ""),
            version=get_str(data, "version", ""),
            phase=get_str(data, "phase", ""),
            active_state=get_str(data, "active_state", "inactive"),
            sub_state=get_str(data, "sub_state", "dead"),
            result=get_str(data, "result", "success"),
            stage=get_str(data, "stage", ""),
            exit_status=get_int(data, "exit_status", 0),
            main_pid=get_int(data, "main_pid", 0),
            restarts=get_int(data, "restarts", 0),
            since=get_int(data, "since", 0),
            started=get_bool(data, "started", False),
            wanted=get_bool(data, "wanted", False),
            has_start=get_bool(data, "has_start", True),
            install=get_str(data, "install", ""),
            kind=get_str(data, "kind", ""),
            paused=get_bool(data, "paused", False),
            limited=get_bool(data, "limited", False),
            revision=get_str(data, "revision", ""),
            status_text=get_str(data, "status_text", ""),
        )
