"""The bus interface ``gg_pubsub`` and the two IPC operations on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ggl.bus import Method, Stream
from ggl.ipc.errors import invalid_arguments, service_error
from ggl.ipc.handler import ipc_method
from ggl.pubsubd.broker import ALL_MESSAGES, FROM_OTHERS, Broker, Subscription
from ggl.pubsubd.messages import event_of
from ggl.pubsubd.topics import MAX_TOPIC, is_publishable, too_long
from ggl.values import InvalidValue, get_dict, get_str

if TYPE_CHECKING:
    from ggl.bus import Request
    from ggl.daemon import Context

_NO_WILDCARD = "Publish topic must not contain a wildcard."


def setup(context: Context) -> None:
    service = Service()
    context.serve(
        "gg_pubsub",
        {
            "publish": Method(service.publish),
            "subscribe": Method(service.subscribe),
            "aws.greengrass#PublishToTopic": ipc_method(service.publish_to_topic),
            "aws.greengrass#SubscribeToTopic": ipc_method(service.subscribe_to_topic),
        },
    )


class Service:
    """A subscriber over the bus gets another form of a message than a component, hence the two brokers."""

    def __init__(self) -> None:
        self._components: Broker[Stream] = Broker()
        self._others: Broker[Stream] = Broker()

    def _publish(self, topic: str, message: dict[str, Any], publisher: str) -> int:
        event = event_of(topic, message)
        components = self._components.sinks(topic, publisher)
        others = self._others.sinks(topic, publisher)
        if components:
            Stream.send_to_all(components, event)
        if others:
            Stream.send_to_all(others, {"topic": topic, "payload": event, "publisher": publisher})
        return len(components) + len(others)

    # -- the bus -----------------------------------------------------------------------------------------------------

    def publish(self, _request: Request, params: dict[str, Any]) -> int:
        topic = get_str(params, "topic")
        _require_length(topic)
        if not is_publishable(topic):
            raise InvalidValue(_NO_WILDCARD)
        return self._publish(topic, get_dict(params, "payload"), get_str(params, "publisher", ""))

    def subscribe(self, request: Request, params: dict[str, Any]) -> None:
        topic_filter = get_str(params, "topic")
        _require_length(topic_filter)
        mode = _receive_mode(params, "receive_mode")
        subscriber = get_str(params, "subscriber", "")
        stream = request.stream(lambda: self._others.unsubscribe(subscription))
        subscription = Subscription(subscriber, topic_filter, mode or ALL_MESSAGES, stream)
        self._others.subscribe(subscription)

    # -- IPC ---------------------------------------------------------------------------------------------------------

    def publish_to_topic(self, component: str, request: dict[str, Any], _bus_request: Request) -> None:
        topic = get_str(request, "topic", "")
        if not topic:
            raise invalid_arguments("Publish topic must not be empty")
        if not is_publishable(topic):
            raise invalid_arguments(_NO_WILDCARD)
        if too_long(topic):
            raise service_error("Failed to publish the message: the topic is too long.")
        self._publish(topic, get_dict(request, "publishMessage"), component)

    def subscribe_to_topic(self, component: str, request: dict[str, Any], bus_request: Request) -> None:
        topic_filter = get_str(request, "topic", "")
        if not topic_filter:
            raise invalid_arguments("Subscribe topic must not be empty")
        if too_long(topic_filter):
            raise service_error("Failed to bind subscription: the topic is too long.")
        try:
            mode = _receive_mode(request, "receiveMode")
        except InvalidValue as error:
            raise invalid_arguments(str(error)) from None
        stream = bus_request.stream(lambda: self._components.unsubscribe(subscription))
        subscription = Subscription(component, topic_filter, mode, stream)
        self._components.subscribe(subscription)


def _require_length(topic: str) -> None:
    if not topic:
        raise InvalidValue("'topic' is empty")
    if too_long(topic):
        raise InvalidValue(f"'topic' is longer than {MAX_TOPIC} bytes")


def _receive_mode(data: dict[str, Any], key: str) -> str | None:
    mode = get_str(data, key, None)
    if mode not in (None, ALL_MESSAGES, FROM_OTHERS):
        raise InvalidValue(f"'{key}' must be {ALL_MESSAGES} or {FROM_OTHERS}")
    return mode
