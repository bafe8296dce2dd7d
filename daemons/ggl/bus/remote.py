"""A client that lives on a daemon's loop: calls with callbacks, connecting when needed, never blocking.

One ``Remote`` stands for one interface and keeps at most one connection to it, shared by all of the daemon's requests.
When the daemon behind it dies, what was under way fails with NOCONN; the next call connects anew, which starts the
daemon again.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

from ggl.bus.calls import DEFAULT_TIMEOUT, Subscription
from ggl.bus.connection import Connection
from ggl.bus.errors import BusError, ErrorCode
from ggl.bus.loop import Loop
from ggl.bus.request import Methods
from ggl.bus.trail import current
from ggl.paths import Root

_SWEEP_SECONDS = 1.0


class Remote:
    """``methods`` are what the other side may call back on the same connection, if anything."""

    def __init__(self, loop: Loop, interface: str, root: Root, methods: Methods | None = None) -> None:
        self.interface = interface
        self.who = interface
        """The other side, for logs."""
        self._loop = loop
        self._path = str(root.bus_socket(interface))
        self.on_drain: Callable[[], None] | None = None
        """Called when nothing waits to be written any more, and when the connection is gone."""
        self._methods = methods or {}
        self._connection: Connection | None = None
        self._sweeping = False

    def call(
        self,
        method: str,
        params: dict[str, Any],
        on_reply: Callable[[Any], None],
        on_error: Callable[[BusError], None],
        trail: str = "",
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        """Exactly one of the callbacks follows, on the loop and after this call has returned, unless the reply fails to
        be sent at all: then ``on_error`` is called at once."""
        try:
            self._connected().calls.call(method, params, on_reply, on_error, trail or current.trail, timeout)
        except BusError as error:
            on_error(error)
            return
        self._sweep_later()

    def subscribe(
        self,
        method: str,
        params: dict[str, Any],
        on_result: Callable[[Any], None],
        on_item: Callable[[Any], None],
        on_end: Callable[[BusError | None], None],
        trail: str = "",
        timeout: float = DEFAULT_TIMEOUT,
    ) -> Subscription | None:
        """Open a stream; ``on_end`` is called once when it fails or ends. Returns ``None`` if it failed at once."""
        try:
            subscription = self._connected().calls.call(
                method, params, on_result, on_end, trail or current.trail, timeout, on_item, on_end
            )
        except BusError as error:
            on_end(error)
            return None
        self._sweep_later()
        return subscription

    @property
    def queued(self) -> int:
        """Bytes that the daemon has not read yet."""
        return 0 if self._connection is None else self._connection.queued

    @property
    def waiting(self) -> bool:
        """Whether a call has not been answered yet."""
        return self._connection is not None and self._connection.calls.waiting

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _connected(self) -> Connection:
        if self._connection is not None and not self._connection.closed:
            return self._connection
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            sock.connect(self._path)
            connection = Connection(self._loop, sock, self._methods, self.interface)
        except BlockingIOError:
            sock.close()
            raise BusError(ErrorCode.BUSY, f"{self.interface} has too many connections waiting") from None
        except OSError as error:
            sock.close()
            raise BusError(ErrorCode.NOCONN, f"cannot reach {self.interface}: {error.strerror}") from None
        self._use(connection)
        return connection

    def _use(self, connection: Connection) -> None:
        self._connection = connection
        connection.on_drain = self._drained

    def _drained(self) -> None:
        if self.on_drain is not None:
            self.on_drain()

    def _sweep_later(self) -> None:
        if not self._sweeping:
            self._sweeping = True
            self._loop.call_later(_SWEEP_SECONDS, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = False
        connection = self._connection
        if connection is not None and connection.calls.waiting:
            connection.calls.expire(time.monotonic())
            if connection.calls.waiting:
                self._sweep_later()


class Reverse(Remote):
    """The same in the other direction: calls to whoever opened ``connection``, which serves them on it.

    ``name`` is what errors call the other side. When the connection goes, that was it: every call fails with NOCONN.
    """

    def __init__(self, loop: Loop, connection: Connection, name: str, root: Root) -> None:
        super().__init__(loop, name, root)
        connection.calls.name = name
        self.who = f"{name} (pid {connection.peer.pid})"
        self._use(connection)

    def _connected(self) -> Connection:
        connection = self._connection
        if connection is None or connection.closed:
            raise BusError(ErrorCode.NOCONN, f"the connection to {self.interface} was lost")
        return connection
