"""What is deployed now, as the configuration tree tells it: versions, groups with their roots, who runs as whom."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ggl.deploymentd.configuration import Stamped, is_leaf, plain
from ggl.deploymentd.store import RESERVED
from ggl.recipe.model import BUILT_IN
from ggl.version import NUCLEUS, NUCLEUS_ALIAS

NUCLEUS_NAMES = (NUCLEUS, NUCLEUS_ALIAS)
"""The nucleus is known under both names; its configuration is stored under the first."""
SERVICES = "services"
TIME_SOURCE = "deploymentConfigurationTimeSource"
GROUPS_PATH = (SERVICES, "DeploymentService", "GroupToRootComponents")
LAST_DEPLOYMENTS_PATH = (SERVICES, "DeploymentService", "GroupToLastDeployment")


@dataclass(frozen=True)
class Current:
    """``services`` is the subtree of that name with timestamps."""

    services: Stamped = field(default_factory=dict)
    thing_name: str = ""

    @property
    def versions(self) -> dict[str, str]:
        """The components that deployments have brought, with their versions."""
        found = {}
        for name in self.services:
            version = self.value(name, "version")
            if isinstance(version, str) and name not in RESERVED and name not in BUILT_IN:
                found[name] = version
        return found

    @property
    def groups(self) -> dict[str, dict[str, str]]:
        """The roots of every group, name to version."""
        groups = self.value(*GROUPS_PATH[1:])
        if not isinstance(groups, Mapping):
            return {}
        return {group: _roots(roots) for group, roots in groups.items() if isinstance(roots, Mapping)}

    @property
    def arns(self) -> dict[tuple[str, str], str]:
        """What the cloud calls the component versions that are deployed, as far as they come from there."""
        found = {}
        for name, version in self.versions.items():
            arn = self.value(name, "arn")
            if isinstance(arn, str):
                found[name, version] = arn
        return found

    def without_groups(self, groups: Collection[str]) -> Current:
        """The same, had ``groups`` never deployed anything."""
        if not groups:
            return self
        services = dict(self.services)
        _, holder, *_ = GROUPS_PATH
        node = dict(services.get(holder, {}))
        for path in (GROUPS_PATH, LAST_DEPLOYMENTS_PATH):
            kept = node.get(path[-1])
            if isinstance(kept, dict) and not is_leaf(kept):
                node[path[-1]] = {name: child for name, child in kept.items() if name not in groups}
        services[holder] = node
        return replace(self, services=services)

    def last_deployment(self, group: str) -> int:
        """When the last deployment of ``group`` was made: milliseconds since the epoch; 0 when there was none."""
        timestamp = self.value(*LAST_DEPLOYMENTS_PATH[1:], group, "timestamp")
        return timestamp if type(timestamp) is int else 0

    def lifecycle(self, component: str) -> Mapping[str, Any]:
        """The lifecycle section that is deployed, with its variables replaced."""
        section = self.value(component, "lifecycle")
        return section if isinstance(section, Mapping) else {}

    @property
    def store_limit(self) -> int | None:
        """Bytes that the component store may have."""
        return self._number("componentStoreMaxSizeBytes")

    @property
    def generations_to_keep(self) -> int | None:
        return self._number("generationsToKeep")

    @property
    def reboot_command(self) -> str:
        """What reboots the device; empty: what the host thinks."""
        command = self.value(NUCLEUS, "configuration", "rebootCommand")
        return command if isinstance(command, str) else ""

    def _number(self, key: str) -> int | None:
        value = self.value(NUCLEUS, "configuration", key)
        if isinstance(value, str) and value.strip().isdecimal():
            value = int(value)
        return value if type(value) is int and value > 0 else None

    @property
    def time_source(self) -> Any:
        """What says since when a deployment's configuration counts."""
        return self.value(NUCLEUS, "configuration", TIME_SOURCE)

    def configuration(self, component: str) -> Stamped:
        """The stored configuration, with timestamps."""
        node = self._node(configuration_path(component)[1:])
        return {} if node is None or is_leaf(node) else node

    def value(self, *keys: str) -> Any:
        """The value below ``services`` at ``keys``; ``None`` when there is none."""
        node = self._node(keys)
        return None if node is None else plain(node)

    def _node(self, keys: tuple[str, ...]) -> Stamped | None:
        node: Any = self.services
        for key in keys:
            if is_leaf(node) or key not in node:
                return None
            node = node[key]
        return node  # type: ignore[no-any-return]


def configuration_path(component: str) -> tuple[str, ...]:
    return (SERVICES, NUCLEUS if component in NUCLEUS_NAMES else component, "configuration")


def _roots(roots: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: root["version"]
        for name, root in roots.items()
        if isinstance(root, Mapping) and isinstance(root.get("version"), str)
    }
