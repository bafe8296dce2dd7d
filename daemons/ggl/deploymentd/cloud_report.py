"""Word of a deployment that is over, for the daemon that tells the cloud how the device is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ggl.bus.errors import BusError
from ggl.deploymentd.record import IOT_JOBS, SHADOW
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.deploymentd.record import Deployment
    from ggl.deploymentd.runtime import Runtime

INTERFACE = "gg_fleet_status"
_TRIGGERS = {IOT_JOBS: "THING_GROUP_DEPLOYMENT", SHADOW: "THING_DEPLOYMENT"}

_log = get_logger("deployment")


def tell_over(runtime: Runtime, deployment: Deployment) -> None:
    """By the way on which it came. A device without a cloud has nobody to tell; word that is lost is made up for."""
    try:
        if not runtime.thing_name():
            return
    except BusError as error:
        _log.warning("the cloud is not told at once that deployment %s is over: %s", deployment.deployment_id, error)
        return
    trigger = _TRIGGERS.get(deployment.type, "LOCAL_DEPLOYMENT")
    runtime.tell(INTERFACE, "send_fleet_status_update", {"trigger": trigger})
