"""The bus interface ``aws_iot_tes``, and the port for components."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from ggl.bus.errors import BusError, ErrorCode
from ggl.bus.remote import Remote
from ggl.bus.request import Method
from ggl.log import get_logger
from ggl.tesd.cache import Answer, Entry
from ggl.tesd.child import Child
from ggl.tesd.endpoint import ANSWER_SECONDS, Connection, Endpoint
from ggl.tesd.errands import ask_at, look_at
from ggl.tesd.keeping import FILE, MAX_PORTS, Kept, load, now, save
from ggl.tesd.replies import answer, result, verdict
from ggl.tesd.source import ASK_SECONDS, Source
from ggl.values import get_str

if TYPE_CHECKING:
    from ggl.bus.loop import Timer
    from ggl.bus.request import Request
    from ggl.daemon import Context

LOOK_SECONDS = 60
"""For reading the configuration."""
LOOK_AGAIN_SECONDS = 5.0
"""After that has failed."""
CHECK_SECONDS = 3600.0
"""Between two looks whether anybody needs the port."""
UNASKED_SECONDS = CHECK_SECONDS / 2
"""For which nobody must have asked for it before it is given up."""
BIND_SECONDS = 0.1
BIND_TRIES = 5
"""The ports of before may be in use for a moment after this daemon was killed."""

_log = get_logger("tesd")


def setup(context: Context) -> None:
    service = Service(context)
    context.serve(
        "aws_iot_tes",
        {
            "request_credentials": Method(service.request_credentials),
            "request_credentials_formatted": Method(service.request_formatted),
            "serve_port": Method(service.serve_port),
            "try_endpoint": Method(service.try_endpoint),
            "configuration_changed": Method(service.configuration_changed),
            "mqtt_connected": Method(service.mqtt_connected),
        },
    )


class Service:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._loop = context.loop
        self._path = context.root.run / FILE
        self._source = Source(context.loop, context.root, self._save)
        self._endpoints: dict[int, Endpoint] = {}
        """By port; the last one is what components are told from now on."""
        self._asking: list[Request] = []
        """Those who wait for the port."""
        self._asked = now()
        """When somebody asked for it last."""
        self._trials: set[Child] = set()
        """Of other endpoints."""
        self._looking: Child | None = None
        self._look_again = False
        self._port_is_known = False
        """Whether it is the port that the configuration wants."""
        self._timer: Timer | None = None
        self._ipc = Remote(context.loop, "gg_ipc", context.root)
        self._checking = 0
        """Requests whose tokens are being checked."""
        self._refused = 0
        context.at_exit(self._close)
        kept = load(self._path)
        if kept.good is not None:
            self._source.restore(kept.good, kept.identity)
        for port in kept.ports:
            self._serve_again(port)
        if kept.ports or kept.good is not None:
            self._look()

    # -- the bus interface -------------------------------------------------------------------------------------------

    def request_credentials(self, request: Request, _params: dict[str, Any]) -> Any:
        return self._give(request, formatted=False)

    def request_formatted(self, request: Request, _params: dict[str, Any]) -> Any:
        return self._give(request, formatted=True)

    def serve_port(self, request: Request, _params: dict[str, Any]) -> Any:
        self._asked = now()
        if self._endpoints and self._port_is_known:
            return next(reversed(self._endpoints))
        self._asking.append(request)
        self._look()
        return request.defer()

    def try_endpoint(self, request: Request, params: dict[str, Any]) -> Any:
        endpoint, role_alias = get_str(params, "endpoint"), get_str(params, "role_alias", "")

        def tried(result: dict[str, Any] | None) -> None:
            self._trials.discard(trial)
            answer = Answer.from_dict(result or {"status": 0, "text": "no answer in time"})
            request.finish(lambda: verdict(answer))

        work = partial(ask_at, self._context.root, endpoint, role_alias)
        try:
            trial = Child(self._loop, work, tried, ASK_SECONDS)
        except OSError as error:
            raise BusError(ErrorCode.NOMEM, f"no process can be started: {error.strerror}") from None
        self._trials.add(trial)
        return request.defer()

    def configuration_changed(self, _request: Request, _params: dict[str, Any]) -> None:
        self._port_is_known = False
        if self._endpoints or not self._source.is_empty:
            self._look()

    def mqtt_connected(self, _request: Request, _params: dict[str, Any]) -> None:
        self._source.cache.forget_failure()

    def _give(self, request: Request, formatted: bool) -> Any:
        def late() -> None:
            request.fail(BusError(ErrorCode.TIMEOUT, f"AWS has not answered within {ANSWER_SECONDS:g} s"))

        def got(entry: Entry) -> None:
            timer.cancel()
            request.finish(lambda: result(entry.answer, formatted))

        timer = self._loop.call_later(ANSWER_SECONDS, late)
        self._source.obtain(got)
        return request.defer()

    # -- the port for components -------------------------------------------------------------------------------------

    def _ask(self, token: str, connection: Connection) -> None:
        """Somebody with ``token`` wants credentials."""
        self._checking += 1

        def known(component: Any) -> None:
            self._checked()
            if component is None:
                self._refuse(connection)
            else:
                self._source.obtain(lambda entry: answer(connection, entry))

        def failed(error: BusError) -> None:
            self._checked()
            _log.warning("whose token it is cannot be found out: %s", error)
            connection.answer(500, b"the token cannot be checked now")

        self._ipc.call("component_of", {"token": token}, known, failed)

    def _checked(self) -> None:
        """A connection that is not needed would keep the IPC daemon from leaving."""
        self._checking -= 1
        if not self._checking:
            self._loop.call_soon(self._leave_ipc)

    def _leave_ipc(self) -> None:
        if not self._checking:
            self._ipc.close()

    def _refuse(self, connection: Connection) -> None:
        self._refused += 1
        if self._refused & (self._refused - 1) == 0:  # the first, and then ever less often
            _log.warning("a request for credentials had a token of no component (so far: %d)", self._refused)
        connection.answer(403, b"this is the token of no component")

    def _serve_again(self, port: int) -> None:
        """Serve what components were told before this process began."""
        for number in range(1, BIND_TRIES + 1):
            try:
                self._add(Endpoint(self._loop, port, self._ask))
            except OSError as error:
                if number == BIND_TRIES:
                    _log.error("credentials cannot be served on port %d any more: %s", port, error.strerror)
                time.sleep(BIND_SECONDS)
            else:
                return

    def _add(self, endpoint: Endpoint) -> None:
        if not self._endpoints:
            self._context.hold()
            self._source.refreshing = True
            self._check_later()
        self._endpoints[endpoint.port] = endpoint

    def _use(self, wanted: int) -> None:
        """Tell components the port ``wanted`` (0: any) from now on. Raises ``OSError``."""
        port = wanted or next(reversed(self._endpoints), 0)
        if port in self._endpoints:
            self._endpoints[port] = self._endpoints.pop(port)  # to the end
        else:
            try:
                endpoint = Endpoint(self._loop, port, self._ask)
            except OSError as error:
                if not wanted:
                    raise
                _log.error("port %d of the configuration cannot be used: %s; another is", wanted, error.strerror)
                if self._endpoints:
                    return
                endpoint = Endpoint(self._loop, 0, self._ask)
            # Components keep the address they were given: the port of before is served as well.
            self._add(endpoint)
            _log.info("credentials for components are served on port %d", endpoint.port)
        while len(self._endpoints) > MAX_PORTS:
            self._endpoints.pop(next(iter(self._endpoints))).close()

    def _check_later(self) -> None:
        self._timer = self._loop.call_later(CHECK_SECONDS, self._check)

    def _check(self) -> None:
        self._check_later()
        self._look()

    # -- what the configuration says ---------------------------------------------------------------------------------

    def _look(self) -> None:
        if self._looking is not None:
            self._look_again = True
            return
        active = next(reversed(self._endpoints), 0)
        try:
            self._looking = Child(self._loop, partial(look_at, self._context.root, active), self._looked, LOOK_SECONDS)
        except OSError:
            self._looked(None)

    def _looked(self, found: dict[str, Any] | None) -> None:
        self._looking = None
        if self._look_again:
            self._look_again = False
            self._look()
            return
        asking, self._asking = self._asking, []
        if not found:
            for request in asking:
                request.fail(BusError(ErrorCode.RETRY, "the configuration cannot be read now"))
            self._loop.call_later(LOOK_AGAIN_SECONDS, self._look)
            return
        self._source.cache.retry = found["retry"]
        self._source.know(found["identity"])
        if not asking and not found["needed"] and now() - self._asked > UNASKED_SECONDS:
            self._stop()
        elif asking or self._endpoints:
            self._provide(asking, found["port"])

    def _provide(self, asking: list[Request], wanted: int) -> None:
        before = list(self._endpoints)
        try:
            self._use(wanted)
        except OSError as error:
            for request in asking:
                request.fail(BusError(ErrorCode.FAILURE, f"no port can be served: {error.strerror}"))
            return
        self._port_is_known = True
        if list(self._endpoints) != before:
            self._save()
            self._look()  # which makes it known
        port = next(reversed(self._endpoints))
        for request in asking:
            request.finish(lambda: port)

    def _stop(self) -> None:
        """No component needs us."""
        if not self._endpoints:
            return
        _log.info("no component depends on credentials any more")
        for endpoint in self._endpoints.values():
            endpoint.close()
        self._endpoints.clear()
        if self._timer is not None:
            self._timer.cancel()
        self._source.refreshing = False
        self._port_is_known = False
        self._save()
        self._context.release()

    def _save(self) -> None:
        source = self._source
        try:
            save(self._path, Kept(tuple(self._endpoints), source.identity, source.cache.good))
        except OSError as error:
            _log.error("%s cannot be written: %s", self._path, error.strerror)

    def _close(self) -> None:
        self._source.close()
        for child in (*self._trials, *filter(None, [self._looking])):
            child.kill()
