"""Who wants to be asked: components and their open streams. Knows no bus."""

from __future__ import annotations

from typing import Generic, TypeVar

Sink = TypeVar("Sink")


class Subscribers(Generic[Sink]):
    """A component may subscribe several times; ``Sink`` is what one subscription's events go to."""

    def __init__(self) -> None:
        self._sinks: dict[str, list[Sink]] = {}

    def __contains__(self, component: object) -> bool:
        return component in self._sinks

    def add(self, component: str, sink: Sink) -> None:
        self._sinks.setdefault(component, []).append(sink)

    def remove(self, component: str, sink: Sink) -> None:
        """Does nothing when ``sink`` was never added."""
        sinks = self._sinks.get(component, [])
        if sink in sinks:
            sinks.remove(sink)
            if not sinks:
                del self._sinks[component]

    def components(self) -> list[str]:
        return sorted(self._sinks)

    def sinks(self) -> list[Sink]:
        """Every subscription of every component."""
        return [sink for sinks in self._sinks.values() for sink in sinks]

    def first(self, component: str) -> Sink:
        """The oldest subscription of ``component``. Raises ``KeyError`` when there is none."""
        return self._sinks[component][0]
