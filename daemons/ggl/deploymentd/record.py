"""What is known about one deployment: the record that is kept on disk and, without its inner part, shown to others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ggl.values import get_dict, get_int, get_str, get_str_list

QUEUED = "QUEUED"
IN_PROGRESS = "IN_PROGRESS"
SUCCEEDED = "SUCCEEDED"
FAILED = "FAILED"
CANCELED = "CANCELED"

TERMINAL = (SUCCEEDED, FAILED, CANCELED)


@dataclass(frozen=True)
class Deployment:
    """``created`` and ``finished`` are milliseconds since the epoch (0: not yet). ``step`` is what is being done, or
    was when it ended; ``message`` says the same, or the outcome, in words. ``states`` are those of its components."""

    deployment_id: str
    created: int
    sequence: int = 0
    """Deployments are taken up in this order."""
    status: str = QUEUED
    detailed_status: str = ""
    finished: int = 0
    step: str = ""
    message: str = ""
    error_stack: tuple[str, ...] = ()
    error_types: tuple[str, ...] = ()
    cause: str = ""
    broken: tuple[str, ...] = ()
    components: Mapping[str, str] = field(default_factory=dict)
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    roots: Mapping[str, str] = field(default_factory=dict)
    group: str = ""
    requested_by: str = ""
    states: Mapping[str, str] = field(default_factory=dict)
    trail: str = ""
    """The id under which the logs tell the story of this deployment, from its request on."""
    request: Mapping[str, Any] = field(default_factory=dict)
    """The local request as it came."""
    document: Mapping[str, Any] = field(default_factory=dict)
    """The deployment document, from the moment the deployment is taken up."""

    @property
    def is_over(self) -> bool:
        return self.status in TERMINAL

    def to_dict(self) -> dict[str, Any]:
        """For the disk."""
        values = ((item.name, getattr(self, item.name)) for item in fields(self))
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values}

    def public(self) -> dict[str, Any]:
        """For everybody else."""
        shown = self.to_dict()
        for name in ("sequence", "request", "document"):
            del shown[name]
        return shown

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Deployment:
        """Raises ``InvalidValue``."""
        return Deployment(
            deployment_id=get_str(data, "deployment_id"),
            created=get_int(data, "created"),
            sequence=get_int(data, "sequence", 0),
            status=get_str(data, "status"),
            detailed_status=get_str(data, "detailed_status", ""),
            finished=get_int(data, "finished", 0),
            step=get_str(data, "step", ""),
            message=get_str(data, "message", ""),
            error_stack=tuple(get_str_list(data, "error_stack", [])),
            error_types=tuple(get_str_list(data, "error_types", [])),
            cause=get_str(data, "cause", ""),
            broken=tuple(get_str_list(data, "broken", [])),
            components=get_dict(data, "components", {}),
            changed=tuple(get_str_list(data, "changed", [])),
            removed=tuple(get_str_list(data, "removed", [])),
            roots=get_dict(data, "roots", {}),
            group=get_str(data, "group", ""),
            requested_by=get_str(data, "requested_by", ""),
            states=get_dict(data, "states", {}),
            trail=get_str(data, "trail", ""),
            request=get_dict(data, "request", {}),
            document=get_dict(data, "document", {}),
        )
