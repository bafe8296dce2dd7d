"""Which bus interface, or which component that has registered, serves which IPC operation. Pure.

Two kinds of registration: a daemon of the catalogue serves what it says there, running or not (its first request
starts it); any other process, or a component, may register an operation while it runs. The catalogue cannot be
overridden. When several register one operation, the latest serves it, and the earlier again when that one leaves.
"""

from __future__ import annotations

from collections.abc import Iterable

from ggl.catalog import DAEMONS, Daemon
from ggl.ipc.model import OPERATIONS, PREFIX, Operation, custom


class Taken(Exception):
    """The operation belongs to a daemon of the catalogue."""


class Router:
    def __init__(self, daemons: Iterable[Daemon] = DAEMONS) -> None:
        self._fixed = {
            PREFIX + operation: daemon.interfaces[0] for daemon in daemons for operation in daemon.ipc_operations
        }
        self._registered: dict[str, list[tuple[str, Operation]]] = {}

    def interface_of(self, operation: str) -> str | None:
        """Who serves ``operation`` (its full name); ``None`` when nobody does."""
        interface = self._fixed.get(operation)
        if interface is None and (registered := self._registered.get(operation)):
            return registered[-1][0]
        return interface

    def operation_of(self, name: str) -> Operation | None:
        """What is known of an operation that somebody has registered."""
        registered = self._registered.get(name)
        return registered[-1][1] if registered else None

    def check(self, operation: str) -> None:
        """Raises ``Taken`` for an operation that cannot be registered."""
        if operation in self._fixed:
            raise Taken(f"{operation} is served by {self._fixed[operation]}")

    def register(self, operation: str, interface: str, event: str = "") -> str:
        """``event`` is the shape of the stream events of an operation outside the published model. Returns who served
        it until now, or "". Raises ``Taken``."""
        self.check(operation)
        model = OPERATIONS.get(operation) or custom(operation, event)
        registered = self._registered.setdefault(operation, [])
        registered.append((interface, model))
        return registered[-2][0] if len(registered) > 1 else ""

    def unregister(self, operation: str, interface: str) -> None:
        """Undo one ``register`` with the same arguments."""
        registered = self._registered[operation]
        latest = max(index for index, (name, _operation) in enumerate(registered) if name == interface)
        del registered[latest]
        if not registered:
            del self._registered[operation]

    def registered(self) -> dict[str, list[str]]:
        """The interfaces that have registered each operation: who serves it, then who takes over from that one."""
        return {operation: [name for name, _ in reversed(found)] for operation, found in self._registered.items()}

    def routes(self) -> dict[str, str]:
        """Every operation that is served now, with its interface."""
        return {**{operation: registered[-1][0] for operation, registered in self._registered.items()}, **self._fixed}
