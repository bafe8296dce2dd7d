"""The IPC operations of components: publish to AWS IoT Core, subscribe to it, know whether there is a connection."""

from __future__ import annotations

from binascii import Error, a2b_base64
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ggl.bus.errors import BusError
from ggl.ipc.errors import invalid_arguments, service_error
from ggl.ipc.handler import fail, opened_again, reply
from ggl.values import InvalidValue, get_bool, get_list, get_str

if TYPE_CHECKING:
    from ggl.bus.request import Request
    from ggl.iotcored.hub import Hub

_QOS = {"0": 0, "1": 1}
_SAME = {"messageExpiryIntervalSeconds": "message_expiry", "responseTopic": "response_topic"}


class Components:
    """``hub`` raises ``BusError`` while there can be no connection."""

    def __init__(self, hub: Callable[[], Hub], follow: Callable[[Request, bool], None]) -> None:
        self._hub = hub
        self._follow = follow

    def publish(self, _component: str, request: dict[str, Any], bus_request: Request) -> Any:
        topic = get_str(request, "topicName", None)
        if topic is None:
            raise invalid_arguments("Topic is required")
        if request.get("payload") is None:
            raise invalid_arguments("Payload is required")
        params = {"topic": topic, "qos": _qos(request), **_message(request)}
        try:
            hub = self._hub()
        except BusError as error:
            raise service_error(f"Publish to topic {topic} failed: {error.message}") from None
        from ggl.iotcored.hub import NotAccepted
        from ggl.iotcored.message import from_bus

        try:
            message = from_bus(params)
            hub.publish(message)
        except (InvalidValue, NotAccepted) as error:
            raise service_error(f"Publish to topic {topic} failed: {error}") from None
        if hub.kept:
            return {}
        hub.when_kept(lambda: reply(bus_request))
        return bus_request.defer()

    def subscribe(self, _component: str, request: dict[str, Any], bus_request: Request) -> Any:
        topic_filter = get_str(request, "topicName", None)
        if topic_filter is None:
            raise invalid_arguments("Topic is required")
        qos = _qos(request)
        failed = f"Subscribe to topic {topic_filter} failed with error"
        try:
            hub = self._hub()
        except BusError as error:
            raise service_error(f"{failed} {error.message}") from None
        from ggl.iotcored.joining import join
        from ggl.iotcored.topics import BadTopic

        def refused(_filter: str, code: int, text: str) -> None:
            error = service_error(f"{failed} {text}")
            if code >= 0:
                error.members["context"] = {"reasonCode": code, "reasonString": text}
            fail(bus_request, error)

        try:
            again = opened_again(bus_request)
            return join(hub, bus_request, [topic_filter], qos, False, True, lambda: reply(bus_request), refused, again)
        except BadTopic as error:
            raise service_error(f"{failed} {error}") from None
        except BusError as error:
            raise service_error(f"{failed} {error.message}") from None

    def connection_status(self, _component: str, _request: dict[str, Any], bus_request: Request) -> None:
        self._follow(bus_request, True)


def connection_event(connected: bool) -> dict[str, Any]:
    return {"connectionStatusEvent": {"status": "CONNECTED" if connected else "DISCONNECTED"}}


def _qos(request: dict[str, Any]) -> int:
    """Raises ``IpcError``."""
    value = request.get("qos")
    if value is None:
        raise invalid_arguments("QoS is required")
    qos = _QOS.get(str(value)) if type(value) in (str, int) else None
    if qos is None:
        raise invalid_arguments(f"Invalid QoS value: {str(value)[:40]}")
    return qos


def _message(request: dict[str, Any]) -> dict[str, Any]:
    """The parameters of ``publish`` in a request. Raises ``InvalidValue`` and ``IpcError``."""
    params: dict[str, Any] = {"payload": _blob(request, "payload"), "retain": get_bool(request, "retain", False)}
    for theirs, name in _SAME.items():
        if request.get(theirs) is not None:
            params[name] = request[theirs]
    if request.get("correlationData") is not None:
        params["correlation_data"] = _blob(request, "correlationData")
    if request.get("contentType") is not None:
        params["content_type"] = get_str(request, "contentType")
    payload_format = request.get("payloadFormat")
    if payload_format is not None:
        if str(payload_format) not in _QOS:
            raise invalid_arguments(f"Invalid payload format: {str(payload_format)[:40]}")
        params["payload_format"] = _QOS[str(payload_format)]
    pairs = get_list(request, "userProperties", [])
    if not all(isinstance(pair, dict) for pair in pairs):
        raise InvalidValue("'userProperties' must be a list of maps")
    params["user_properties"] = [[get_str(pair, "key", ""), get_str(pair, "value", "")] for pair in pairs]
    return params


def _blob(request: dict[str, Any], key: str) -> bytes:
    try:
        return a2b_base64(get_str(request, key), strict_mode=True)
    except (Error, ValueError) as error:
        if isinstance(error, InvalidValue):
            raise
        raise InvalidValue(f"'{key}' is not valid base64") from None
