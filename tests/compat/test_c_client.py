"""The client with the habits of the C SDK gives up where the original does: a table that it fills proves something."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from tests.compat.clients import TIMEOUT, Broken, Failed
from tests.compat.clients.c_messages import MAX_MESSAGE, Headers, encode, receive
from tests.compat.clients.c_payloads import ARENA
from tests.compat.clients.c_sdk import MAX_STREAMS, CConnection

ACK: Headers = {":message-type": 5, ":message-flags": 1, ":stream-id": 0}
EVENT_SHAPE = "aws.greengrass#SubscriptionResponseMessage"
EVENT = {"jsonMessage": {"message": {}, "context": {"topic": "t"}}}


def headers(flags: int, kind: int = 0, **more: Any) -> Headers:
    return {":message-type": kind, ":message-flags": flags, ":stream-id": 1, **more}


def raw(block: bytes, payload: bytes = b"{}") -> bytes:
    """A message whose header block is given, whatever its length."""
    front = struct.pack(">II", 16 + len(block) + len(payload), len(block))
    front += struct.pack(">I", crc32(front)) + block + payload
    return front + struct.pack(">I", crc32(front))


def block_of(wanted: Headers, kind: int = 4) -> bytes:
    """A header block; integers are written as ``kind``."""
    block = b""
    for name, value in wanted.items():
        block += bytes((len(name),)) + name.encode()
        if isinstance(value, int):
            block += struct.pack(">Bi" if kind == 4 else ">Bq", kind, value)
        else:
            block += struct.pack(">BH", 7, len(value)) + value.encode()
    return block


class Server:
    """Lets one client in, and answers its first request with the given bytes; or each request with the next of them."""

    def __init__(self, path: Path, answers: list[bytes], ack: bytes, each: bool) -> None:
        self.path = str(path)
        self.requests: list[tuple[Headers, bytes]] = []
        self.ended = threading.Event()
        self._answers = answers
        self._ack = ack
        self._each = each
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.path)
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        sock, _ = self._listener.accept()
        with sock:
            try:
                self.requests.append(receive(sock))
                sock.sendall(self._ack)
                self.requests.append(receive(sock))
                for number, answer in enumerate(self._answers):
                    if number and self._each:
                        self.requests.append(receive(sock))
                    sock.sendall(answer)
                while True:
                    self.requests.append(receive(sock))
                    if self.requests[-1][0][":message-flags"] == 2:
                        self.ended.set()
            except (Broken, OSError):
                pass

    def close(self) -> None:
        self._listener.close()
        self._thread.join(TIMEOUT)


Answering = Callable[..., CConnection]


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[Answering]:
    """A client whose first request is answered with these bytes; ``client.server`` has what it sent."""
    open_now: list[Any] = []

    def connect(*answers: bytes, ack: bytes = encode(ACK, b""), each: bool = False) -> CConnection:
        server = Server(tmp_path / "socket", list(answers), ack, each)
        open_now.append(server)
        client = CConnection(server.path, {"authToken": "t"})
        client.server = server  # type: ignore[attr-defined]
        open_now.append(client)
        return client

    yield connect
    for each in reversed(open_now):
        each.close()


def call(client: CConnection, operation: str = "UpdateState") -> dict[str, Any]:
    return client.call(operation, {})


def error(**members: Any) -> bytes:
    return encode(headers(2, kind=1), json.dumps(members).encode())


# -- connecting --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ack",
    [
        encode({**ACK, ":message-flags": 0}, b""),
        encode({**ACK, ":message-type": 0}, b""),
        raw(block_of(ACK, kind=5), b""),
        raw(block_of(ACK) + b"\x01x\x00", b""),
        encode({**ACK, "svcuid": 5}, b""),
    ],
)
def test_an_acknowledgement_that_is_none(answering: Answering, ack: bytes) -> None:
    with pytest.raises(Broken):
        answering(ack=ack)


def test_what_it_sends(answering: Answering) -> None:
    client = answering(encode(headers(2), b"{}"))
    client.call("UpdateConfiguration", {"timestamp": 0.0})
    hello, request = client.server.requests[:2]  # type: ignore[attr-defined]
    connect = {":message-type": 4, ":message-flags": 0, ":stream-id": 0, ":version": "0.1.0"}
    assert hello == (connect, b'{"authToken":"t"}')
    shapes = {
        "operation": "aws.greengrass#UpdateConfiguration",
        "service-model-type": "aws.greengrass#UpdateConfigurationRequest",
    }
    assert request == ({**headers(0), **shapes}, b'{"timestamp":0.0}')


def test_it_cannot_send_more_than_its_buffer_holds(answering: Answering) -> None:
    client = answering()
    with pytest.raises(Broken, match="does not fit"):
        client.call("PublishToTopic", {"topic": "x" * MAX_MESSAGE})


# -- responses ---------------------------------------------------------------------------------------------------------


def test_a_response_that_leaves_the_stream_open_is_followed_by_its_end(answering: Answering) -> None:
    client = answering(encode(headers(0), b"{}"))
    assert call(client) == {}
    assert client.server.ended.wait(TIMEOUT)  # type: ignore[attr-defined]
    assert client.sent_ends == [1]


def test_a_response_needs_no_shape(answering: Answering) -> None:
    assert call(answering(encode(headers(2), b'{"a": 1}'))) == {"a": 1}


@pytest.mark.parametrize(
    "answer",
    [
        encode(headers(2), b""),
        encode(headers(2), b"[]"),
        encode(headers(2), b'{"a": 9223372036854775808}'),
        encode(headers(2), json.dumps({str(n): n for n in range(ARENA // 21 + 1)}).encode()),
        encode(headers(2, kind=3), b"{}"),
        error(message="no code", _message="no code"),
        error(_errorCode=5),
        error(_errorCode="ServiceError", _message=None),
        raw(block_of(headers(2), kind=5)),
        raw(block_of(headers(2)) + b"\x01x\x00"),
        raw(block_of(headers(2)) + b"\x01x\x06\x00\x01a"),
        raw(block_of(headers(2)) + b"\x09x"),
        raw(block_of(headers(2)), b"{}")[:-1] + b"?",
        raw(block_of(headers(2)), b'{"x":"' + b"y" * MAX_MESSAGE + b'"}'),
        raw(block_of({**headers(2), ":stream-id": -1})),
    ],
)
def test_a_response_that_it_cannot_read(answering: Answering, answer: bytes) -> None:
    with pytest.raises(Broken):
        call(answering(answer))


@pytest.mark.parametrize(
    ("operation", "response"),
    [
        ("GetConfiguration", {"componentName": "c", "value": 5}),
        ("GetConfiguration", {"componentName": "c"}),
        ("RestartComponent", {}),
        ("CreateLocalDeployment", {}),
        ("GetThingShadow", {"payload": "?"}),
        ("ListNamedShadowsForThing", {"results": [], "timestamp": 1_700_000_000}),
    ],
)
def test_a_response_that_lacks_what_it_needs(answering: Answering, operation: str, response: dict[str, Any]) -> None:
    with pytest.raises(Broken):
        call(answering(encode(headers(2), json.dumps(response).encode())), operation)


def test_an_error_shows_its_code_and_its_message(answering: Answering) -> None:
    with pytest.raises(Failed) as failed:
        call(answering(error(message="for others", _message="for us", _errorCode="ServiceError")))
    assert (failed.value.error.shape, failed.value.error.message) == ("ServiceError", "for us")


def test_names_of_headers_are_compared_exactly(answering: Answering) -> None:
    """Here it takes the error for a response on stream 1."""
    changed = {":Message-Type": 1, ":message-flags": 2, ":stream-id": 1}
    assert call(answering(encode(changed, b'{"_errorCode": "ServiceError"}'))) == {"_errorCode": "ServiceError"}


def test_it_has_sixteen_streams(answering: Answering) -> None:
    client = answering(*(encode({**headers(0), ":stream-id": n + 1}, b"{}") for n in range(MAX_STREAMS)), each=True)
    for _ in range(MAX_STREAMS):
        client.subscribe("SubscribeToTopic", {"topic": "t"})
    with pytest.raises(Broken, match="stream slot"):
        call(client)


# -- events ------------------------------------------------------------------------------------------------------------


def event(payload: Any = EVENT, flags: int = 0, kind: int = 0, **more: Any) -> bytes:
    shape = {":content-type": "application/json", "service-model-type": EVENT_SHAPE}
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return encode(headers(flags, kind, **{**shape, **more}), data)


def test_events_come_in_their_order_until_the_end(answering: Answering) -> None:
    binary = {"binaryMessage": EVENT["jsonMessage"] | {"message": ""}}
    client = answering(encode(headers(0), b"{}"), event(), event(binary), encode(headers(2), b""))
    _response, subscription = client.subscribe("SubscribeToTopic", {"topic": "t"})
    assert subscription.event() == EVENT
    assert subscription.event() == binary
    subscription.end()


@pytest.mark.parametrize(
    "wrong",
    [
        event(**{":content-type": "application/json; charset=utf-8"}),
        event(**{"service-model-type": "aws.greengrass#IoTCoreMessage"}),
        event(kind=1),
        event({}),
        event([]),
        event(b""),
        event({"jsonMessage": {"message": {}}}),
        event({"jsonMessage": {"message": [], "context": {"topic": "t"}}}),
        event({"jsonMessage": {"message": {}, "context": {}}}),
        event({"binaryMessage": {"message": "?", "context": {"topic": "t"}}}),
        event(EVENT | {"binaryMessage": EVENT["jsonMessage"]}),
    ],
)
def test_an_event_that_it_cannot_read_ends_the_subscription(answering: Answering, wrong: bytes) -> None:
    client = answering(encode(headers(0), b"{}"), wrong)
    _response, subscription = client.subscribe("SubscribeToTopic", {"topic": "t"})
    with pytest.raises(Broken):
        subscription.event()
    assert client.server.ended.wait(TIMEOUT)  # type: ignore[attr-defined]


def test_an_event_that_does_not_fit_into_its_memory_is_skipped(answering: Answering) -> None:
    large = {"jsonMessage": {"message": {"a": list(range(ARENA // 11))}, "context": {"topic": "t"}}}
    client = answering(encode(headers(0), b"{}"), event(large), event())
    _response, subscription = client.subscribe("SubscribeToTopic", {"topic": "t"})
    assert subscription.event() == EVENT


def test_an_event_that_does_not_fit_into_its_buffer_ends_the_connection(answering: Answering) -> None:
    shape = {":content-type": "application/json", "service-model-type": EVENT_SHAPE}
    message = json.dumps({"jsonMessage": {"message": {"x": "y" * MAX_MESSAGE}, "context": {"topic": "t"}}}).encode()
    client = answering(encode(headers(0), b"{}"), raw(block_of(headers(0, **shape)), message))
    _response, subscription = client.subscribe("SubscribeToTopic", {"topic": "t"})
    with pytest.raises(Broken, match="does not fit"):
        subscription.event()
