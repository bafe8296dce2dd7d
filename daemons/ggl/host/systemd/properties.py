"""What systemd says of a unit, as far as it matters here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Properties:
    """The defaults are those of a unit that systemd does not have in its memory: nobody uses it."""

    load_state: str = ""
    active_state: str = "inactive"
    sub_state: str = "dead"
    result: str = "success"
    main_pid: int = 0
    exit_code: int = 0
    """How the main process ended (``si_code`` of waitid(2)); 0 while it runs."""
    exit_status: int = 0
    job: int = 0
    """The number of the job that is queued for the unit, or under way; 0 when there is none."""
    start_job: int = 0
    """The same number when that job is to start the unit."""
    changed: int = 0
    """Milliseconds since the epoch of the last change of its state."""
    begun: int = 0
    """When its last start began, in microseconds of the monotonic clock."""
    came_up: int = 0
    """When it last came up, likewise."""
    went_down: int = 0
    """When it last ceased to be up, likewise."""
    restarts: int = 0
    frozen: bool = False
    invocation: str = ""
    """A text that differs for each start of the unit."""

    @property
    def is_down(self) -> bool:
        """systemd has nothing of it running, nor is about to start it again by itself."""
        # For a moment it has a new process already, and its old state still.
        return self.active_state in ("inactive", "failed") and not self.main_pid

    @property
    def is_to_stop(self) -> bool:
        """Somebody has asked systemd to stop it."""
        return self.job not in (0, self.start_job)

    @property
    def is_up_since_start(self) -> bool:
        """It came up in its present run, or its last one."""
        return 0 < self.begun <= self.came_up

    def updated(self, values: Mapping[str, tuple[str, Any]]) -> Properties:
        """With ``values`` of D-Bus, of which most do not matter, in place of those of before."""
        changes = {}
        for name, (field, convert) in _FIELDS.items():
            if name in values:
                changes[field] = convert(values[name][1])
        new = replace(self, **changes)
        # systemd does not say what a job is for. What is queued for a unit that is down is to start it; so is a job
        # to restart it, from then on when it is down.
        begins = new.active_state in ("inactive", "failed") or new.sub_state.startswith("auto-restart")
        return replace(new, start_job=new.job if begins or new.job == self.start_job else 0)


_FIELDS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "LoadState": ("load_state", str),
    "ActiveState": ("active_state", str),
    "SubState": ("sub_state", str),
    "Result": ("result", str),
    "MainPID": ("main_pid", int),
    "ExecMainCode": ("exit_code", int),
    "ExecMainStatus": ("exit_status", int),
    "Job": ("job", lambda job: int(job[0])),
    "StateChangeTimestamp": ("changed", lambda microseconds: int(microseconds) // 1000),
    "InactiveExitTimestampMonotonic": ("begun", int),
    "ActiveEnterTimestampMonotonic": ("came_up", int),
    "ActiveExitTimestampMonotonic": ("went_down", int),
    "NRestarts": ("restarts", int),
    "FreezerState": ("frozen", lambda state: state == "frozen"),
    "InvocationID": ("invocation", lambda octets: bytes(octets).hex()),
}
