"""The units of the components as each host keeps them: by name, on the disk, and taken down in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from ggl.durable import sync_directory
from ggl.host import store
from ggl.host.order import OrderedStop

if TYPE_CHECKING:
    from pathlib import Path

    from ggl.bus.loop import Loop
    from ggl.host.unit import Unit
    from ggl.log import Logger


class Kept(Protocol):
    """``loaded`` is the newest definition."""

    wanted: bool
    unit: Unit

    @property
    def name(self) -> str: ...
    @property
    def loaded(self) -> Unit: ...
    def stop(self, done: Callable[[], None] | None = None) -> None: ...


U = TypeVar("U", bound=Kept)
C = TypeVar("C")


class UnitTable(Generic[U, C]):
    """Definitions are kept in ``directory``; what goes wrong with that is said in ``log``. ``core``: the daemons."""

    def __init__(self, loop: Loop, directory: Path, log: Logger) -> None:
        self.loop = loop
        self.units: dict[str, U] = {}
        self.core: dict[str, C] = {}
        self._directory = directory
        self._log = log

    def load(self, unit: Unit) -> None:
        """Take over a definition, for a unit that is new or known. Raises ``OSError`` when it cannot be kept."""
        raise NotImplementedError

    def stop(self, units: Iterable[U], done: Callable[[], None]) -> None:
        """Stop ``units`` in order, and remember that they are not wanted; but what somebody starts meanwhile stays."""
        units = list(units)
        for unit in units:
            unit.wanted = False
            self.save_wanted(unit)
        OrderedStop(self.loop, units, _stop_unwanted, done).next()

    def unload(self, units: Iterable[U], done: Callable[[], None]) -> None:
        """Stop ``units`` in order, then forget them; but what somebody loads or starts meanwhile stays.

        On the disk they are wanted until their files go: who is interrupted before ``done`` has to ask again.
        """
        definitions = {unit: unit.loaded for unit in units}
        for unit in definitions:
            unit.wanted = False

        def stop(unit: U, stopped: Callable[[], None]) -> None:
            def forget() -> None:
                same = self.units.get(unit.name) is unit and unit.loaded is definitions[unit]
                if same and not unit.wanted:
                    del self.units[unit.name]
                    self._remove(unit)
                stopped()

            _stop_unwanted(unit, forget)

        def stopped_all() -> None:
            if any(self.units.get(unit.name) is not unit for unit in definitions):
                self._sync_units()
            self._when_forgotten(done)

        OrderedStop(self.loop, definitions, stop, stopped_all).next()

    def save_wanted(self, unit: U) -> None:
        """Remember over a restart whether the unit is meant to be up."""
        try:
            store.save(self._directory, unit.loaded, unit.wanted)
        except OSError as error:
            self._log.error("cannot write the unit file of %s: %s", unit.name, error.strerror)

    def _remove(self, unit: U) -> None:
        """``unit`` is not in the table any more: clear away what else there is of it."""
        raise NotImplementedError

    def _when_forgotten(self, done: Callable[[], None]) -> None:
        """Call ``done`` when the host has taken notice that units were removed."""
        done()

    def _sync_units(self) -> None:
        try:
            sync_directory(self._directory)
        except OSError as error:
            self._log.error("removed components may come back after a power cut: %s", error.strerror)


def _stop_unwanted(unit: U, stopped: Callable[[], None]) -> None:
    if unit.wanted:
        stopped()
    else:
        unit.stop(stopped)
