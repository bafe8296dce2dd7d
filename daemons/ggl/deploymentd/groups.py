"""The thing groups this device belongs to, as the cloud knows them, and what leaving one means.

What a group has deployed stays while the device is in the group, or in one below it. When it has left, the next
deployment of whatever kind takes the group's components along.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from ggl.deploymentd.current import GROUPS_PATH
from ggl.deploymentd.dataplane import BAD, REFUSED, CloudError
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.local import LOCAL_GROUP
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.deploymentd.current import Current
    from ggl.deploymentd.dataplane import DataPlane
    from ggl.deploymentd.patience import Patience

MAX_PAGES = 100
MAX_GROUPS = 1000
"""Some ten times as many as AWS lets a thing be in, with those above them."""
_THING = "thing/"
_GROUP = "thinggroup/"

_log = get_logger("deployment")


def left_groups(patience: Patience, current: Current, target: str) -> tuple[str, ...]:
    """The groups with roots on this device that the device has left; never ``target``, which is deployed now.

    None when nobody knows: a device that is not provisioned, may not ask, or is offline while somebody waits in front
    of it keeps what it has. Raises ``DeploymentError``, and what ``Patience.check`` raises.
    """
    candidates = [group for group in current.groups if group != target and _may_be_left(group, current)]
    if not candidates or patience.cloud is None or not (patience.online or patience.waits):
        return ()
    members = _members(patience)
    gone = () if members is None else tuple(group for group in candidates if group not in members)
    if gone:
        _log.info("this device is not in %s any more", ", ".join(gone))
    return gone


def _may_be_left(group: str, current: Current) -> bool:
    if group == LOCAL_GROUP or group.startswith(_THING):
        return False
    roots = current.value(*GROUPS_PATH[1:], group)
    # Only the cloud's groups have an ARN: one that was made up on this device cannot be left.
    return any(isinstance(root, Mapping) and root.get("groupConfigArn") for root in (roots or {}).values())


def _members(patience: Patience) -> Collection[str] | None:
    cloud = patience.cloud
    assert cloud is not None, "a device that is not provisioned asks nobody"
    try:
        if patience.waits:
            return patience.insist(lambda: thing_groups(cloud), "its thing groups")
        return thing_groups(cloud)
    except CloudError as error:
        if error.kind == REFUSED:
            _log.warning(
                "the components of thing groups that this device has left are not removed: %s. The policy of its "
                "certificate must allow greengrass:ListThingGroupsForCoreDevice",
                error.text,
            )
        elif patience.waits:
            text = f"the cloud does not tell which thing groups this device is in: {error.text}"
            raise DeploymentError(text, *error.codes()) from None
        else:
            _log.warning("the thing groups of this device are not known: %s", error.text)
    return None


def thing_groups(cloud: DataPlane) -> frozenset[str]:
    """The groups the device is in, directly or by one below, as deployments name them. Raises ``CloudError``."""
    from urllib.parse import quote

    path = f"/greengrass/v2/coreDevices/{quote(cloud.thing_name, safe='')}/thingGroups"
    found: set[str] = set()
    query: dict[str, str] = {}
    for _ in range(MAX_PAGES):
        page = cloud.call("GET", path, query)
        for group in _maps(page, "thingGroups"):
            found.update(_names([group, *_maps(group, "rootToParentThingGroups")]))
        if len(found) > MAX_GROUPS:
            raise CloudError(BAD, f"the list of thing groups has more than {MAX_GROUPS}")
        token = page.get("nextToken")
        if not token:
            return frozenset(found)
        if not isinstance(token, str):
            break
        query = {"nextToken": token}
    raise CloudError(BAD, f"the list of thing groups does not end after {MAX_PAGES} pages")


def _names(groups: Collection[Mapping[str, Any]]) -> list[str]:
    names = [group.get("thingGroupName") for group in groups]
    if not all(isinstance(name, str) and name for name in names):
        raise CloudError(BAD, "the list of thing groups has an entry without a name")
    return [f"{_GROUP}{name}" for name in names]


def _maps(data: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    items = data.get(key)
    if items is None:
        return []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise CloudError(BAD, f"'{key}' in the list of thing groups is no list of maps")
    return items
