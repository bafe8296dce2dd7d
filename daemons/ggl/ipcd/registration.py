"""Operations that components serve: the bus interface ``gg_registration``, open to every user of the device.

A component connects, shows its token and names the operations. If its access control policies allow it, the operations
are its own from then on: a request for one of them goes to it over the same connection, the other way round (a *reverse
channel*). It answers as daemons do (``ggl.ipc.handler``). When the call that registered ends, or the connection, so do
the registrations.

Nothing that comes from here is trusted. Who has not registered gets little time, small frames and few connections, and
makes room for who comes after; a registered component has a connection like any other peer, and what it answers is
checked on its way to the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import TYPE_CHECKING, Any

from ggl.bus.errors import BusError, ErrorCode
from ggl.bus.remote import Reverse
from ggl.bus.trail import current
from ggl.bus.wire import MAX_FRAME
from ggl.ipc.model import OPERATIONS, Operation
from ggl.ipcd.backends import Backend, Backends
from ggl.ipcd.identity import Refused
from ggl.ipcd.router import Router, Taken
from ggl.log import get_logger
from ggl.values import InvalidValue, get_dict, get_str, get_str_list

if TYPE_CHECKING:
    from ggl.bus.connection import Connection
    from ggl.bus.loop import Loop, Timer
    from ggl.bus.request import Request, Stream
    from ggl.ipc.errors import IpcError
    from ggl.ipcd.identity import Identities
    from ggl.ipcd.policies import PolicyCache
    from ggl.paths import Root

INTERFACE = "gg_registration"
REGISTER = Operation("RegisterOperation", service="ggl.ipc.registration", prefix="ggl#")
"""What a component's policies must allow, with the names of the operations as resources."""

MAX_PROVIDERS = 64
"""Connections at a time that serve operations."""
MAX_OF_ONE = 4
"""Of these, connections of one component: an old one may be on its way out when the component is there again."""
MAX_OPERATIONS = 64
"""Operations of one connection."""
MAX_UNKNOWN = 16
"""Connections at a time that have registered nothing."""
MAX_UNKNOWN_FRAME = 64 * 1024
"""Bytes of a frame from them."""
REGISTER_SECONDS = 10.0
"""How long a connection may be open without a registration."""
MAX_NAME = 256
"""Characters of an operation's name, and of the name of a shape."""

_log = get_logger("ipc")


class _Provider:
    """A connection on which a component serves operations. ``name`` stands for it in the routing table."""

    __slots__ = ("backend", "component", "name", "operations", "pid")

    def __init__(self, component: str, pid: int, name: str, backend: Backend) -> None:
        self.component = component
        self.pid = pid
        self.name = name
        self.backend = backend
        self.operations = 0


class Registrations:
    """``reserved`` are operations nobody can have; ``on_left(component)`` is called when a component serves nothing
    any more, or was found not to be allowed to."""

    def __init__(
        self,
        loop: Loop,
        root: Root,
        router: Router,
        backends: Backends,
        identities: Identities,
        policies: PolicyCache,
        reserved: Container[str],
        on_left: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._root = root
        self._router = router
        self._backends = backends
        self._identities = identities
        self._policies = policies
        self._reserved = reserved
        self._on_left = on_left
        self._unknown: dict[Connection, Timer] = {}
        self._providers: dict[Connection, _Provider] = {}
        self._count = 0

    def has(self, component: str) -> bool:
        """Whether ``component`` serves anything."""
        return any(provider.component == component for provider in self._providers.values())

    def who(self, interface: str) -> tuple[str, int]:
        """The component, and its process id, that ``interface`` of the routing table stands for; ``("", 0)``: none."""
        for provider in self._providers.values():
            if provider.name == interface:
                return provider.component, provider.pid
        return "", 0

    # -- connections (``ggl.bus.server.Visitors``) -------------------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        if len(self._unknown) >= MAX_UNKNOWN:
            oldest = next(iter(self._unknown))
            self._forget_unknown(oldest)
            oldest.abort(f"{MAX_UNKNOWN} connections wait that have registered nothing")
        self._expect_registration(connection)

    def closed(self, connection: Connection) -> None:
        self._forget_unknown(connection)

    def _expect_registration(self, connection: Connection) -> None:
        def expire() -> None:
            del self._unknown[connection]
            connection.abort(f"it had nothing registered for {REGISTER_SECONDS:.0f} s")

        connection.max_frame = MAX_UNKNOWN_FRAME
        self._unknown[connection] = self._loop.call_later(REGISTER_SECONDS, expire)

    def _forget_unknown(self, connection: Connection) -> None:
        timer = self._unknown.pop(connection, None)
        if timer is not None:
            timer.cancel()

    # -- registering -------------------------------------------------------------------------------------------------

    def register(self, request: Request, params: dict[str, Any]) -> Any:
        """The bus method ``register``: see the package's text."""
        token, operations, peer = get_str(params, "token"), _operations_of(params), request.peer
        if request.connection.in_flight:
            raise BusError(ErrorCode.BUSY, "this connection has a registration under way")
        for operation in operations:
            self._check_free(operation)
        try:
            component = self._identities.owner(token, peer)
        except Refused as refused:
            reason = str(refused)
            self._loop.call_soon(lambda: request.connection.abort(reason))  # when it has been answered
            raise BusError(ErrorCode.INVALID, "the token is not accepted") from None
        stream = request.stream(lambda: gone())
        gone: Callable[[], None] = _nothing

        def decided(refusal: IpcError | None) -> None:
            nonlocal gone
            try:
                if refusal is not None:
                    raise _refused(component, refusal)
                gone = self._add(request.connection, stream, component, operations)
            except BusError as error:
                request.fail(error)
                self._on_left(component)
            else:
                request.reply(None)

        def check() -> None:
            current.trail = request.trail
            self._policies.check(component, REGISTER, list(operations), decided)
            current.trail = ""

        self._loop.call_soon(check)  # later in any case: a request cannot be answered before it was deferred
        return request.defer()

    def _check_free(self, operation: str) -> None:
        if operation in self._reserved:
            raise BusError(ErrorCode.INVALID, f"{operation} is served by the runtime itself")
        try:
            self._router.check(operation)
        except Taken as error:
            raise BusError(ErrorCode.INVALID, str(error)) from None

    def _add(
        self, connection: Connection, stream: Stream, component: str, operations: dict[str, str]
    ) -> Callable[[], None]:
        """Route ``operations`` to the connection; returns what undoes it. Raises ``BusError``."""
        if connection.closed or stream.closed:
            raise BusError(ErrorCode.NOCONN, "nobody waits for the registration any more")
        provider = self._provider(connection, component)
        if provider.operations + len(operations) > MAX_OPERATIONS:
            raise BusError(ErrorCode.BUSY, f"a connection can serve {MAX_OPERATIONS} operations")
        if connection not in self._providers:
            self._providers[connection] = provider
            self._forget_unknown(connection)
            connection.max_frame = MAX_FRAME
            self._backends.attach(provider.name, provider.backend)
        provider.operations += len(operations)
        _log.info("%s serves %s (pid %d)", component, ", ".join(operations), connection.peer.pid)
        for operation, event in operations.items():
            previous = self._router.register(operation, provider.name, event)
            former, pid = self.who(previous)
            if previous and former != component:
                loser = f"{former} (pid {pid})" if former else previous
                _log.warning("%s (pid %d) takes over %s from %s", component, connection.peer.pid, operation, loser)

        def undo() -> None:
            for operation in operations:
                self._router.unregister(operation, provider.name)
            provider.operations -= len(operations)
            _log.info("%s no longer serves %s (pid %d)", component, ", ".join(operations), connection.peer.pid)
            if not provider.operations:
                del self._providers[connection]
                self._backends.detach(provider.name)
                self._on_left(component)
                if not connection.closed:
                    self._expect_registration(connection)

        return undo

    def _provider(self, connection: Connection, component: str) -> _Provider:
        provider = self._providers.get(connection)
        if provider is not None:
            if provider.component != component:
                raise BusError(ErrorCode.INVALID, f"this connection is one of {provider.component} already")
            return provider
        if sum(other.component == component for other in self._providers.values()) >= MAX_OF_ONE:
            raise BusError(ErrorCode.BUSY, f"{component} has {MAX_OF_ONE} connections that serve operations")
        if len(self._providers) >= MAX_PROVIDERS:
            raise BusError(ErrorCode.BUSY, f"{MAX_PROVIDERS} connections serve operations already")
        self._count += 1
        backend = Backend(Reverse(self._loop, connection, component, self._root), patient=False)
        # An interface's name is a file's: this one must lead nowhere, should anybody still use it later.
        return _Provider(component, connection.peer.pid, f"{component.replace('/', '_')}@{self._count}", backend)


def _operations_of(params: dict[str, Any]) -> dict[str, str]:
    """The operations to register, each with the shape of its events, or "". Raises ``InvalidValue``."""
    names, events = get_str_list(params, "operations"), get_dict(params, "events", {})
    if not 0 < len(names) <= MAX_OPERATIONS or len(set(names)) < len(names):
        raise InvalidValue(f"'operations' must be 1 to {MAX_OPERATIONS} different names")
    for name in (*names, *(get_str(events, key) for key in events)):
        if not is_full_name(name):
            raise InvalidValue(f"'{name[:MAX_NAME]}' is no full name, like com.example.greeter#Greet")
    for name in events:
        if name not in names:
            raise InvalidValue(f"'events' has '{name[:MAX_NAME]}', which is none of the operations")
        if name in OPERATIONS:
            raise InvalidValue(f"what the events of {name} are is known already")
    return {name: events.get(name, "") for name in names}


def is_full_name(name: str) -> bool:
    """Whether ``name`` is like that of an operation or a shape: words of letters, digits and ``_``, joined by dots, and
    one more after a ``#``."""
    if len(name) > MAX_NAME or not name.isascii():
        return False
    namespace, _, last = name.partition("#")
    return all(word.isidentifier() for word in (*namespace.split("."), last))


def _refused(component: str, refusal: IpcError) -> BusError:
    if refusal.shape == "UnauthorizedError":
        _log.warning("%s", refusal.message)
        return BusError(ErrorCode.CONFIG, refusal.message)
    _log.warning("%s cannot register operations now: %s", component, refusal.message)
    return BusError(ErrorCode.RETRY, refusal.message)


def _nothing() -> None:
    pass
