"""The healths of all components, kept up to date from the unit states that come in; and who wants to know of changes.

Pure bookkeeping: no bus. A component is here as long as one of its units is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ggl.healthd.lifecycle import NEW, PHASES, UNINSTALLED, Health, component_health
from ggl.host.status import UnitStatus

Listener = Callable[[Health], None]


class Watcher:
    """Feed it with ``replace`` and ``update``; listeners hear of every health that differs from the one before."""

    def __init__(self) -> None:
        self._units: dict[str, dict[str, UnitStatus]] = {}
        self._healths: dict[str, Health] = {}
        self._listeners: list[tuple[str, Listener]] = []

    def replace(self, units: Mapping[str, UnitStatus]) -> None:
        """These are all the units there are."""
        self._units = {}
        for status in units.values():
            if _counts(status):
                self._units.setdefault(status.component, {})[status.name] = status
        for component in {**self._healths, **self._units}:
            self._evaluate(component)

    def update(self, name: str, status: UnitStatus | None) -> None:
        """One unit has changed; ``None``: it is gone."""
        if status is None:
            for component, units in self._units.items():
                if units.pop(name, None) is not None:
                    self._evaluate(component)
                    break
        elif _counts(status):
            self._units.setdefault(status.component, {})[name] = status
            self._evaluate(status.component)

    def list(self) -> list[Health]:
        return [self._healths[component] for component in sorted(self._healths)]

    def get(self, component: str) -> Health | None:
        return self._healths.get(component)

    def main_unit(self, component: str) -> str | None:
        """The name of the unit that is started, stopped and paused when the component is."""
        units = self._units.get(component, {}).values()
        return next((status.name for status in units if status.phase == "main"), None)

    def reporting_unit(self, component: str) -> str | None:
        """The name of the unit that a component's own report is about: the install unit until it is installed."""
        units = self._units.get(component, {})
        installing = component in self._healths and self._healths[component].state == NEW
        fitting = (name for name, status in units.items() if (status.phase == "install") == installing)
        return next(fitting, next(iter(units), None))

    def listen(self, component: str, listener: Listener) -> Callable[[], None]:
        """Tell ``listener`` every change of ``component``, or of all when it is empty. Call the result to end it."""
        entry = (component, listener)
        self._listeners.append(entry)

        def end() -> None:
            if entry in self._listeners:
                self._listeners.remove(entry)

        return end

    def _evaluate(self, component: str) -> None:
        before = self._healths.get(component)
        units = self._units.get(component)
        if units:
            main = next((status for status in units.values() if status.phase != "install"), None)
            install = next((status for status in units.values() if status.phase == "install"), None)
            health = self._healths[component] = component_health(main, install)
        else:
            self._units.pop(component, None)
            if before is None:
                return
            del self._healths[component]
            health = Health(component, before.version, UNINSTALLED)
        if health == before:
            return
        for wanted, listener in list(self._listeners):
            if wanted in ("", component):
                listener(health)


def _counts(status: UnitStatus) -> bool:
    return bool(status.component) and status.phase in PHASES
