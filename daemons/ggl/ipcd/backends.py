"""The connections to the daemons behind the IPC bridge: one an interface, made when needed, given up when idle.

All components share a connection, so none may fill it: while a daemon is slow to read, calls to it wait here. How much
one component can have waiting is limited by its own connection.

An open connection keeps a daemon running that could leave. So one that carried no call for a while, and carries no
subscription, is closed; the next call opens it again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from ggl.bus import BusError, ErrorCode, Loop, Remote
from ggl.ipc.model import DEFAULT_TIMEOUT
from ggl.paths import Root

SWEEP_SECONDS = 20.0
"""A connection is closed after one to two of these without use."""
CONGESTED = 1024 * 1024
"""Bytes that a daemon has not read yet from which on calls to it wait."""


class Backend:
    """One interface. Whoever opens a subscription on ``remote`` counts it in ``subscriptions`` while it is open.

    Calls wait for a daemon; a component that does not read (``patient`` is off then) gets no more of them.
    """

    __slots__ = ("_patient", "_waiting", "remote", "subscriptions", "used")

    def __init__(self, remote: Remote, patient: bool = True) -> None:
        self.remote = remote
        self._patient = patient
        self.subscriptions = 0
        self.used = True
        self._waiting: deque[tuple[Any, ...]] = deque()
        remote.on_drain = self._drained

    def call(
        self,
        method: str,
        params: dict[str, Any],
        on_reply: Callable[[Any], None],
        on_error: Callable[[BusError], None],
        trail: str,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        self.used = True
        if self._waiting or self.remote.queued > CONGESTED:
            if not self._patient:
                on_error(BusError(ErrorCode.BUSY, f"{self.remote.interface} does not read its requests"))
                return
            self._waiting.append((method, params, on_reply, on_error, trail, timeout))
        else:
            self.remote.call(method, params, on_reply, on_error, trail, timeout)

    def _drained(self) -> None:
        while self._waiting and self.remote.queued <= CONGESTED:
            self.remote.call(*self._waiting.popleft())


class Backends:
    def __init__(self, loop: Loop, root: Root) -> None:
        self._loop = loop
        self._root = root
        self._backends: dict[str, Backend] = {}
        self._sweeping = False

    def __getitem__(self, interface: str) -> Backend:
        backend = self._backends.get(interface)
        if backend is None:
            backend = Backend(Remote(self._loop, interface, self._root))
            self._add(interface, backend)
        return backend

    def _add(self, name: str, backend: Backend) -> None:
        self._backends[name] = backend
        if not self._sweeping:
            self._sweeping = True
            self._loop.call_later(SWEEP_SECONDS, self._sweep)

    def attach(self, name: str, backend: Backend) -> None:
        """``backend`` is behind ``name`` until ``detach``, however little it is used."""
        backend.subscriptions += 1
        self._add(name, backend)

    def detach(self, name: str) -> None:
        del self._backends[name]

    def _sweep(self) -> None:
        for interface, backend in list(self._backends.items()):
            if not (backend.used or backend.subscriptions or backend.remote.waiting):
                del self._backends[interface]
                backend.remote.close()
            backend.used = False
        self._sweeping = bool(self._backends)
        if self._sweeping:
            self._loop.call_later(SWEEP_SECONDS, self._sweep)
