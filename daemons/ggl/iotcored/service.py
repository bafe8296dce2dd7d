"""The bus interface ``aws_iot_mqtt``. While the device is not configured for the cloud, it says so, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ggl.bus.errors import BusError, ErrorCode
from ggl.bus.request import Method, Stream
from ggl.cloud.settings import Settings, load
from ggl.iotcored.ipc import Components, connection_event
from ggl.ipc.handler import ipc_method
from ggl.ipc.model import PREFIX
from ggl.lazy import defer
from ggl.log import get_logger
from ggl.values import InvalidValue, get_bool, get_int, get_str, get_str_list

if TYPE_CHECKING:
    from ggl.bus.request import Request
    from ggl.daemon import Context
    from ggl.iotcored.hub import Hub
    from ggl.iotcored.message import Message

INTERFACE = "aws_iot_mqtt"
DEBOUNCE_SECONDS = 1.0
"""Changes of the configuration that come within this time cost one reconnection."""
REMEDY = "correct it with 'ggl config set' or a file in config.d; 'ggl doctor' looks whether it fits"
RETRY_SECONDS = 5.0
"""After the configuration could not be read."""

_log = get_logger("mqtt")


def setup(context: Context) -> None:
    defer("base64", "threading")  # a megabyte, for what is not used here
    Service(context).load()


class Service:
    """Serves once the configuration has been read; until then requests wait in the socket."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._hub: Hub | None = None
        self._settings = Settings()
        self._problem = ""
        """Why there can be no connection at all, in words; empty: there can be one."""
        self._followers: list[tuple[Stream, bool]] = []
        self._serving = False
        self._loading = False
        context.hold()
        context.at_exit(self._close)

    # -- the configuration -------------------------------------------------------------------------------------------

    def load(self) -> None:
        self._loading = False
        root = self._context.root
        self._context.loop.run_blocking(lambda: load(root), self._loaded)

    def _loaded(self, settings: Settings | None, error: BaseException | None) -> None:
        if isinstance(error, BusError):
            _log.warning("the configuration cannot be read yet: %s", error)
            self._context.loop.call_later(RETRY_SECONDS, self.load)
            return
        try:
            if settings is None:
                raise error or InvalidValue("there is no configuration")
            self._apply(settings)
        except InvalidValue as wrong:
            self._problem = f"the configuration is not valid: {wrong}"
            _log.error("there is no connection to AWS IoT Core: %s", self._problem)
            self._drop_hub()
        if not self._serving:
            self._serving = True
            self._context.serve(INTERFACE, self._methods())
            self._context.release()

    def _apply(self, settings: Settings) -> None:
        """Raises ``InvalidValue``."""
        missing = settings.missing_for_mqtt()
        if missing:
            self._problem = f"this device is not configured for AWS IoT Core ({', '.join(missing)} not set)"
            if self._settings != settings or not self._serving:
                _log.info("%s; what needs no cloud works", self._problem)
            self._settings = settings
            self._drop_hub()
            return
        from ggl.iotcored.hub import Hub
        from ggl.iotcored.joining import deliver
        from ggl.iotcored.target import target_of

        self._settings = settings
        target = target_of(settings)
        self._problem = ""
        if self._hub is None:
            self._context.hold()
            self._hub = Hub(self._context, target, deliver, self._connection_changed)
        elif self._hub.target != target:
            self._hub.use(target)

    def _drop_hub(self) -> None:
        if self._hub is not None:
            self._hub.stop()
            self._hub = None
            self._connection_changed(False)
            self._context.release()

    def _close(self) -> None:
        if self._hub is not None:
            self._hub.drain()
            self._hub.stop()

    def configuration_changed(self, _request: Request, _params: dict[str, Any]) -> None:
        if not self._loading:
            self._loading = True
            self._context.loop.call_later(DEBOUNCE_SECONDS, self.load)

    # -- the bus -----------------------------------------------------------------------------------------------------

    def _methods(self) -> dict[str, Method]:
        components = Components(self._required_hub, self._follow)
        return {
            "publish": Method(self.publish),
            "subscribe": Method(self.subscribe),
            "connection_status": Method(self.connection_status),
            "status": Method(self.status),
            "try_endpoint": Method(self.try_endpoint),
            "publish_once": Method(self.publish_once),
            "configuration_changed": Method(self.configuration_changed),
            PREFIX + "PublishToIoTCore": ipc_method(components.publish),
            PREFIX + "SubscribeToIoTCore": ipc_method(components.subscribe),
            PREFIX + "SubscribeToIoTCoreConnectionStatus": ipc_method(components.connection_status),
        }

    def _required_hub(self) -> Hub:
        """Raises ``BusError`` while there can be no connection."""
        if self._hub is None:
            hint = (
                "set what is missing ('ggl config set', or a file in config.d), and 'ggl doctor' looks whether it fits"
            )
            raise BusError(ErrorCode.NOCONN, f"{self._problem}: {hint}")
        return self._hub

    def publish(self, request: Request, params: dict[str, Any]) -> Any:
        hub = self._required_hub()
        from ggl.iotcored.hub import NotAccepted
        from ggl.iotcored.message import from_bus

        message = from_bus(params)
        waits = get_bool(params, "wait", False) and message.qos > 0

        def outcome(why_not: str) -> None:
            if why_not:
                request.fail(BusError(ErrorCode.REMOTE, f"the broker has not taken the message: {why_not}"))
            else:
                request.reply({})

        try:
            hub.publish(message, outcome if waits else None)
        except NotAccepted as error:
            raise BusError(error.code, str(error)) from None
        if hub.kept and not waits:
            return {}
        if not waits:
            hub.when_kept(lambda: request.reply({}))
        return request.defer()

    def subscribe(self, request: Request, params: dict[str, Any]) -> Any:
        hub = self._required_hub()
        from ggl.iotcored.joining import join
        from ggl.iotcored.topics import BadTopic

        given = params.get("topic_filter")
        filters = [given] if isinstance(given, str) else get_str_list(params, "topic_filter")
        qos = get_int(params, "qos", 0)
        if qos not in (0, 1):
            raise InvalidValue(f"'qos' must be 0 or 1, not {qos}: AWS IoT Core has no other")

        def refused(topic_filter: str, _code: int, text: str) -> None:
            request.fail(BusError(ErrorCode.REMOTE, f"the broker refuses the subscription to {topic_filter}: {text}"))

        virtual = get_bool(params, "virtual", False)
        try:
            return join(hub, request, filters, qos, virtual, False, lambda: request.reply({}), refused)
        except BadTopic as error:
            raise InvalidValue(str(error)) from None

    def connection_status(self, request: Request, _params: dict[str, Any]) -> None:
        self._follow(request, False)

    def _follow(self, request: Request, ipc: bool) -> None:
        """Open a stream that says whether there is a connection, now and at each change."""
        follower: tuple[Stream, bool]
        stream = request.stream(lambda: self._followers.remove(follower))
        follower = stream, ipc
        self._followers.append(follower)
        self._tell(follower, self._hub is not None and self._hub.connected)

    def _connection_changed(self, connected: bool) -> None:
        for follower in self._followers:
            self._tell(follower, connected)

    def _tell(self, follower: tuple[Stream, bool], connected: bool) -> None:
        stream, ipc = follower
        stream.send(connection_event(connected) if ipc else connected)

    def status(self, _request: Request, _params: dict[str, Any]) -> dict[str, Any]:
        from ggl.iotcored.status import status_of

        return status_of(self._hub, self._settings, self._problem)

    # -- other endpoints ---------------------------------------------------------------------------------------------

    def try_endpoint(self, request: Request, params: dict[str, Any]) -> Any:
        return self._elsewhere(request, params, None)

    def publish_once(self, request: Request, params: dict[str, Any]) -> Any:
        from ggl.iotcored.message import from_bus
        from ggl.iotcored.topics import BadTopic, check_topic

        message = from_bus(params)
        try:
            check_topic(message.topic)
        except BadTopic as error:
            raise InvalidValue(str(error)) from None
        return self._elsewhere(request, params, message)

    def _elsewhere(self, request: Request, params: dict[str, Any], message: Message | None) -> Any:
        """Connect to the endpoint in ``params``, as this device, and publish ``message`` there if there is one."""
        hub = self._required_hub()
        from ggl.iotcored.standalone import Standalone

        target = hub.target.elsewhere(get_str(params, "endpoint"), get_int(params, "port", None))
        seconds = get_int(params, "timeout_ms", round(target.standalone_timeout * 1000)) / 1000

        def done(problem: str) -> None:
            if problem:
                request.fail(BusError(ErrorCode.REMOTE, problem))
            else:
                request.reply({})

        Standalone(self._context.loop, target, seconds, done, message)
        return request.defer()
