"""What the runtime writes, to the byte: headers with exactly the names, types and values that some client looks at.

Clients forgive different things. A message that has just what every one of them asks for, and nothing that one cannot
read, is understood by all, also by those that are not tried here.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.compat.actions.serving import Served
from tests.compat.case import ALLOWED, STRANGER, Case, Refusal
from tests.compat.clients import TIMEOUT, Client
from tests.compat.clients.c_messages import Headers, encode, receive
from tests.compat.clients.c_sdk import CSdk
from tests.compat.scene import Scene
from tests.integration.conftest import Runtime

JSON = "application/json"
HELLO: Headers = {":message-type": 4, ":message-flags": 0, ":stream-id": 0, ":version": "0.1.0"}


class Wire:
    """A connection of which every message is looked at. The C client's decoder refuses other than its header types."""

    def __init__(self, runtime: Runtime) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(str(runtime.root.ipc_socket))

    def send(self, headers: Headers, payload: Any = None) -> None:
        raw = payload if isinstance(payload, bytes) else b"" if payload is None else json.dumps(payload).encode()
        self.sock.sendall(encode(headers, raw))

    def hello(self, payload: Any, **headers: Any) -> None:
        self.send({**HELLO, **{f":{name}": value for name, value in headers.items()}}, payload)

    def request(self, number: int, name: str, payload: Any = None, **more: Any) -> None:
        headers: Headers = {":message-type": 0, ":message-flags": 0, ":stream-id": number}
        self.send({**headers, "operation": f"aws.greengrass#{name}", **more}, payload or {})

    def receive(self) -> tuple[Headers, bytes]:
        return receive(self.sock)

    def is_closed(self) -> bool:
        return self.sock.recv(1) == b""


@pytest.fixture
def scene(compat_runtime: Runtime) -> Iterator[Scene]:
    client: Client = CSdk()
    with Scene(compat_runtime, client, Case("", "", {}, Refusal(""), caller=ALLOWED)) as scene:
        yield scene


@pytest.fixture
def wire(scene: Scene) -> Iterator[Wire]:
    wire = Wire(scene.runtime)
    with wire.sock:
        yield wire


@pytest.fixture
def open_wire(scene: Scene, wire: Wire) -> Wire:
    wire.hello({"authToken": scene.token("{me}")})
    wire.receive()
    return wire


def message(number: int, shape: str, flags: int = 0, kind: int = 0) -> Headers:
    return {
        ":message-type": kind,
        ":message-flags": flags,
        ":stream-id": number,
        ":content-type": JSON,
        "service-model-type": f"aws.greengrass#{shape}",
    }


def end(number: int) -> Headers:
    return {":message-type": 0, ":message-flags": 2, ":stream-id": number}


# -- connecting --------------------------------------------------------------------------------------------------------


def test_who_is_let_in_is_told_so(scene: Scene, wire: Wire) -> None:
    wire.hello({"authToken": scene.token("{me}"), "unknown": {"a": 1}})
    assert wire.receive() == ({":message-type": 5, ":message-flags": 1, ":stream-id": 0}, b"")


def test_a_name_beside_the_token_must_fit(scene: Scene, wire: Wire) -> None:
    wire.hello({"authToken": scene.token("{me}"), "componentName": scene.names["me"]})
    assert wire.receive()[0][":message-flags"] == 1


@pytest.mark.parametrize(
    ("payload", "headers"),
    [
        ({"authToken": "0123456789ABCDEF"}, {}),
        ({"authToken": ""}, {}),
        ({"authToken": 5}, {}),
        ({}, {}),
        ({"componentName": "{me}"}, {}),
        ({"authToken": "{token}", "componentName": "com.example.Other"}, {}),
        ({"authToken": "{token}"}, {"version": "0.2.0"}),
        ({"authToken": "{token}"}, {"version": ""}),
        (b"no JSON", {}),
        (b"[]", {}),
        (b"", {}),
    ],
)
def test_who_is_not_let_in_is_told_so_and_disconnected(
    scene: Scene, wire: Wire, payload: Any, headers: dict[str, Any]
) -> None:
    scene.names["token"] = scene.token("{me}")
    wire.hello(scene.fill(payload), **headers)
    assert wire.receive() == ({":message-type": 5, ":message-flags": 0, ":stream-id": 0}, b"")
    assert wire.is_closed()


@pytest.mark.parametrize(
    "headers",
    [
        {":message-type": 0, ":message-flags": 0, ":stream-id": 1, "operation": "aws.greengrass#ListComponents"},
        {":message-type": 2, ":message-flags": 0, ":stream-id": 0},
        {**HELLO, ":stream-id": 1},
    ],
)
def test_the_first_message_must_be_a_connect_request(wire: Wire, headers: Headers) -> None:
    wire.send(headers, {})
    assert_violation(wire)


def test_a_second_connect_request_ends_the_connection(scene: Scene, open_wire: Wire) -> None:
    open_wire.hello({"authToken": scene.token("{me}")})
    assert_violation(open_wire)


def assert_violation(wire: Wire) -> None:
    headers, payload = wire.receive()
    expected = {":message-type": 6, ":message-flags": 0, ":stream-id": 0, ":content-type": JSON}
    assert headers == expected
    assert isinstance(json.loads(payload)["message"], str)
    assert wire.is_closed()


# -- answers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"service-model-type": "aws.greengrass#SomethingElse"},
        {":content-type": JSON, "service-model-type": "aws.greengrass#GetConfigurationRequest"},
    ],
)
def test_a_response_ends_its_stream(scene: Scene, open_wire: Wire, more: dict[str, Any]) -> None:
    open_wire.request(1, "GetConfiguration", {"keyPath": ["x"]}, **more)
    headers, payload = open_wire.receive()
    assert headers == message(1, "GetConfigurationResponse", flags=2)
    assert json.loads(payload) == {"componentName": scene.names["me"], "value": {"x": 1}}


def test_a_response_without_members_is_an_empty_object(open_wire: Wire) -> None:
    open_wire.request(1, "PublishToTopic", {"topic": "t", "publishMessage": {"jsonMessage": {"message": {}}}})
    assert open_wire.receive() == (message(1, "PublishToTopicResponse", flags=2), b"{}")


def test_a_subscription_stays_open_and_events_have_their_shape(scene: Scene, open_wire: Wire) -> None:
    open_wire.request(1, "SubscribeToTopic", {"topic": "wire"})
    assert open_wire.receive() == (message(1, "SubscribeToTopicResponse"), b"{}")
    scene.bus("gg_pubsub", "publish", topic="wire", payload={"jsonMessage": {"message": {"ü": 1.0}}})
    headers, payload = open_wire.receive()
    assert headers == message(1, "SubscriptionResponseMessage")
    assert json.loads(payload) == {"jsonMessage": {"message": {"ü": 1.0}, "context": {"topic": "wire"}}}
    assert b"1.0" in payload


def test_an_error_has_what_every_client_reads(open_wire: Wire) -> None:
    open_wire.request(1, "GetComponentDetails", {"componentName": "Nobody"})
    headers, payload = open_wire.receive()
    assert headers == message(1, "ResourceNotFoundError", flags=2, kind=1)
    text = "Component with name Nobody not found in Greengrass"
    assert json.loads(payload) == {
        "message": text,
        "_message": text,
        "_errorCode": "ResourceNotFoundError",
        "_service": "aws.greengrass#GreengrassCoreIPC",
        "resourceType": "Component",
        "resourceName": "Nobody",
    }


@pytest.mark.parametrize("operation", ["aws.greengrass#NoSuchThing", "GetConfiguration", "", "ü", "a" * 100])
def test_an_unknown_operation_is_a_service_error(open_wire: Wire, operation: str) -> None:
    open_wire.request(1, "", operation=operation)
    headers, payload = open_wire.receive()
    assert headers == message(1, "ServiceError", flags=2, kind=1)
    assert json.loads(payload)["_errorCode"] == "ServiceError"


def test_a_subscription_that_is_refused_is_over(compat_runtime: Runtime) -> None:
    with Scene(compat_runtime, CSdk(), Case("", "", {}, Refusal(""), caller=STRANGER)) as scene:
        wire = Wire(compat_runtime)
        with wire.sock:
            wire.hello({"authToken": scene.token("{me}")})
            wire.receive()
            wire.request(1, "SubscribeToTopic", {"topic": "t"})
            assert wire.receive()[0] == message(1, "UnauthorizedError", flags=2, kind=1)
            assert scene.open_streams() == []


# -- ends --------------------------------------------------------------------------------------------------------------


def test_the_end_of_a_subscription_is_not_answered(scene: Scene, open_wire: Wire) -> None:
    open_wire.request(1, "SubscribeToTopic", {"topic": "wire"})
    open_wire.receive()
    open_wire.send(end(1))
    open_wire.request(2, "GetConfiguration", {"keyPath": ["x"]})
    assert open_wire.receive()[0] == message(2, "GetConfigurationResponse", flags=2)
    assert scene.open_streams() == []


@pytest.mark.parametrize("number", [1, 7])
def test_the_end_of_what_is_over_or_never_was_is_ignored(open_wire: Wire, number: int) -> None:
    open_wire.request(1, "GetConfiguration", {"keyPath": ["x"]})
    open_wire.receive()
    open_wire.send(end(number))
    open_wire.request(8, "GetConfiguration", {"keyPath": ["x"]})
    assert open_wire.receive()[0] == message(8, "GetConfigurationResponse", flags=2)


def test_a_first_message_that_ends_its_stream_is_not_run(open_wire: Wire) -> None:
    open_wire.send({**end(1), "operation": "aws.greengrass#GetConfiguration"}, {"keyPath": []})
    open_wire.request(2, "GetConfiguration", {"keyPath": ["x"]})
    assert open_wire.receive()[0] == message(2, "GetConfigurationResponse", flags=2)


SUBSCRIPTIONS: list[tuple[Callable[[Served], None], Headers]] = [
    (lambda served: served.end(None), end(1)),
    (lambda served: served.end(Served.failure("the sky fell")), message(1, "ServiceError", flags=2, kind=1)),
]


@pytest.mark.parametrize(("finish", "expected"), SUBSCRIPTIONS)
def test_the_runtime_ends_a_subscription(
    scene: Scene, open_wire: Wire, finish: Callable[[Served], None], expected: Headers
) -> None:
    served = Served(scene, "SubscribeToCertificateUpdates", {"response": {}})
    open_wire.request(1, "SubscribeToCertificateUpdates")
    assert open_wire.receive() == (message(1, "SubscribeToCertificateUpdatesResponse"), b"{}")
    finish(served)
    headers, payload = open_wire.receive()
    assert headers == expected
    assert ("the sky fell" in payload.decode()) if headers[":message-type"] else payload == b""


def test_a_ping_is_answered_with_what_it_carried(open_wire: Wire) -> None:
    open_wire.send(
        {":message-type": 2, ":message-flags": 0, ":stream-id": 0, "mine": "ü", ":theirs": "x", "number": 5}, b"data"
    )
    expected = {":message-type": 3, ":message-flags": 0, ":stream-id": 0, "mine": "ü", "number": 5}
    assert open_wire.receive() == (expected, b"data")


def test_times_are_fractions(open_wire: Wire) -> None:
    """The C client reads a time as a float token only."""
    open_wire.request(1, "CreateDebugPassword")
    payload = json.loads(open_wire.receive()[1], parse_float=str)
    assert isinstance(payload["passwordExpiration"], str)


@pytest.mark.parametrize(
    ("headers", "payload"),
    [
        ({":message-type": 0, ":message-flags": 0, ":stream-id": 1}, {}),
        ({":message-type": 0, ":message-flags": 0, ":stream-id": 0, "operation": "aws.greengrass#ListComponents"}, {}),
        ({":message-type": 5, ":message-flags": 1, ":stream-id": 0}, None),
        ({":message-type": 2, ":message-flags": 0, ":stream-id": 1}, None),
        ({":message-type": 0, ":message-flags": 0, ":stream-id": -1, "operation": "aws.greengrass#X"}, {}),
    ],
)
def test_who_breaks_the_protocol_is_told_so_and_disconnected(open_wire: Wire, headers: Headers, payload: Any) -> None:
    open_wire.send(headers, payload)
    assert_violation(open_wire)
