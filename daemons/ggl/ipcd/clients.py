"""The connections of components: accepted, within limits, and known until they close.

Nobody may keep others out. Whoever has not shown a token yet makes room for who comes after, the oldest first, and no
component gets more than its share.
"""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ggl.bus.peer import groups_of, peer_of
from ggl.ipcd.connection import Connection
from ggl.ipcd.identity import Identities, Identity, Refused
from ggl.ipcd.transport import Transport
from ggl.ipcd.unfinished import Unfinished
from ggl.ipcd.waiting import Waiting
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.bus import Loop
    from ggl.ipcd.identity import Identified
    from ggl.ipcd.stream import Stream
    from ggl.ipcd.trace import Tracer

MAX_CONNECTIONS = 256
"""Connections of components at a time."""
MAX_OF_ONE = 64
"""Connections of one component at a time."""
MAX_UNKNOWN = 64
"""Connections at a time that have not shown a token."""
CONNECT_SECONDS = 10.0
"""How long a new connection may take to show its token."""
ACCEPT_PAUSE = 0.5
_ACCEPT_BATCH = 64
_OUT_OF_SOMETHING = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

_log = get_logger("ipc")


class Client:
    """One accepted connection: who is at the other end, and the two layers that serve it."""

    def __init__(self, clients: Clients, sock: socket.socket) -> None:
        self.peer = peer_of(sock)
        self.since = int(time.time() * 1000)
        self._clients = clients
        self._groups = lambda: groups_of(sock)
        self.transport = Transport(clients.loop, sock, self._on_closed, clients.waiting)
        self.connection = Connection(
            self.transport,
            self._identify,
            clients.start,
            self._on_violation,
            clients.tracer,
            clients.unfinished,
            self.peer.pid,
        )
        self.transport.on_data = self.connection.receive
        self.deadline = time.monotonic() + CONNECT_SECONDS

    @property
    def identity(self) -> Identity | None:
        return self.connection.identity

    def _identify(self, token: str | None, component: str | None, done: Identified) -> None:
        def identified(found: Identity | Refused) -> None:
            if not self.transport.closed:
                done(self._clients.admit(found))
            if self.identity is not None:
                self._clients.known(self)
                _log.info("%s connected (pid %d)", self.identity.name, self.peer.pid)

        self._clients.identities.identify(token, component, self.peer, self._groups, identified)

    def _on_violation(self, reason: str) -> None:
        _log.warning("disconnected %s: %s", self._described(), reason)

    def _on_closed(self, reason: str) -> None:
        if reason:
            self._on_violation(reason)
        elif self.identity is not None:
            _log.debug("%s closed its connection (pid %d)", self.identity.name, self.peer.pid)
        self.connection.release()
        self._clients.closed(self)

    def _described(self) -> str:
        name = self.connection.component or "an unknown process"
        return f"{name} (pid {self.peer.pid}, uid {self.peer.uid})"


class Clients:
    """``start(stream, request)`` runs an operation; ``on_count(change)`` is told of each connection that comes (1) or
    goes (-1); ``on_left(principal)`` when the last connection of a principal is gone."""

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        identities: Identities,
        start: Callable[[Stream, dict[str, Any]], None],
        tracer: Tracer,
        on_count: Callable[[int], None],
        on_left: Callable[[str], None],
    ) -> None:
        self.loop = loop
        self.identities = identities
        self.start = start
        self.tracer = tracer
        self._on_count = on_count
        self._on_left = on_left
        self._unknown: dict[Client, None] = {}
        self._known: dict[Client, None] = {}
        self.unfinished = Unfinished()
        self.waiting = Waiting()
        self._expiring = False
        self._sock = sock
        sock.setblocking(False)
        self._listen()

    def to_list(self) -> list[dict[str, Any]]:
        return [
            {
                "component": client.connection.component,
                "pid": client.peer.pid,
                "uid": client.peer.uid,
                "since": client.since,
                "streams": [stream.name for stream in client.connection.streams.values()],
                "queued": client.transport.queued,
            }
            for client in (*self._known, *self._unknown)
        ]

    def admit(self, found: Identity | Refused) -> Identity | Refused:
        """Whether somebody who has shown who it is gets in."""
        if isinstance(found, Identity):
            if self._connections_of(found.name) >= MAX_OF_ONE:
                return Refused(f"{found.name} has {MAX_OF_ONE} connections already")
            if len(self._known) >= MAX_CONNECTIONS:
                return Refused(f"{MAX_CONNECTIONS} connections are open")
        return found

    def known(self, client: Client) -> None:
        del self._unknown[client]
        self._known[client] = None

    def closed(self, client: Client) -> None:
        self._unknown.pop(client, None)
        self._known.pop(client, None)
        if client.identity is not None:
            principal = client.identity.principal
            if not self.has(principal):
                self._on_left(principal)
        self._on_count(-1)

    def has(self, principal: str) -> bool:
        """Whether ``principal`` is connected."""
        return any(client.identity is not None and client.identity.principal == principal for client in self._known)

    def _connections_of(self, name: str) -> int:
        return sum(client.connection.component == name for client in self._known)

    def _listen(self) -> None:
        self.loop.watch(self._sock.fileno(), self._accept)

    def _accept(self, _events: int) -> None:
        for _ in range(_ACCEPT_BATCH):
            try:
                sock, _address = self._sock.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _OUT_OF_SOMETHING:
                    _log.error("cannot accept a component's connection: %s", error.strerror)
                    self.loop.unwatch(self._sock.fileno())
                    self.loop.call_later(ACCEPT_PAUSE, self._listen)
                return
            if _is_over(sock):
                sock.close()
                continue
            waiting = [client for client in self._unknown if not client.transport.closed]
            if len(waiting) >= MAX_UNKNOWN:
                waiting[0].transport.abort(f"{MAX_UNKNOWN} connections wait that have shown no token")
            self._unknown[Client(self, sock)] = None
            self._expire_later()
            self._on_count(1)

    def _expire_later(self) -> None:
        """One timer for all that have shown no token, set for the oldest."""
        if not self._expiring and self._unknown:
            self._expiring = True
            oldest = next(iter(self._unknown))
            self.loop.call_later(oldest.deadline - time.monotonic(), self._expire)

    def _expire(self) -> None:
        self._expiring = False
        now = time.monotonic()
        late = [client for client in self._unknown if client.deadline <= now]
        for client in late:
            refused = client.connection.closed  # and told so already; it may still be reading that
            client.transport.abort("" if refused else f"it showed no token within {CONNECT_SECONDS:.0f} s")
        self.loop.call_soon(self._expire_later)  # when those are gone


def _is_over(sock: socket.socket) -> bool:
    """Whether the other side has left already: who does nothing but come and go gets no more attention than this."""
    try:
        return not sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True
