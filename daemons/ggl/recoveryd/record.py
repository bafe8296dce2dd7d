"""What is known about one recovery: the failure, the rungs that were climbed, the outcome. Pure; kept as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from ggl.host.unit import COMPONENT_PREFIX, CORE_PREFIX, INSTALL_SUFFIX
from ggl.values import InvalidValue, get_dict, get_int, get_list, get_str

# How a rung ended.
RECOVERED = "recovered"
FAILED = "failed"
SKIPPED = "skipped"
INTERRUPTED = "interrupted"

# How a recovery ended, besides RECOVERED.
OVER = "over"
"""It was none of ours any more: the component is gone, was stopped, or came up by itself."""
STOPPED = "stopped"
"""The component was stopped, as its response says."""
LIMP_HOME = "limp-home"
"""Nothing helped; everything else goes on."""

# Rungs that are no component's response.
DEPLOYMENT = "deployment"
"""Waiting for a deployment that was under way."""
GENERATION = "generation"
HOOK = "hook"


@dataclass(frozen=True)
class Failure:
    """What the host gave up on, in the words of ``ggl.host.status``. ``time``: milliseconds since the epoch."""

    unit: str
    component: str = ""
    version: str = ""
    phase: str = ""
    result: str = ""
    exit_status: int = 0
    status_text: str = ""
    time: int = 0

    @property
    def is_core(self) -> bool:
        return self.unit.startswith(CORE_PREFIX)

    @property
    def subject(self) -> str:
        """What is being recovered: a component, whichever of its units failed, or a core daemon's unit."""
        return self.component or self.unit

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Failure:
        """Raises ``InvalidValue``."""
        return Failure(
            unit=get_str(data, "unit"),
            component=get_str(data, "component", ""),
            version=get_str(data, "version", ""),
            phase=get_str(data, "phase", ""),
            result=get_str(data, "result", ""),
            exit_status=get_int(data, "exit_status", 0),
            status_text=get_str(data, "status_text", ""),
            time=get_int(data, "time", 0),
        )

    @staticmethod
    def of_unit(unit: str, time: int) -> Failure:
        """All that a unit's name tells, for when nothing else can be read."""
        component = ""
        if not unit.startswith(CORE_PREFIX):
            component = unit.removeprefix(COMPONENT_PREFIX).removesuffix(INSTALL_SUFFIX)
        return Failure(unit, component, time=time)


@dataclass(frozen=True)
class Rung:
    """One thing that was done or decided. ``begun``/``ended``: milliseconds since the epoch; ``ended`` 0: under way."""

    name: str
    """A response, or ``deployment``, ``generation``, ``hook``."""
    begun: int
    detail: str = ""
    """The name of the hook."""
    attempt: int = 0
    """Which one it is within the limit's interval."""
    failure_time: int = 0
    """The failure it answers: one that comes later means that it did not help."""
    ended: int = 0
    outcome: str = ""
    message: str = ""
    deployment_id: str = ""
    """The rollback that was asked for."""
    origin: str = ""
    """The generation, or the component's version, that was left."""
    target: str = ""
    """And the one that was gone to."""

    @property
    def is_over(self) -> bool:
        return self.ended != 0

    @staticmethod
    def from_dict(data: Any) -> Rung:
        """Raises ``InvalidValue``."""
        if not isinstance(data, dict):
            raise InvalidValue("a rung must be a map")
        return Rung(
            name=get_str(data, "name"),
            begun=get_int(data, "begun"),
            detail=get_str(data, "detail", ""),
            attempt=get_int(data, "attempt", 0),
            failure_time=get_int(data, "failure_time", 0),
            ended=get_int(data, "ended", 0),
            outcome=get_str(data, "outcome", ""),
            message=get_str(data, "message", ""),
            deployment_id=get_str(data, "deployment_id", ""),
            origin=get_str(data, "origin", ""),
            target=get_str(data, "target", ""),
        )


@dataclass(frozen=True)
class Recovery:
    """One failure and what became of it. Times are milliseconds since the epoch; 0 is not yet."""

    id: str
    failure: Failure
    opened: int
    closed: int = 0
    outcome: str = ""
    message: str = ""
    generation: int = 0
    """The one that was current at the failure; 0 if it is not known."""
    repeats: int = 0
    """How often the same failure came again when nothing was left to try."""
    last: int = 0
    """When it came the last time."""
    rungs: tuple[Rung, ...] = ()

    @property
    def subject(self) -> str:
        return self.failure.subject

    @property
    def is_over(self) -> bool:
        return self.closed != 0

    @property
    def current(self) -> Rung | None:
        """The rung that is being climbed."""
        return self.rungs[-1] if self.rungs and not self.rungs[-1].is_over else None

    def with_rung(self, rung: Rung) -> Recovery:
        """``rung`` in place of the current one, or as the next."""
        kept = self.rungs if self.current is None else self.rungs[:-1]
        return replace(self, rungs=(*kept, rung))

    def to_dict(self) -> dict[str, Any]:
        data = asdict(self)
        data["rungs"] = list(data["rungs"])
        return data

    def public(self) -> dict[str, Any]:
        """For the bus: with what identifies it at the top."""
        names = {"unit": self.failure.unit, "component": self.failure.component, "version": self.failure.version}
        return {"id": self.id, **names, **self.to_dict()}

    @staticmethod
    def from_dict(data: Any) -> Recovery:
        """Raises ``InvalidValue``."""
        if not isinstance(data, dict):
            raise InvalidValue("a recovery must be a map")
        return Recovery(
            id=get_str(data, "id"),
            failure=Failure.from_dict(get_dict(data, "failure")),
            opened=get_int(data, "opened"),
            closed=get_int(data, "closed", 0),
            outcome=get_str(data, "outcome", ""),
            message=get_str(data, "message", ""),
            generation=get_int(data, "generation", 0),
            repeats=get_int(data, "repeats", 0),
            last=get_int(data, "last", 0),
            rungs=tuple(Rung.from_dict(item) for item in get_list(data, "rungs", [])),
        )
