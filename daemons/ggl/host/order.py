"""Stopping several units in the reverse order of what they require: whoever needs another goes first."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from ggl.bus.loop import Loop
    from ggl.host.unit import Unit


class _Ordered(Protocol):
    @property
    def name(self) -> str: ...

    unit: Unit


U = TypeVar("U", bound=_Ordered)


class OrderedStop(Generic[U]):
    """Calls ``stop(unit, stopped)`` for each of ``units`` when nobody among them needs it any more; then ``done()``.

    ``pending`` are the units that have not called back yet.
    """

    def __init__(
        self,
        loop: Loop,
        units: Iterable[U],
        stop: Callable[[U, Callable[[], None]], None],
        done: Callable[[], None],
    ) -> None:
        self.pending = set(units)
        self._told: set[U] = set()
        self._loop = loop
        self._stop = stop
        self._done = done

    def next(self) -> None:
        """Stop whatever may be stopped now; called again by each unit that is down."""
        if not self.pending:
            done, self._done = self._done, _nothing
            done()
            return
        needed = {name for unit in self.pending for name in (*unit.unit.requires, unit.unit.install)}
        free = {unit for unit in self.pending if unit.name not in needed}
        if free or not self._told & self.pending:
            self.tell(free or self.pending)  # nobody is free: they require each other in a circle

    def tell(self, units: Iterable[U]) -> None:
        """Stop ``units`` now, unless they were told before."""
        for unit in set(units) - self._told:
            self._told.add(unit)
            self._stop(unit, lambda u=unit: self._stopped(u))  # type: ignore[misc]

    def _stopped(self, unit: U) -> None:
        if unit in self.pending:
            self.pending.discard(unit)
            self._loop.call_soon(self.next)


def _nothing() -> None:
    """Everybody is down, and it was said once."""
