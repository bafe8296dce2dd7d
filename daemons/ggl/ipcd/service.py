"""The two faces of ipcd: the bus interface ``gg_ipc`` and the socket that components connect to."""

from __future__ import annotations

import errno
import socket
import time
from typing import TYPE_CHECKING, Any

from ggl.bus import BusError, ErrorCode, Method
from ggl.bus.peer import peer_of
from ggl.ipcd.backends import Backends
from ggl.ipcd.bridge import Bridge
from ggl.ipcd.builtin import builtins
from ggl.ipcd.connection import Connection
from ggl.ipcd.identity import Identified, Identities, Identity, Refused
from ggl.ipcd.policies import PolicyCache
from ggl.ipcd.router import Router, Taken
from ggl.ipcd.tokens import Tokens, TooManyComponents
from ggl.ipcd.transport import Transport
from ggl.log import get_logger
from ggl.paths import IPC_SOCKET_NAME
from ggl.values import InvalidValue, get_str

if TYPE_CHECKING:
    from ggl.bus import Request
    from ggl.daemon import Context

TOKEN_FILE = "ipc-tokens"
MAX_CONNECTIONS = 256
"""Connections of components at a time."""
CONNECT_SECONDS = 10.0
"""How long a new connection may take to show its token."""
ACCEPT_PAUSE = 0.5
_ACCEPT_BATCH = 16
_OUT_OF_SOMETHING = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

_log = get_logger("ipc")


def setup(context: Context) -> None:
    service = Service(context)
    context.serve(
        "gg_ipc",
        {
            "token": Method(service.token),
            "register": Method(service.register),
            "routes": Method(service.routes),
            "connections": Method(service.list_connections),
        },
    )


class _Client:
    """One accepted connection: who is at the other end, and the two layers that serve it."""

    def __init__(self, service: Service, sock: socket.socket) -> None:
        self.peer = peer_of(sock)
        self.since = int(time.time() * 1000)
        self._service = service
        self.transport = Transport(service.context.loop, sock, self._on_closed)
        self.connection = Connection(
            self.transport, self._identify, service.bridge.start, lambda reason: self._log("disconnected", reason)
        )
        self.transport.on_data = self.connection.receive
        service.context.loop.call_later(CONNECT_SECONDS, self._expect_component)

    def _identify(self, token: str | None, component: str | None, done: Identified) -> None:
        def identified(found: Identity | Refused) -> None:
            done(found)
            if self.connection.component:
                _log.info("%s connected (pid %d)", self.connection.component, self.peer.pid)

        self._service.identities.identify(token, component, self.peer, identified)

    def _expect_component(self) -> None:
        if not self.connection.component and not self.transport.closed:
            self.transport.abort(f"it showed no token within {CONNECT_SECONDS:.0f} s")

    def _on_closed(self, reason: str) -> None:
        if reason:
            self._log("disconnected", reason)
        elif self.connection.component:
            _log.debug("%s closed its connection (pid %d)", self.connection.component, self.peer.pid)
        self.connection.release()
        self._service.closed(self)

    def _log(self, what: str, reason: str) -> None:
        name = self.connection.component or "a process without a token"
        _log.warning("%s %s (pid %d, uid %d): %s", what, name, self.peer.pid, self.peer.uid, reason)


class Service:
    def __init__(self, context: Context) -> None:
        self.context = context
        self.router = Router()
        self._tokens = Tokens(context.root.run / TOKEN_FILE)
        self.identities = Identities(self._tokens)
        backends = Backends(context.loop, context.root)
        self._policies = PolicyCache(context.loop, backends)
        self.bridge = Bridge(context.loop, self.router, backends, self._policies, builtins(self._tokens, backends))
        self._clients: set[_Client] = set()
        self._refusing = False
        self._sock = context.sockets[IPC_SOCKET_NAME]
        self._sock.setblocking(False)
        context.loop.watch(self._sock.fileno(), self._accept)

    # -- the socket for components -----------------------------------------------------------------------------------

    def _accept(self, _events: int) -> None:
        for _ in range(_ACCEPT_BATCH):
            try:
                sock, _address = self._sock.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _OUT_OF_SOMETHING:
                    _log.error("cannot accept a component's connection: %s", error.strerror)
                    self.context.loop.unwatch(self._sock.fileno())
                    self.context.loop.call_later(
                        ACCEPT_PAUSE, lambda: self.context.loop.watch(self._sock.fileno(), self._accept)
                    )
                return
            if len(self._clients) >= MAX_CONNECTIONS:
                if not self._refusing:
                    _log.warning("refusing components: %d connections are open", MAX_CONNECTIONS)
                self._refusing = True
                sock.close()
                continue
            self._refusing = False
            self._clients.add(_Client(self, sock))
            self.context.hold()

    def closed(self, client: _Client) -> None:
        self._clients.discard(client)
        identity = client.connection.identity
        if identity is not None and not any(
            other.connection.identity is not None and other.connection.identity.principal == identity.principal
            for other in self._clients
        ):
            self._policies.forget(identity.principal)
        self.context.release()

    # -- the bus interface -------------------------------------------------------------------------------------------

    def token(self, _request: Request, params: dict[str, Any]) -> str:
        component = get_str(params, "component")
        if not 0 < len(component) <= 128 or not all(" " < character <= "~" for character in component):
            raise InvalidValue("'component' must be 1 to 128 printable ASCII characters without spaces")
        try:
            return self._tokens.token_of(component)
        except TooManyComponents as error:
            raise BusError(ErrorCode.BUSY, str(error)) from None
        except OSError as error:
            _log.error("cannot keep a token: %s", error)
            raise BusError(ErrorCode.FAILURE, f"cannot keep a token: {error.strerror}") from None

    def register(self, request: Request, params: dict[str, Any]) -> None:
        operation, interface = get_str(params, "operation"), get_str(params, "interface")
        if not 0 < len(operation) <= 256 or not operation.isprintable():
            raise InvalidValue("'operation' must be the full name of an operation")
        if not interface.replace("_", "").isalnum() or not interface.isascii():
            raise InvalidValue("'interface' must be the name of a bus interface")
        try:
            self.router.register(operation, interface)
        except Taken as error:
            raise BusError(ErrorCode.INVALID, str(error)) from None
        _log.info("%s is served by %s", operation, interface)

        def gone() -> None:
            self.router.unregister(operation, interface)
            _log.info("%s is no longer served by %s", operation, interface)

        request.stream(gone)

    def routes(self, _request: Request, _params: dict[str, Any]) -> dict[str, str]:
        return {**dict.fromkeys(self.bridge.builtins, "gg_ipc"), **self.router.routes()}

    def list_connections(self, _request: Request, _params: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {
                "component": client.connection.component,
                "pid": client.peer.pid,
                "uid": client.peer.uid,
                "since": client.since,
                "streams": [stream.name for stream in client.connection.streams.values()],
                "queued": client.transport.queued,
            }
            for client in self._clients
        ]
