"""What is known about one deployment: the record that is kept on disk and, without its inner part, shown to others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ggl.values import get_bool, get_dict, get_float, get_int, get_str, get_str_list

QUEUED = "QUEUED"
IN_PROGRESS = "IN_PROGRESS"
SUCCEEDED = "SUCCEEDED"
FAILED = "FAILED"
CANCELED = "CANCELED"
REJECTED = "REJECTED"

TERMINAL = (SUCCEEDED, FAILED, CANCELED, REJECTED)

SUCCESSFUL = "SUCCESSFUL"
FAILED_NO_STATE_CHANGE = "FAILED_NO_STATE_CHANGE"
FAILED_ROLLBACK_NOT_REQUESTED = "FAILED_ROLLBACK_NOT_REQUESTED"
FAILED_ROLLBACK_COMPLETE = "FAILED_ROLLBACK_COMPLETE"
FAILED_UNABLE_TO_ROLLBACK = "FAILED_UNABLE_TO_ROLLBACK"

LOCAL = "LOCAL"
DOCUMENT = "DOCUMENT"
IOT_JOBS = "IOT_JOBS"
SHADOW = "SHADOW"
ROLLBACK_TYPE = "ROLLBACK"
TYPES = (LOCAL, DOCUMENT, IOT_JOBS, SHADOW, ROLLBACK_TYPE)
"""Where a deployment comes from: a request on this device, a document given to this device, the cloud (two ways), or
the wish to go back to a generation."""

PREPARING = ("ingest", "resolve", "download", "prepare", "notify", "validate")
"""The steps that change nothing; after an interruption they begin anew."""
ACTIVATING = ("stop", "place", "configure", "bootstrap", "start", "wait", "remove", "commit")
"""The steps that change the device; after an interruption the one that was begun is done again."""
STEPS = (*PREPARING, *ACTIVATING)

_HIDDEN = (
    *("sequence", "writes", "attempts", "base", "target", "broken_before", "wait_timeout"),
    *("canceling", "notified", "tasks", "restarting", "failure", "unable"),
)


@dataclass(frozen=True)
class Deployment:
    """``created`` and ``finished`` are milliseconds since the epoch (0: not yet). ``step`` is what is being done, or
    was when it ended; ``message`` says the same, or the outcome, in words. ``states`` are those of its components."""

    deployment_id: str
    created: int
    type: str = LOCAL
    name: str = ""
    sequence: int = 0
    """Deployments are taken up in this order."""
    writes: int = 0
    """How often it was written: no two records of it are the same, so that one can be recognised."""
    status: str = QUEUED
    detailed_status: str = ""
    finished: int = 0
    step: str = ""
    message: str = ""
    policy: str = ""
    rolling_back: bool = False
    """The steps are those of the way back."""
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
    generation: int = 0
    """The generation that it made, or went back to."""
    configuration_arn: str = ""
    """What the cloud calls the configuration that is deployed."""
    request_id: str = ""
    """Which request this is, in the words of whoever made it: the same one twice is one deployment."""
    source_endpoint: str = ""
    """The IoT data endpoint (``host:port``) that the device was told to leave: its cloud waits for the outcome."""
    trail: str = ""
    """The id under which the logs tell the story of this deployment, from its request on."""
    canceling: bool = False
    """Somebody asked to cancel it; durable, since they were told so."""
    attempts: int = 0
    """How often the present step was taken up again after an interruption."""
    base: int = 0
    """The generation that ran before: the way back leads there."""
    target: int = -1
    """The generation that a rollback leads to; it makes none of its own."""
    broken_before: tuple[str, ...] = ()
    """The components that were broken before it changed anything."""
    wait_timeout: float = 0.0
    """Seconds until every component must be up."""
    notified: bool = False
    """Components were asked, and are to be told when it is over."""
    tasks: Mapping[str, Any] = field(default_factory=dict)
    """The bootstrap tasks that have begun, by component: what became of them."""
    restarting: Mapping[str, Any] = field(default_factory=dict)
    """The restart that is being waited for: its kind, and the run of the host in which it was asked for."""
    failure: Mapping[str, Any] = field(default_factory=dict)
    """What will be reported at the end: why the way back is taken, or what failed without one."""
    unable: bool = False
    """The way back has failed somewhere, and goes on as far as it can."""

    @property
    def is_over(self) -> bool:
        return self.status in TERMINAL

    @property
    def is_activating(self) -> bool:
        """The device is not, or may not be, as it was before."""
        return self.rolling_back or self.step in ACTIVATING

    @property
    def is_local(self) -> bool:
        return self.type in (LOCAL, DOCUMENT, ROLLBACK_TYPE)

    def to_dict(self) -> dict[str, Any]:
        """For the disk."""
        values = ((item.name, getattr(self, item.name)) for item in fields(self))
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values}

    def public(self) -> dict[str, Any]:
        """For everybody else."""
        shown = self.to_dict()
        for name in _HIDDEN:
            del shown[name]
        return shown

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Deployment:
        """Raises ``InvalidValue``."""
        values: dict[str, Any] = {"deployment_id": get_str(data, "deployment_id"), "created": get_int(data, "created")}
        for item in fields(Deployment):
            if item.name in values or item.name not in data:
                continue
            values[item.name] = _READ[str(item.type)](data, item.name)
        return Deployment(**values)


_READ: dict[str, Callable[[Mapping[str, Any], str], Any]] = {
    "str": get_str,
    "int": get_int,
    "bool": get_bool,
    "float": get_float,
    "Mapping[str, str]": get_dict,
    "Mapping[str, Any]": get_dict,
    "tuple[str, ...]": lambda data, name: tuple(get_str_list(data, name)),
}
