"""The two faces of ipcd: the bus interface ``gg_ipc`` and the socket that components connect to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ggl.bus import BusError, ErrorCode, Method
from ggl.ipc.model import CLI, PREFIX
from ggl.ipcd.backends import Backends
from ggl.ipcd.bridge import Bridge
from ggl.ipcd.builtin import DebugConsole, builtins
from ggl.ipcd.cli_clients import CliClients
from ggl.ipcd.clients import Clients
from ggl.ipcd.identity import Identities
from ggl.ipcd.policies import PolicyCache
from ggl.ipcd.refusals import Refusals
from ggl.ipcd.registration import INTERFACE, Registrations
from ggl.ipcd.router import Router, Taken
from ggl.ipcd.tokens import Tokens, TooManyComponents, is_token
from ggl.ipcd.trace import Tracer, Watcher
from ggl.log import get_logger
from ggl.paths import IPC_SOCKET_NAME
from ggl.stamp import POLICIES, Stamp
from ggl.values import InvalidValue, get_dict, get_list, get_str
from ggl.version import NUCLEUS, NUCLEUS_ALIAS

if TYPE_CHECKING:
    from ggl.bus import Request
    from ggl.daemon import Context

TOKEN_FILE = "ipc-tokens"
REFUSALS_FILE = "ipc-refusals"
MAX_USERS = 16
"""Users that the steps of one phase of a component may run as."""
_log = get_logger("ipc")


def setup(context: Context) -> None:
    service = Service(context)
    context.serve(
        "gg_ipc",
        {
            "token": Method(service.token),
            "component_of": Method(service.component_of),
            "configuration_changed": Method(lambda request, params: service.cli_clients.refresh()),
            "check_debug_password": Method(service.console.check),
            "register": Method(service.register),
            "routes": Method(service.routes),
            "providers": Method(service.providers),
            "connections": Method(service.list_connections),
            "policy": Method(service.explain),
            "trace": Method(service.trace),
        },
    )
    context.serve(INTERFACE, {"register": Method(service.registrations.register)}, service.registrations)


class Service:
    def __init__(self, context: Context) -> None:
        self.context = context
        self.router = Router()
        self._tokens = Tokens(context.root.run / TOKEN_FILE)
        backends = Backends(context.loop, context.root)
        refusals = Refusals(context.root.run / REFUSALS_FILE, context.loop)
        context.at_exit(refusals.save)
        self.policies = PolicyCache(context.loop, backends, refusals, Stamp(context.root.run / POLICIES))
        self.console = DebugConsole(context)
        self.cli_clients = CliClients(context.loop, context.root)
        self.cli_clients.start()
        self.bridge = Bridge(
            context.loop, self.router, backends, self.policies, builtins(self._tokens, backends, self.console)
        )
        self._tracer = Tracer()
        identities = Identities(self._tokens, self.cli_clients, backends)
        self._clients = Clients(
            context.loop,
            context.sockets[IPC_SOCKET_NAME],
            identities,
            self.bridge.start,
            self._tracer,
            self._count,
            self._left,
        )
        self.registrations = Registrations(
            context.loop,
            context.root,
            self.router,
            backends,
            identities,
            self.policies,
            self.bridge.builtins,
            self._left,
        )

    def _count(self, change: int) -> None:
        if change > 0:
            self.context.hold()
        else:
            self.context.release()

    def _left(self, principal: str) -> None:
        if not (self._clients.has(principal) or self.registrations.has(principal)):
            self.policies.forget(principal)

    # -- the bus interface -------------------------------------------------------------------------------------------

    def token(self, _request: Request, params: dict[str, Any]) -> str:
        component, users = _component(params), _users(params)
        try:
            for phase, uids in users.items():
                self._tokens.runs_as(component, phase, uids)
            return self._tokens.token_of(component)
        except TooManyComponents as error:
            raise BusError(ErrorCode.BUSY, str(error)) from None
        except OSError as error:
            _log.error("cannot keep a token: %s", error)
            raise BusError(ErrorCode.FAILURE, f"cannot keep a token: {error.strerror}") from None

    def component_of(self, _request: Request, params: dict[str, Any]) -> str | None:
        token = get_str(params, "token")
        return self._tokens.shown(token) if is_token(token) else None

    def register(self, request: Request, params: dict[str, Any]) -> None:
        operation, interface = get_str(params, "operation"), get_str(params, "interface")
        if not 0 < len(operation) <= 256 or not operation.isprintable():
            raise InvalidValue("'operation' must be the full name of an operation")
        if not interface.replace("_", "").isalnum() or not interface.isascii():
            raise InvalidValue("'interface' must be the name of a bus interface")
        if operation in self.bridge.builtins:
            raise BusError(ErrorCode.INVALID, f"{operation} is served by the IPC bridge itself")
        try:
            previous = self.router.register(operation, interface)
        except Taken as error:
            raise BusError(ErrorCode.INVALID, str(error)) from None
        _log.info("%s is served by %s", operation, interface)
        if previous not in ("", interface):
            _log.warning("%s takes over %s from %s", interface, operation, previous)

        def gone() -> None:
            self.router.unregister(operation, interface)
            _log.info("%s is no longer served by %s", operation, interface)

        request.stream(gone)

    def routes(self, _request: Request, _params: dict[str, Any]) -> dict[str, str]:
        return {**dict.fromkeys(self.bridge.builtins, "gg_ipc"), **self.router.routes()}

    def providers(self, _request: Request, _params: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
        """Who has registered each operation: first who serves it, then who takes over from that one."""

        def described(interface: str) -> dict[str, Any]:
            component, pid = self.registrations.who(interface)
            return {"interface": interface, "component": component, "pid": pid}

        return {operation: [*map(described, found)] for operation, found in self.router.registered().items()}

    def explain(self, request: Request, params: dict[str, Any]) -> Any:
        return self.policies.explain(request, params, self.routes(request, params))

    def list_connections(self, _request: Request, _params: dict[str, Any]) -> list[dict[str, Any]]:
        return self._clients.to_list()

    def trace(self, request: Request, params: dict[str, Any]) -> None:
        operation = get_str(params, "operation", "")
        if operation and "#" not in operation:
            operation = PREFIX + operation
        stream = request.stream(lambda: self._tracer.watchers.remove(watcher))
        watcher = Watcher(get_str(params, "component", ""), operation, stream.send)
        self._tracer.watchers.append(watcher)


def _component(params: dict[str, Any]) -> str:
    """A name that a component can have. Whether it is deployed is not asked: its start would have to wait for that."""
    name = _word(params, "component")
    if name in (NUCLEUS, NUCLEUS_ALIAS, CLI) or not all(letter.isalnum() or letter in "_.-" for letter in name):
        raise BusError(ErrorCode.NOENTRY, f"'{name}' is no component, and cannot be one")
    return name


def _users(params: dict[str, Any]) -> dict[str, list[int]]:
    """The user ids by phase."""
    users = get_dict(params, "users", {})
    for phase in users:
        _word({"users": phase}, "users")
        uids = get_list(users, phase)
        if len(uids) > MAX_USERS or not all(type(uid) is int and uid >= 0 for uid in uids):
            raise InvalidValue(f"'{phase}' must be a list of up to {MAX_USERS} user ids")
    return users


def _word(params: dict[str, Any], name: str) -> str:
    word = get_str(params, name)
    if not 0 < len(word) <= 128 or not all(" " < character <= "~" for character in word):
        raise InvalidValue(f"'{name}' must be 1 to 128 printable ASCII characters without spaces")
    return word
