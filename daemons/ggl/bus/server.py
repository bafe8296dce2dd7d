"""The server side of an interface: accepts connections on its socket and serves its methods.

Every server also answers ``bus.ping`` (nil), ``bus.methods`` (the names of its methods) and, unless it is open to all
users, ``bus.monitor`` (a stream with one item for each request it serves, for engineers: who asked what, with which
outcome, in how many microseconds).
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Any, Protocol

from ggl.bus.connection import Connection
from ggl.bus.errors import BusError
from ggl.bus.loop import Loop
from ggl.bus.peer import Peer, groups_of
from ggl.bus.request import Method, Methods, Request, Stream
from ggl.log import get_logger

MAX_CONNECTIONS = 1024
"""Connections of one interface at a time; the next one is closed at once."""
ACCEPT_BATCH = 64
ACCEPT_PAUSE = 0.5
"""Seconds without accepting when the process is out of descriptors or memory."""

_log = get_logger("bus")


class Visitors(Protocol):
    """Looks after the connections of an interface that every user of the device may use, and limits them."""

    def opened(self, connection: Connection) -> None: ...
    def closed(self, connection: Connection) -> None: ...


class Server:
    """Serves ``methods`` on the listening socket ``sock`` until ``close``.

    Only the user that the daemon runs as, root, and the members of ``group`` (a gid) may talk to it: socket modes say
    so, and ``SO_PEERCRED`` once more. With ``visitors`` everybody may; nobody can look on then, and such a connection
    never pauses.
    """

    def __init__(
        self,
        loop: Loop,
        interface: str,
        methods: Methods,
        sock: socket.socket,
        on_change: Callable[[], None] | None = None,
        visitors: Visitors | None = None,
        group: int | None = None,
    ) -> None:
        import os

        self.interface = interface
        self.connections: set[Connection] = set()
        self._allowed_uids = {0, os.geteuid()}
        self._group = group
        self._loop = loop
        self._on_change = on_change
        self._visitors = visitors
        self._monitors: list[Stream] = []
        self._sock = sock
        self._refusing = False
        self._methods = {
            **methods,
            "bus.ping": Method(lambda request, params: None),
            "bus.methods": Method(lambda request, params: sorted(self._methods)),
        }
        if visitors is None:
            self._methods["bus.monitor"] = Method(self._monitor)
        sock.setblocking(False)
        loop.watch(sock.fileno(), self._accept)

    def _accept(self, _events: int) -> None:
        for _ in range(ACCEPT_BATCH):
            try:
                sock, _address = self._sock.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    _log.error("%s: cannot accept a connection: %s", self.interface, error.strerror)
                    self._pause()
                return
            if len(self.connections) >= MAX_CONNECTIONS:
                if not self._refusing:
                    _log.warning("%s: refusing connections: %d are open", self.interface, MAX_CONNECTIONS)
                self._refusing = True
                sock.close()
                continue
            self._refusing = False
            try:
                connection = Connection(self._loop, sock, self._methods, self.interface, self._closed, accepted=True)
            except OSError:
                sock.close()  # it went away before it was looked at
                continue
            self.connections.add(connection)
            if self._monitors:
                connection.observer = self._observe
            if self._visitors is not None:
                connection.pauses = False
                self._visitors.opened(connection)
            elif not self._may_connect(connection.peer, sock):
                connection.abort(f"user {connection.peer.uid} may not use this runtime's bus")
        if self._on_change is not None:
            self._on_change()

    def _may_connect(self, peer: Peer, sock: socket.socket) -> bool:
        if peer.uid in self._allowed_uids:
            return True
        if self._group is None:
            return False
        try:
            return self._group == peer.gid or self._group in groups_of(sock)
        except OSError:
            return False

    def _pause(self) -> None:
        self._loop.unwatch(self._sock.fileno())
        self._loop.call_later(ACCEPT_PAUSE, lambda: self._loop.watch(self._sock.fileno(), self._accept))

    def _closed(self, connection: Connection) -> None:
        self.connections.discard(connection)
        if self._visitors is not None:
            self._visitors.closed(connection)
        if self._on_change is not None:
            self._on_change()

    def close(self) -> None:
        """Stop accepting and close every connection. The listening socket stays open: it belongs to the host."""
        self._loop.unwatch(self._sock.fileno())
        for connection in list(self.connections):
            connection.close()

    # -- bus.monitor -------------------------------------------------------------------------------------------------

    def _monitor(self, request: Request, _params: dict[str, Any]) -> None:
        stream = request.stream(lambda: self._unmonitor(stream))
        self._monitors.append(stream)
        for connection in self.connections:
            connection.observer = self._observe

    def _unmonitor(self, stream: Stream) -> None:
        self._monitors.remove(stream)
        if not self._monitors:
            for connection in self.connections:
                connection.observer = None

    def _observe(self, request: Request, error: BusError | None, seconds: float) -> None:
        if request.method == "bus.monitor":
            return
        item = {
            "interface": self.interface,
            "method": request.method,
            "params": request.params,
            "trail": request.trail,
            "pid": request.peer.pid,
            "error": None if error is None else str(error),
            "microseconds": round(seconds * 1e6),
        }
        for stream in list(self._monitors):
            if stream._connection is not request.connection:
                stream.send(item)
