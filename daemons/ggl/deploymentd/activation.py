"""Everything an activation will do, worked out before anything on the device is changed.

It is kept on disk while the deployment is under way: whatever interrupts the deployment, the steps that change the
device go on with this and need nothing else. A deployment makes one from its document (``forward``), the way back to a
generation makes one from that generation (``restoring``); from then on both are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ggl.deploymentd.contents import Contents
from ggl.host.unit import Unit
from ggl.values import InvalidValue, get_dict, get_list, get_str_list


@dataclass(frozen=True)
class Activation:
    """What the device will be, and how it gets there."""

    versions: Mapping[str, str] = field(default_factory=dict)
    """Every component there will be, after those it depends on."""
    requirements: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The version ranges that a component requires of others."""
    units: tuple[Unit, ...] = ()
    contents: Contents = field(default_factory=Contents)
    operations: tuple[Mapping[str, Any], ...] = ()
    """The configuration, as operations of ``gg_config``'s ``transaction``."""
    commit: tuple[Mapping[str, Any], ...] = ()
    """Those that are done when everything is up: the roots of the groups."""
    touched: tuple[str, ...] = ()
    """The components whose configuration, scripts or files change: what the way back has to put back."""
    removed: tuple[str, ...] = ()
    bootstrap: tuple[Unit, ...] = ()
    """Units to run once, in this order, before anything starts."""
    uninstall: tuple[Unit, ...] = ()
    """Units to run once when the removed components are down."""
    excused: tuple[str, ...] = ()
    """Components that need not come up."""

    def to_dict(self) -> dict[str, Any]:
        return {
            "versions": dict(self.versions),
            "requirements": {name: dict(needs) for name, needs in self.requirements.items()},
            "units": [unit.to_dict() for unit in self.units],
            "contents": self.contents.to_dict(),
            "operations": list(self.operations),
            "commit": list(self.commit),
            "touched": list(self.touched),
            "removed": list(self.removed),
            "bootstrap": [unit.to_dict() for unit in self.bootstrap],
            "uninstall": [unit.to_dict() for unit in self.uninstall],
            "excused": list(self.excused),
        }

    @staticmethod
    def from_dict(data: Any) -> Activation:
        """Raises ``InvalidValue``."""
        if not isinstance(data, dict):
            raise InvalidValue("there is no activation")
        return Activation(
            versions=get_dict(data, "versions"),
            requirements=get_dict(data, "requirements"),
            units=units_from(data, "units"),
            contents=Contents.from_dict(get_dict(data, "contents")),
            operations=tuple(get_list(data, "operations")),
            commit=tuple(get_list(data, "commit")),
            touched=tuple(get_str_list(data, "touched")),
            removed=tuple(get_str_list(data, "removed")),
            bootstrap=units_from(data, "bootstrap"),
            uninstall=units_from(data, "uninstall"),
            excused=tuple(get_str_list(data, "excused")),
        )


def units_from(data: Mapping[str, Any], key: str) -> tuple[Unit, ...]:
    """The units in the list under ``key``. Raises ``InvalidValue``."""
    items = get_list(data, key)
    if not all(isinstance(item, dict) for item in items):
        raise InvalidValue(f"'{key}' must be a list of units")
    return tuple(Unit.from_dict(item) for item in items)


def by_component(units: tuple[Unit, ...]) -> dict[str, tuple[Unit, ...]]:
    """The units of each component, in the order the components come."""
    found: dict[str, list[Unit]] = {}
    for unit in units:
        found.setdefault(unit.component, []).append(unit)
    return {component: tuple(each) for component, each in found.items()}
