"""From what should run and what runs to what is to be done: only that.

Pure. A unit's revision says all that counts: the same revision is the same scripts, environment, user, version and
artifacts. What has not changed is not touched; whatever depends on something that is restarted is restarted by the
host, which also keeps the order of dependencies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ggl.deploymentd.activation import by_component
from ggl.host.unit import ONCE_PHASES

if TYPE_CHECKING:
    from ggl.host.status import UnitStatus
    from ggl.host.unit import Unit


@dataclass(frozen=True)
class Plan:
    """The first four are names of units, the others of components."""

    stop: tuple[str, ...] = ()
    """With their old definition, so that the old shutdown script runs."""
    start: tuple[str, ...] = ()
    unload: tuple[str, ...] = ()
    """Units that a component had and has no more."""
    gone: tuple[str, ...] = ()
    """The units of components that go."""
    changed: tuple[str, ...] = ()
    """Components that are new, or restarted."""
    removed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()


def make_plan(wanted: Sequence[Unit], current: Mapping[str, UnitStatus]) -> Plan:
    """``wanted`` holds the units of all components, dependencies first; ``current`` what the host has."""
    current = {name: status for name, status in current.items() if status.phase not in ONCE_PHASES}
    stop: list[str] = []
    start: list[str] = []
    unload: list[str] = []
    changed: list[str] = []
    unchanged: list[str] = []
    components = by_component(tuple(wanted))
    removed = sorted({status.component for status in current.values() if status.component} - set(components))
    gone = [name for component in removed for name in _units_of(component, current)]
    for component, units in components.items():
        present = _units_of(component, current)
        stale = [name for name in present if name not in {unit.name for unit in units}]
        differing = [unit for unit in units if unit.name not in current or current[unit.name].revision != unit.revision]
        broken = any(current[name].active_state == "failed" for name in present)
        ordered = [unit.name for unit in sorted(units, key=lambda unit: unit.phase != "install")]
        if differing or stale or broken:
            # A change of the install step, or a way out of being broken, begins with the installation.
            anew = broken or stale or any(unit.phase == "install" for unit in differing)
            names = present if anew else [unit.name for unit in differing]
            stop += [name for name in _main_first(names, current) if name in current]
            start += ordered
            unload += stale
            changed.append(component)
        elif not any(current[name].started or current[name].wanted for name in present):
            # It was loaded and never started: that is where an earlier deployment ended.
            start += ordered
            changed.append(component)
        else:
            unchanged.append(component)
    return Plan(
        tuple(dict.fromkeys(stop)),
        tuple(start),
        tuple(unload),
        tuple(gone),
        tuple(changed),
        tuple(removed),
        tuple(unchanged),
    )


def _units_of(component: str, current: Mapping[str, UnitStatus]) -> list[str]:
    return _main_first([name for name, status in current.items() if status.component == component], current)


def _main_first(names: Sequence[str], current: Mapping[str, UnitStatus]) -> list[str]:
    return sorted(names, key=lambda name: (name in current and current[name].phase == "install", name))
