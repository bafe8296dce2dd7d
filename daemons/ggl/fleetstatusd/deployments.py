"""What an update says of a deployment that is over, and which ones have not been told of. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

JOBS_TRIGGER, SHADOW_TRIGGER, LOCAL_TRIGGER = "THING_GROUP_DEPLOYMENT", "THING_DEPLOYMENT", "LOCAL_DEPLOYMENT"
TRIGGERS = (JOBS_TRIGGER, SHADOW_TRIGGER, LOCAL_TRIGGER)
MAX_CAUSE = 1024
"""Characters."""

_TOLD = ("SUCCEEDED", "FAILED", "REJECTED")
_BY_TYPE = {"IOT_JOBS": JOBS_TRIGGER, "SHADOW": SHADOW_TRIGGER}

Record = Mapping[str, Any]


def trigger_of(deployment: Record) -> str:
    """By the way on which it came, whatever its target."""
    return _BY_TYPE.get(deployment.get("type", ""), LOCAL_TRIGGER)


def over(deployments: Iterable[Record]) -> list[Record]:
    """Those that have come to an end worth telling, in their order."""
    return [each for each in deployments if each.get("status") in _TOLD]


def untold(deployments: Sequence[Record], last_id: str, last_finished: int) -> list[Record]:
    """Those that came after the one that was told last; ``deployments`` are in the order of their ends.

    That order counts, not the time: the clock may have been set. Time is what is left when the last one is forgotten.
    """
    for index, each in enumerate(deployments):
        if (each["deployment_id"], each["finished"]) == (last_id, last_finished):
            return list(deployments[index + 1 :])
    return [each for each in deployments if each["finished"] > last_finished]


def information(deployment: Record, told: Iterable[str]) -> dict[str, Any]:
    """``deploymentInformation``; ``told`` are the components that the update has entries for."""
    names = set(told)
    found: dict[str, Any] = {
        "deploymentId": deployment["deployment_id"],
        "status": deployment["status"],
        "statusDetails": {
            "detailedStatus": deployment.get("detailed_status", ""),
            "failureCause": str(deployment.get("cause", ""))[:MAX_CAUSE],
            "errorStack": list(deployment.get("error_stack", ())),
            "errorTypes": list(deployment.get("error_types", ())),
        },
        "unchangedRootComponents": sorted(name for name in deployment.get("roots", {}) if name not in names),
    }
    if arn := deployment.get("configuration_arn", ""):
        found["fleetConfigurationArnForStatus"] = arn
    return found
