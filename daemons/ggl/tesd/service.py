"""The bus interface ``aws_iot_tes``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from ggl.bus.errors import BusError, ErrorCode
from ggl.bus.request import Method
from ggl.log import get_logger
from ggl.tesd.cache import Answer, Entry
from ggl.tesd.child import Child
from ggl.tesd.errands import ask_at, look
from ggl.tesd.keeping import FILE, Kept, fingerprint, load, save
from ggl.tesd.replies import formatted, plain, told, verdict
from ggl.tesd.source import ASK_SECONDS, Source
from ggl.values import get_str

if TYPE_CHECKING:
    from ggl.bus.request import Request
    from ggl.daemon import Context

ANSWER_SECONDS = 30.0
"""For an answer of AWS; then it is TIMEOUT, and what comes later is for the next one who asks."""
LOOK_SECONDS = 60
"""For reading the configuration, and opening a port."""
LOOK_AGAIN_SECONDS = 5.0
"""After that has failed."""

_log = get_logger("tesd")


def setup(context: Context) -> None:
    service = Service(context)
    context.serve(
        "aws_iot_tes",
        {
            "request_credentials": Method(service.request_credentials),
            "request_credentials_formatted": Method(service.request_formatted),
            "answer": Method(service.answer),
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
        self._source = Source(context, self._save)
        self._asking: list[Request] = []
        """Those who wait for the port."""
        self._trials: set[Child] = set()
        """Of other endpoints."""
        self._looking: Child | None = None
        self._look_again = False
        self._port_is_known = False
        """Whether it is open, and the one that the configuration wants."""
        self._port_is_due = False
        """Whether the next look is to see to that."""
        context.at_exit(self._close)
        kept = load(self._path)
        self._ports = kept.ports
        """The last one is what components are told from now on."""
        self._instance = kept.instance
        self._source.restore(kept.identity, kept.fingerprint, kept.good, kept.failure)
        if not self._source.certain:
            if kept.fingerprint == fingerprint(context.root):
                self._source.know(kept.identity, kept.fingerprint)
            else:
                self._look()

    # -- the bus interface -------------------------------------------------------------------------------------------

    def request_credentials(self, request: Request, _params: dict[str, Any]) -> Any:
        return self._give(request, plain)

    def request_formatted(self, request: Request, _params: dict[str, Any]) -> Any:
        return self._give(request, formatted)

    def answer(self, request: Request, _params: dict[str, Any]) -> Any:
        return self._give(request, told)

    def serve_port(self, request: Request, _params: dict[str, Any]) -> Any:
        if self._port_is_known:
            return self._ports[-1]
        self._asking.append(request)
        self._port_is_due = True
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
            trial = Child(self._context, work, tried, ASK_SECONDS)
        except OSError as error:
            raise BusError(ErrorCode.NOMEM, f"no process can be started: {error.strerror}") from None
        self._trials.add(trial)
        return request.defer()

    def configuration_changed(self, _request: Request, _params: dict[str, Any]) -> None:
        self._port_is_known = False
        if self._ports:
            self._port_is_due = True
        if self._ports or not self._source.is_empty:
            self._look()

    def mqtt_connected(self, _request: Request, _params: dict[str, Any]) -> None:
        self._source.forget_failure()

    def _give(self, request: Request, reply: Callable[[Entry], Any]) -> Any:
        def late() -> None:
            request.fail(BusError(ErrorCode.TIMEOUT, f"AWS has not answered within {ANSWER_SECONDS:g} s"))

        def got(entry: Entry) -> None:
            timer.cancel()
            request.finish(lambda: reply(entry))

        timer = self._loop.call_later(ANSWER_SECONDS, late)
        self._source.obtain(got)
        return request.defer()

    # -- what the configuration says ---------------------------------------------------------------------------------

    def _look(self) -> None:
        """Have the configuration read, and the port opened if that is due."""
        if self._looking is not None:
            self._look_again = True
            return
        asking, self._asking = self._asking, []
        serving, self._port_is_due = self._port_is_due, False
        work = partial(look, self._context.root, serving, list(self._ports), self._instance)
        try:
            self._looking = Child(self._context, work, partial(self._looked, asking, serving), LOOK_SECONDS)
        except OSError:
            self._looked(asking, serving, None)

    def _looked(self, asking: list[Request], serving: bool, found: dict[str, Any] | None) -> None:
        self._looking = None
        again, self._look_again = self._look_again, False
        if found and serving:
            self._served(asking, found)
        if found and not again:
            self._source.know(found["identity"], found["fingerprint"])
        if not found:
            self._port_is_due |= serving
            for request in asking:
                request.fail(BusError(ErrorCode.RETRY, "the configuration cannot be read now"))
        if again:
            self._look()
        elif not found:
            self._loop.call_later(LOOK_AGAIN_SECONDS, self._look)

    def _served(self, asking: list[Request], found: dict[str, Any]) -> None:
        if "code" in found:
            for request in asking:
                request.fail(BusError(ErrorCode(found["code"]), found["text"]))
            return
        ports, instance = tuple(found["ports"]), found["instance"]
        if (ports, instance) != (self._ports, self._instance):
            self._ports, self._instance = ports, instance
            self._save()
            _log.info("credentials for components are served on port %d", ports[-1])
        self._port_is_known = not self._port_is_due  # by a change of the configuration since then
        for request in asking:
            request.finish(lambda: ports[-1])

    def _save(self) -> None:
        source = self._source
        answers = source.cache.good, source.cache.failure
        kept = Kept(self._ports, self._instance, source.identity, source.fingerprint, *answers)
        try:
            save(self._path, kept)
        except OSError as error:
            _log.error("%s cannot be written: %s", self._path, error.strerror)

    def _close(self) -> None:
        self._source.close()
        for child in (*self._trials, *filter(None, [self._looking])):
            child.kill()
