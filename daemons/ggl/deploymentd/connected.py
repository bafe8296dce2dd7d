"""What this device has of the cloud when a deployment begins: who it is there, and whether it is connected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ggl.cloud.settings import load
from ggl.deploymentd.dataplane import TIMEOUT, DataPlane
from ggl.log import get_logger
from ggl.values import InvalidValue

if TYPE_CHECKING:
    from ggl.deploymentd.record import Deployment
    from ggl.deploymentd.runtime import Runtime
    from ggl.paths import Root

LOCAL_TIMEOUT = 10.0
"""Seconds that one call may take while somebody waits in front of the device."""

_log = get_logger("deployment")


@dataclass(frozen=True)
class Cloud:
    """``data_plane`` is ``None`` for a device that is not provisioned. ``online``: it is, or may be, connected."""

    data_plane: DataPlane | None = None
    online: bool = False

    @property
    def is_provisioned(self) -> bool:
        return self.data_plane is not None


def cloud_of(root: Root, runtime: Runtime, deployment: Deployment | None) -> Cloud:
    """The cloud as ``deployment`` (``None``: a dry run) finds it. Raises ``BusError``."""
    try:
        settings = load(root)
    except InvalidValue as error:
        _log.error("the cloud is not asked: the configuration of the nucleus or the system is not valid: %s", error)
        return Cloud()
    if settings.missing_for_mqtt():
        return Cloud()
    # A deployment from the cloud waits for the connection; somebody in front of the device need not wait for nothing.
    waits = deployment is not None and not deployment.is_local
    online = waits or runtime.connection().get("connected") is True
    return Cloud(DataPlane(settings, lambda: load(root), TIMEOUT if waits else LOCAL_TIMEOUT), online)
