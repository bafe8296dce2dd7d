"""Where a unit is: its definition, its state, how its last run ended, and what of that others are shown."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ggl.host.failures import Failures
from ggl.host.status import UnitStatus
from ggl.host.unit import Unit

if TYPE_CHECKING:
    from ggl.host.process.bounds import Bounds
    from ggl.host.process.step import Step
    from ggl.host.process.supervisor import Supervisor


class UnitState:
    """``unit`` is the definition in force; a newer one waits in ``loaded`` for the next start.

    The words for ``active`` and ``sub`` are those of ``UnitStatus``.
    """

    def __init__(self, supervisor: Supervisor, unit: Unit) -> None:
        self.unit = unit
        self.loaded = unit
        self.active = "inactive"
        self.sub = "dead"
        self.wanted = False
        self.started = False
        self._supervisor = supervisor
        self._result = "success"
        self._stage = ""
        self._exit_status = 0
        self._restarts = 0
        self._since = int(time.time() * 1000)
        self._text = ""
        self._failures = Failures(unit.start_limit_burst, unit.start_limit_interval)
        self._main: Step | None = None
        self._kind = ""
        # Made when the unit has limits, or is paused.
        self._bounds: Bounds | None = None
        # It came up, or did its work, and has neither failed nor begun anew since.
        self._accomplished = False
        # It was given up, and what is left of it is being ended.
        self._clearing = False

    @property
    def name(self) -> str:
        return self.unit.name

    @property
    def is_ready(self) -> bool:
        """What depends on this unit may run: it is up, or has done its work, or is on its orderly way out."""
        if self.active == "active":
            return True
        if not self._accomplished:
            return False
        if self.active == "deactivating":
            return self._result == "success"
        # However its shutdown script fared, it has finished then.
        done = self.active == "inactive" and self.sub == "dead" and self.started
        return done and (self._result == "success" or self._stage == "stop")

    @property
    def is_down(self) -> bool:
        """No process of it is left, and nothing is under way."""
        return self.active in ("inactive", "failed") and not self._clearing

    @property
    def is_going_down(self) -> bool:
        return self.active == "deactivating" or self._clearing

    @property
    def paused(self) -> bool:
        """Its processes are frozen."""
        return self._bounds is not None and self._bounds.paused

    def holds(self, pid: int) -> bool:
        """The process is known for one of the unit's by its cgroup."""
        return self._bounds is not None and self._bounds.holds(pid)

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
            install=self.loaded.install,
            kind=self._kind,
            paused=self.paused,
            limited=self._bounds is not None and self._bounds.limited,
            revision=self.loaded.revision,
            status_text=self._text,
        )

    def _adopt(self) -> None:
        """Put the newest definition in force."""
        if self.unit is self.loaded:
            return
        changed = self.unit.revision != self.loaded.revision
        self.unit = self.loaded
        if changed:
            self.started = False
            self._result, self._stage, self._exit_status, self._text = "success", "", 0, ""
            self._failures = Failures(self.unit.start_limit_burst, self.unit.start_limit_interval)

    def _set(
        self,
        active: str,
        sub: str,
        result: str | None = None,
        stage: str | None = None,
        exit_status: int = 0,
        text: str = "",
        accomplished: bool = False,
    ) -> None:
        """Change the state and tell everybody. ``accomplished``: there was nothing to run, so its work is done."""
        was_ready = self.is_ready
        if (active, sub) != (self.active, self.sub):
            self._since = int(time.time() * 1000)
        self.active, self.sub = active, sub
        if active == "active" or accomplished:
            self._accomplished = True
        elif active in ("activating", "failed") or sub == "waiting":
            self._accomplished = False
        if result is not None:
            self._result, self._exit_status = result, exit_status
        if stage is not None:
            self._stage = stage
        self._text = text
        self._supervisor.changed(self)
        if was_ready != self.is_ready:
            self._supervisor.readiness_changed(self)
