"""The bus interface ``gg_jobs``: decode, check, delegate. The package's text describes the methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ggl.bus.remote import Remote
from ggl.bus.request import Method, Request
from ggl.jobsd.desk import Desk
from ggl.jobsd.link import Link
from ggl.jobsd.messages import decode
from ggl.jobsd.sending import Sending
from ggl.jobsd.store import Store
from ggl.jobsd.topics import parse
from ggl.log import get_logger
from ggl.values import InvalidValue, get_bool, get_str

if TYPE_CHECKING:
    from ggl.daemon import Context

INTERFACE = "gg_jobs"

_log = get_logger("jobsd")


def setup(context: Context) -> None:
    """Take up what is unfinished, and serve."""
    service = Service(context)
    context.serve(INTERFACE, service.methods())
    service.begin()


class Service:
    """The daemon is held, and the connection watched, as long as there is something to do or to wait for."""

    def __init__(self, context: Context) -> None:
        loop, root = context.loop, context.root
        self._context = context
        self._mqtt = Remote(loop, "aws_iot_mqtt", root)
        config = Remote(loop, "gg_config", root)
        self._link = Link(loop, self._mqtt, config, lambda resumed: self._desk.connected(resumed))
        self._store = Store(root)
        self._desk = Desk(
            loop,
            self._store,
            self._link,
            Remote(loop, "gg_deployment", root),
            Sending(self._link),
            self._changed,
        )
        self._held = False

    def methods(self) -> dict[str, Method]:
        return {
            "mqtt_message": Method(self._message),
            "mqtt_connected": Method(self._connected),
            "list": Method(lambda _request, _params: self._desk.list()),
        }

    def begin(self) -> None:
        self._store.load()
        self._desk.begin()

    def _connected(self, _request: Request, params: dict[str, Any]) -> None:
        self._link.established(get_bool(params, "session_present", False))
        self._changed()

    def _message(self, _request: Request, params: dict[str, Any]) -> None:
        """A message that cannot be used is no error of whoever delivers it."""
        topic = get_str(params, "topic")
        arrival = parse(topic)
        if arrival is None:
            raise InvalidValue(f"{topic!r} is no topic of deployments")
        try:
            self._desk.message(arrival, decode(params.get("payload")))
        except InvalidValue as error:
            _log.warning("a message on %s cannot be used: %s", topic, error)

    def _changed(self) -> None:
        busy = self._desk.is_busy
        self._link.watch(busy)
        if busy and not self._held:
            self._context.hold()
        elif self._held and not busy:
            self._context.release()
        self._held = busy
