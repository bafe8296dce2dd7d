"""Greengrass IPC with the official device SDK, unmodified, against real daemons over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from queue import Queue

import awsiot.greengrasscoreipc
import pytest
from awsiot.eventstreamrpc import AccessDeniedError
from awsiot.greengrasscoreipc.client import (
    GetConfigurationOperation,
    GreengrassCoreIPCClient,
    SubscribeToTopicStreamHandler,
)
from awsiot.greengrasscoreipc.model import (
    BinaryMessage,
    GetConfigurationRequest,
    InvalidArgumentsError,
    InvalidTokenError,
    PublishMessage,
    ReceiveMode,
    ResourceNotFoundError,
    ServiceError,
    SubscribeToTopicRequest,
    SubscriptionResponseMessage,
    UnauthorizedError,
)

from ggl.bus import BusError
from tests.integration.conftest import PATIENCE
from tests.integration.ipc_clients import Components, Events, eventually, json_of, publish, wait_until_left
from tests.integration.ipc_runtime import Runtime

A, B = "com.example.A", "com.example.B"


@pytest.fixture(scope="module")
def shared_runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    with Runtime(tmp_path_factory.mktemp("root")) as runtime:
        yield runtime


@pytest.fixture
def runtime(shared_runtime: Runtime) -> Runtime:
    """The daemons are shared; connections, and what the configuration says of components, are not."""
    wait_until_left(shared_runtime)
    for name in shared_runtime.call("gg_config", "list", key_path=["services"]):
        shared_runtime.call("gg_config", "delete", key_path=["services", name])
    return shared_runtime


@pytest.fixture
def components(runtime: Runtime) -> Iterator[Components]:
    with Components(runtime) as components:
        yield components


# -- connecting --------------------------------------------------------------------------------------------------------


def test_a_wrong_token_is_denied(runtime: Runtime, components: Components) -> None:
    with pytest.raises(AccessDeniedError):
        components.connect("0123456789ABCDEF")


def test_a_component_has_one_token_and_may_connect_several_times(runtime: Runtime, components: Components) -> None:
    token = runtime.install(A, {"x": 1})
    assert runtime.token(A) == token
    for _ in range(3):
        assert components.connect(token).get_configuration(key_path=["x"]).value == {"x": 1}
    assert [entry["component"] for entry in runtime.call("gg_ipc", "connections")] == [A] * 3


def test_the_socket_is_open_to_every_user(runtime: Runtime) -> None:
    assert runtime.root.ipc_socket.stat().st_mode & 0o777 == 0o666


def test_the_bus_is_not_open_to_components_that_ask_for_strange_tokens(runtime: Runtime) -> None:
    for name in ("", "a b", "a\nb", "ü", "x" * 200):
        with pytest.raises(BusError, match="INVALID"):
            runtime.token(name)


# -- operations --------------------------------------------------------------------------------------------------------


def test_an_operation_nobody_serves_says_so(runtime: Runtime, components: Components) -> None:
    client = components.connect(runtime.install(A))
    with pytest.raises(ServiceError) as caught:
        client.get_thing_shadow(thing_name="T")
    assert caught.value.message == "Operation aws.greengrass#GetThingShadow is not supported by Greengrass"


def test_an_operation_can_be_served_by_whoever_registers_it(runtime: Runtime, components: Components) -> None:
    """Here: by the publish/subscribe daemon, which has no method of that name and refuses."""
    operation = "aws.greengrass#GetThingShadow"
    policy = {"operations": [operation], "resources": ["*"]}
    client = components.connect(runtime.install(A, {"accessControl": {"aws.greengrass.ShadowManager": {"p": policy}}}))
    with runtime.bus("gg_ipc") as bus:
        bus.subscribe("register", {"operation": operation, "interface": "gg_pubsub"})
        assert runtime.call("gg_ipc", "routes")[operation] == "gg_pubsub"
        with pytest.raises(ServiceError) as refused:
            client.get_thing_shadow(thing_name="T")
        assert "has no method" in refused.value.message
    eventually(lambda: operation not in runtime.call("gg_ipc", "routes"))
    with pytest.raises(ServiceError) as caught:
        client.get_thing_shadow(thing_name="T")
    assert "not supported" in str(caught.value.message)


def test_an_operation_of_the_catalogue_cannot_be_taken_over(runtime: Runtime) -> None:
    with runtime.bus("gg_ipc") as bus, pytest.raises(BusError, match="is served by gg_config"):
        bus.subscribe("register", {"operation": "aws.greengrass#GetConfiguration", "interface": "gg_pubsub"})


def test_configuration_is_read_and_updated(runtime: Runtime, components: Components) -> None:
    client = components.connect(runtime.install(A, {"x": 1, "list": [1, 2.5, "s", None, True]}))
    assert client.get_configuration().value == {"x": 1, "list": [1, 2.5, "s", None, True]}
    client.update_configuration(key_path=["deep"], timestamp=datetime.now(UTC), value_to_merge={"er": {"y": "ü"}})
    response = client.get_configuration(component_name=A, key_path=["deep", "er"])
    assert (response.component_name, response.value) == (A, {"y": "ü"})
    with pytest.raises(ResourceNotFoundError):
        client.get_configuration(key_path=["nowhere"])
    with pytest.raises(InvalidArgumentsError):
        client.update_configuration(timestamp=datetime.now(UTC), value_to_merge={"accessControl": {}})


def test_configuration_changes_are_told(runtime: Runtime, components: Components) -> None:
    client = components.connect(runtime.install(A, {"x": 1}))
    events = Events()
    client.subscribe_to_configuration_update(component_name=A, key_path=[], **events.handlers())
    client.update_configuration(key_path=["y"], timestamp=datetime.now(UTC), value_to_merge={"z": 1})
    event = events.next().configuration_update_event
    assert (event.component_name, event.key_path) == (A, ["y", "z"])


def test_the_first_version_of_the_client_works_as_well(runtime: Runtime) -> None:
    token = runtime.allow(A, ["*"], ["*"])
    ipc: GreengrassCoreIPCClient = awsiot.greengrasscoreipc.connect(
        ipc_socket=str(runtime.root.ipc_socket), authtoken=token, timeout=PATIENCE
    )
    operation: GetConfigurationOperation = ipc.new_get_configuration()
    operation.activate(GetConfigurationRequest(key_path=["accessControl", "none"]))
    with pytest.raises(ResourceNotFoundError):
        operation.get_response().result(PATIENCE)

    received: Queue[SubscriptionResponseMessage] = Queue()

    class Handler(SubscribeToTopicStreamHandler):  # type: ignore[misc]
        def on_stream_event(self, event: SubscriptionResponseMessage) -> None:
            received.put(event)

    subscription = ipc.new_subscribe_to_topic(Handler())
    subscription.activate(SubscribeToTopicRequest(topic="t"))
    subscription.get_response().result(PATIENCE)
    runtime.call("gg_pubsub", "publish", topic="t", payload={"jsonMessage": {"message": {"n": 1}}})
    assert json_of(received.get(timeout=PATIENCE)) == {"n": 1}
    ipc.close().result(PATIENCE)


def test_only_the_stream_manager_may_ask_whether_a_token_is_valid(runtime: Runtime, components: Components) -> None:
    token = runtime.install(A)
    manager = components.connect(runtime.install("aws.greengrass.StreamManager"))
    assert manager.validate_authorization_token(token=token).is_valid
    with pytest.raises(InvalidTokenError):
        manager.validate_authorization_token(token="0123456789ABCDEF")
    with pytest.raises(UnauthorizedError):
        components.connect(token).validate_authorization_token(token=token)


# -- publish/subscribe -------------------------------------------------------------------------------------------------


def test_json_and_binary_messages_reach_a_subscriber_in_order(runtime: Runtime, components: Components) -> None:
    publisher = components.connect(runtime.allow(A, ["meter/*"], []))
    subscriber = components.connect(runtime.allow(B, [], ["meter/*"]))
    events = Events()
    subscriber.subscribe_to_topic(topic="meter/1", **events.handlers())
    publish(publisher, "meter/1", {"kWh": 1.5, "n": 2**53, "ü": [None, True]})
    publisher.publish_to_topic(
        topic="meter/1", publish_message=PublishMessage(binary_message=BinaryMessage(message=bytes(range(256))))
    )
    publish(publisher, "meter/2", {"not": "for us"})
    publish(publisher, "meter/1", {})
    first, second, third = events.next(), events.next(), events.next()
    assert json_of(first) == {"kWh": 1.5, "n": 2**53, "ü": [None, True]}
    assert first.json_message.context.topic == "meter/1"
    assert second.binary_message.message == bytes(range(256))
    assert second.binary_message.context.topic == "meter/1"
    assert json_of(third) == {}


def test_wildcards(runtime: Runtime, components: Components) -> None:
    client = components.connect(runtime.allow(A, ["*"], ["*"]))
    level, rest = Events(), Events()
    mode = ReceiveMode.RECEIVE_ALL_MESSAGES
    client.subscribe_to_topic(topic="a/+/c", receive_mode=mode, **level.handlers())
    client.subscribe_to_topic(topic="a/#", receive_mode=mode, **rest.handlers())
    for topic in ("a", "a/b/c", "a/b", "other", "a/end/c"):
        publish(client, topic, {"topic": topic})
    assert [json_of(level.next())["topic"] for _ in range(2)] == ["a/b/c", "a/end/c"]
    assert [json_of(rest.next())["topic"] for _ in range(3)] == ["a/b/c", "a/b", "a/end/c"]
    assert level.queue.empty()
    assert rest.queue.empty()


@pytest.mark.parametrize(
    ("topic", "mode", "expected"),
    [
        ("t/x", None, ["own", "other"]),
        ("t/+", None, ["other"]),
        ("t/x", ReceiveMode.RECEIVE_MESSAGES_FROM_OTHERS, ["other"]),
        ("t/+", ReceiveMode.RECEIVE_ALL_MESSAGES, ["own", "other"]),
    ],
)
def test_receive_modes(
    runtime: Runtime, components: Components, topic: str, mode: str | None, expected: list[str]
) -> None:
    me = components.connect(runtime.allow(A, ["*"], ["*"]))
    other = components.connect(runtime.allow(B, ["*"], ["*"]))
    events = Events()
    me.subscribe_to_topic(topic=topic, receive_mode=mode, **events.handlers())
    publish(me, "t/x", {"from": "own"})
    publish(other, "t/x", {"from": "other"})
    assert [json_of(events.next())["from"] for _ in expected] == expected


def test_a_closed_subscription_gets_nothing_more(runtime: Runtime, components: Components) -> None:
    client = components.connect(runtime.allow(A, ["*"], ["*"]))
    first, second = Events(), Events()
    _, operation = client.subscribe_to_topic(topic="t", **first.handlers())
    client.subscribe_to_topic(topic="t", **second.handlers())
    operation.close().result(PATIENCE)
    eventually(lambda: runtime.call("gg_ipc", "connections")[0]["streams"] == ["aws.greengrass#SubscribeToTopic"])
    publish(client, "t", {})
    second.next()
    assert first.queue.empty()


@pytest.mark.parametrize(
    "size",
    [
        10_000,
        1_000_000,
        16 * 1024 * 1024,
    ],
)
def test_a_message_of_any_size_arrives_whole(runtime: Runtime, components: Components, size: int) -> None:
    client = components.connect(runtime.allow(A, ["*"], ["*"]))
    events = Events()
    client.subscribe_to_topic(topic="t", **events.handlers())
    publish(client, "t", {"x": "y" * (size - 10)})
    assert len(json_of(events.next())["x"]) == size - 10
    content = bytes(range(256)) * (size * 3 // 4 // 256)
    client.publish_to_topic(topic="t", publish_message=PublishMessage(binary_message=BinaryMessage(message=content)))
    assert events.next().binary_message.message == content


def test_a_large_message_reaches_many_subscribers(runtime: Runtime, components: Components) -> None:
    token = runtime.allow(A, ["*"], ["*"])
    events = Events()
    for _ in range(30):
        components.connect(token).subscribe_to_topic(topic="t", **events.handlers())
    publish(components.connect(token), "t", {"x": "y" * 1_000_000})
    for _ in range(30):
        assert len(json_of(events.next())["x"]) == 1_000_000


def test_many_large_messages_at_once_wait_for_one_another(runtime: Runtime, components: Components) -> None:
    publishers = [components.connect(runtime.allow(f"{A}{n}", ["*"], [])) for n in range(4)]
    subscriber = components.connect(runtime.allow(B, [], ["*"]))
    events = Events()
    subscriber.subscribe_to_topic(topic="t", **events.handlers())
    message = PublishMessage(binary_message=BinaryMessage(message=bytes(750_000)))
    for _ in range(3):
        # In base64 they fill what may wait for a subscriber that is slow to read: it is to lose none.
        futures = [p.publish_to_topic_async(topic="t", publish_message=message) for _ in range(2) for p in publishers]
        for future in futures:
            future.result(PATIENCE)
        for _ in futures:
            assert len(events.next().binary_message.message) == 750_000


def test_messages_go_to_the_bus_and_come_from_it(runtime: Runtime, components: Components) -> None:
    client = components.connect(runtime.allow(A, ["*"], ["*"]))
    events = Events()
    client.subscribe_to_topic(topic="t", **events.handlers())
    with runtime.bus("gg_pubsub") as bus:
        subscription = bus.subscribe("subscribe", {"topic": "#"})
        publish(client, "t", {"n": 1})
        payload = {"jsonMessage": {"message": {"n": 1}, "context": {"topic": "t"}}}
        assert subscription.next(PATIENCE) == {"topic": "t", "payload": payload, "publisher": A}
        assert bus.call("publish", {"topic": "t", "payload": {"jsonMessage": {"message": {"n": 2}}}}) == 2
    assert [json_of(events.next())["n"] for _ in range(2)] == [1, 2]


@pytest.mark.parametrize("topic", ["t/#", "t/+", "t*"])
def test_publishing_on_a_wildcard_is_refused(runtime: Runtime, components: Components, topic: str) -> None:
    client = components.connect(runtime.allow(A, ["*"], []))
    with pytest.raises(InvalidArgumentsError) as caught:
        publish(client, topic, {})
    assert caught.value.message == "Publish topic must not contain a wildcard."


@pytest.mark.parametrize("operation", ["PublishToTopic", "SubscribeToTopic"])
def test_a_topic_is_needed_also_by_who_needs_no_policy(runtime: Runtime, operation: str) -> None:
    request = {"topic": "", "publishMessage": {"jsonMessage": {"message": {}}}}
    answer = runtime.call("gg_pubsub", f"aws.greengrass#{operation}", component="greengrass-cli#x", request=request)
    assert answer["error"]["shape"] == "InvalidArgumentsError"


def test_a_message_that_is_none_is_refused(runtime: Runtime, components: Components) -> None:
    client = components.connect(runtime.allow(A, ["*"], ["*"]))
    with pytest.raises(ServiceError):
        client.publish_to_topic(topic="t", publish_message=PublishMessage())
    with pytest.raises(InvalidArgumentsError):
        client.subscribe_to_topic(topic="t", receive_mode="SOMETIMES", on_stream_event=print)


# -- authorization -----------------------------------------------------------------------------------------------------


def test_what_no_policy_covers_is_refused_with_the_reason(runtime: Runtime, components: Components) -> None:
    client = components.connect(runtime.allow(A, ["mine/*"], ["mine/*"]))
    with pytest.raises(UnauthorizedError) as caught:
        publish(client, "other", {})
    assert caught.value.message == (
        f"Principal {A} is not authorized to perform"
        " aws.greengrass.ipc.pubsub:aws.greengrass#PublishToTopic on resource other"
    )
    with pytest.raises(UnauthorizedError):
        client.subscribe_to_topic(topic="mine#", on_stream_event=print)
    with pytest.raises(UnauthorizedError):
        publish(client, "", {})
    with pytest.raises(UnauthorizedError):
        publish(components.connect(runtime.install(B)), "mine/x", {})


def test_what_is_missing_is_told_before_what_is_forbidden(runtime: Runtime, components: Components) -> None:
    client = components.connect(runtime.install(A))
    with pytest.raises(InvalidArgumentsError) as caught:
        client.subscribe_to_topic(on_stream_event=print)
    assert caught.value.message == "Subscribe topic must not be empty"


def test_changed_policies_hold_from_then_on(runtime: Runtime, components: Components) -> None:
    client = components.connect(runtime.allow(A, ["a"], []))
    publish(client, "a", {})
    runtime.allow(A, ["b"], [])
    publish(client, "b", {})
    with pytest.raises(UnauthorizedError):
        publish(client, "a", {})
    runtime.call("gg_config", "delete", key_path=["services", A, "configuration", "accessControl"])
    with pytest.raises(UnauthorizedError):
        publish(client, "b", {})


def test_the_thing_name_can_stand_in_a_policy(runtime: Runtime, components: Components) -> None:
    runtime.call("gg_config", "write", key_path=["system", "thingName"], value="Thing1")
    client = components.connect(runtime.allow(A, ["{iot:thingName}/*"], []))
    publish(client, "Thing1/x", {})
    with pytest.raises(UnauthorizedError):
        publish(client, "Thing2/x", {})
