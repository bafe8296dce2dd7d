"""The two faces of ipcd: the bus interface ``gg_ipc`` and the socket that components connect to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ggl.bus import BusError, ErrorCode, Method
from ggl.ipc.model import PREFIX
from ggl.ipcd.backends import Backends
from ggl.ipcd.bridge import Bridge
from ggl.ipcd.builtin import builtins
from ggl.ipcd.clients import Clients
from ggl.ipcd.identity import Identities
from ggl.ipcd.policies import PolicyCache
from ggl.ipcd.router import Router, Taken
from ggl.ipcd.tokens import Tokens, TooManyComponents
from ggl.ipcd.trace import Tracer, Watcher
from ggl.log import get_logger
from ggl.paths import IPC_SOCKET_NAME
from ggl.values import InvalidValue, get_str

if TYPE_CHECKING:
    from ggl.bus import Request
    from ggl.daemon import Context

TOKEN_FILE = "ipc-tokens"
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
            "policy": Method(lambda request, params: service.policies.explain(request, params)),
            "trace": Method(service.trace),
        },
    )


class Service:
    def __init__(self, context: Context) -> None:
        self.context = context
        self.router = Router()
        self._tokens = Tokens(context.root.run / TOKEN_FILE)
        backends = Backends(context.loop, context.root)
        self.policies = PolicyCache(context.loop, backends)
        self.bridge = Bridge(context.loop, self.router, backends, self.policies, builtins(self._tokens, backends))
        self._tracer = Tracer()
        self._clients = Clients(
            context.loop,
            context.sockets[IPC_SOCKET_NAME],
            Identities(self._tokens),
            self.bridge.start,
            self._tracer,
            self._count,
            self.policies.forget,
        )

    def _count(self, change: int) -> None:
        if change > 0:
            self.context.hold()
        else:
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
        return self._clients.to_list()

    def trace(self, request: Request, params: dict[str, Any]) -> None:
        operation = get_str(params, "operation", "")
        if operation and "#" not in operation:
            operation = PREFIX + operation
        stream = request.stream(lambda: self._tracer.watchers.remove(watcher))
        watcher = Watcher(get_str(params, "component", ""), operation, stream.send)
        self._tracer.watchers.append(watcher)
