"""The MQTT topics of AWS IoT by which deployments come to this device, and their states go back.

Deployments have a namespace of their own among the jobs of a thing; the one for a single device is a named shadow.
"""

from __future__ import annotations

from dataclasses import dataclass

NAMESPACE = "namespace-aws-gg-deployment"
SHADOW = "AWSManagedGreengrassV2Deployment"
NEXT = "$next"
"""What the first of the jobs that wait is called, whichever it is."""

NOTICE = "notice"
NEXT_NOTICE = "next notice"
GET = "get"
UPDATE = "update"
SHADOW_GET = "shadow get"
SHADOW_UPDATE = "shadow update"

_NOTICES = {f"notify-{NAMESPACE}": NOTICE, f"notify-next-{NAMESPACE}": NEXT_NOTICE}
_JOB_KINDS = {"get": GET, "update": UPDATE}
_SHADOW_KINDS = {"get": SHADOW_GET, "update": SHADOW_UPDATE}


@dataclass(frozen=True)
class Topics:
    """Where to publish, as ``thing``."""

    thing: str

    @property
    def get_next(self) -> str:
        return f"$aws/things/{self.thing}/jobs/{NEXT}/{NAMESPACE}/get"

    def update(self, job_id: str) -> str:
        return f"$aws/things/{self.thing}/jobs/{job_id}/{NAMESPACE}/update"

    @property
    def shadow_get(self) -> str:
        return f"$aws/things/{self.thing}/shadow/name/{SHADOW}/get"

    @property
    def shadow_update(self) -> str:
        return f"$aws/things/{self.thing}/shadow/name/{SHADOW}/update"


@dataclass(frozen=True)
class Arrival:
    """What a message is by its topic. ``job_id``: of a GET or UPDATE; ``accepted``: of an answer."""

    thing: str
    kind: str
    job_id: str = ""
    accepted: bool = True


def parse(topic: str) -> Arrival | None:
    """``None``: no message for us."""
    match topic.split("/"):
        case ["$aws", "things", thing, "jobs", notice] if notice in _NOTICES:
            return Arrival(thing, _NOTICES[notice])
        case ["$aws", "things", thing, "jobs", job, namespace, what, answer] if namespace == NAMESPACE:
            kind = _JOB_KINDS.get(what)
        case ["$aws", "things", thing, "shadow", "name", name, what, answer] if name == SHADOW:
            job, kind = "", _SHADOW_KINDS.get(what)
        case _:
            return None
    if kind is None or answer not in ("accepted", "rejected"):
        return None
    return Arrival(thing, kind, job, answer == "accepted")
