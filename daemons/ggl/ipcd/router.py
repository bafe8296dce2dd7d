"""Which bus interface serves which IPC operation. Pure.

Two kinds of registration: a daemon of the catalogue serves what it says there, running or not (its first request
starts it); any other process may register an operation while it runs. The catalogue cannot be overridden. When several
register one operation, the latest serves it, and the earlier again when that one leaves.
"""

from __future__ import annotations

from collections.abc import Iterable

from ggl.catalog import DAEMONS, Daemon
from ggl.ipc.model import PREFIX


class Taken(Exception):
    """The operation belongs to a daemon of the catalogue."""


class Router:
    def __init__(self, daemons: Iterable[Daemon] = DAEMONS) -> None:
        self._fixed = {
            PREFIX + operation: daemon.interfaces[0] for daemon in daemons for operation in daemon.ipc_operations
        }
        self._registered: dict[str, list[str]] = {}

    def interface_of(self, operation: str) -> str | None:
        """Who serves ``operation`` (its full name); ``None`` when nobody does."""
        interface = self._fixed.get(operation)
        if interface is None and (registered := self._registered.get(operation)):
            return registered[-1]
        return interface

    def register(self, operation: str, interface: str) -> None:
        """Raises ``Taken``."""
        if operation in self._fixed:
            raise Taken(f"{operation} is served by {self._fixed[operation]}")
        self._registered.setdefault(operation, []).append(interface)

    def unregister(self, operation: str, interface: str) -> None:
        """Undo one ``register`` with the same arguments."""
        registered = self._registered[operation]
        registered.reverse()
        registered.remove(interface)
        registered.reverse()
        if not registered:
            del self._registered[operation]

    def routes(self) -> dict[str, str]:
        """Every operation that is served now, with its interface."""
        return {**{operation: registered[-1] for operation, registered in self._registered.items()}, **self._fixed}
