"""Which groups a component was deployed to by name: only from those can it be removed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ggl.bus import BusError, ErrorCode
from gglcli.client import call, command
from gglcli.errors import INVALID, CliError
from gglcli.health import existing

LOCAL_GROUP = "LOCAL_DEPLOYMENT"
_PREFIX = "thinggroup/"
_PATH = ["services", "DeploymentService", "GroupToRootComponents"]


def groups_of(component: str) -> list[str]:
    """The groups that have ``component`` as a root, as they are recorded."""
    return sorted(group for group, roots in _groups().items() if component in (roots or {}))


def require_roots(components: Iterable[str], group: str) -> None:
    """Raises ``CliError`` for the first component that a deployment to ``group`` (empty: the default) cannot remove."""
    wanted = f"{_PREFIX}{group}" if group and group != LOCAL_GROUP else LOCAL_GROUP
    for name in components:
        groups = groups_of(name)
        if wanted in groups:
            continue
        message = f"{name} was not deployed to the group {wanted.removeprefix(_PREFIX)}"
        if groups:
            other = groups[0].removeprefix(_PREFIX)
            raise CliError(message, INVALID, hint=f"it is one of the group {other}: use --group {other}")
        existing([name])
        hint = f"it is there for what depends on it, see '{command('component list')}'"
        raise CliError(f"{name} was not deployed by name", INVALID, hint=hint)


def group_names() -> list[str]:
    return [group.removeprefix(_PREFIX) for group in _groups()]


def _groups() -> dict[str, Any]:
    try:
        groups = call("gg_config", "read", {"key_path": _PATH})
    except BusError as error:
        if error.code != ErrorCode.NOENTRY:
            raise
        return {}
    return groups if isinstance(groups, dict) else {}
