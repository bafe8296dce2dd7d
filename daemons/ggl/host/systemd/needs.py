"""What the units of components need of each other: what they require, and the installation of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ggl.host.systemd.standing import UnitStanding
    from ggl.host.systemd.supervised import SupervisedUnit
    from ggl.host.unit import Unit


class Needs:
    """``units`` are all that there are, by their names."""

    def __init__(self, units: Mapping[str, SupervisedUnit]) -> None:
        self._units = units

    def missing_for(self, unit: Unit) -> list[str]:
        """The units that ``unit`` must wait for."""
        units, install = self._units, self._units.get(unit.install)
        if install is not None and not install.observed.ready:
            return [unit.install]
        return [name for name in unit.requires if name not in units or not units[name].observed.ready]

    def start_install(self, unit: Unit) -> None:
        """``unit`` is wanted: its installation is begun if it was not yet."""
        install = self._units.get(unit.install)
        if install is not None and not install.observed.ready:
            shown = install.observed.status
            if (shown.active_state, shown.sub_state) == ("inactive", "dead"):
                install.start()

    def retry_install(self, unit: Unit) -> None:
        """Somebody wants ``unit`` up: an install that was given up gets another chance."""
        install = self._units.get(unit.install)
        if install is not None and install.observed.status.active_state == "failed":
            install.start()

    def stop_install(self, unit: Unit, done: Callable[[], None] | None) -> None:
        """``unit`` is not to come up any more: its installation, if it is under way, is stopped. Then ``done``."""
        install = self._units.get(unit.install)
        if install is not None and install.observed.status.active_state == "activating":
            install.stop(done)
        elif done is not None:
            done()

    def tell_dependents(self, unit: UnitStanding, stopping: bool) -> None:
        """``unit`` has become ready, or is so no longer. ``stopping``: that is so because the whole runtime goes."""
        ready = unit.observed.ready
        for other in list(self._units.values()):
            if ready and (unit.name in other.unit.requires or unit.name == other.unit.install):
                other.dependency_ready()
            elif not ready and unit.name in other.unit.requires and not stopping:
                other.dependency_lost(unit.name)

    def tell_waiting(self, install: UnitStanding) -> None:
        """Those that wait for ``install`` look again whether it was begun."""
        for other in list(self._units.values()):
            if other.unit.install == install.name:
                other.dependency_ready()
