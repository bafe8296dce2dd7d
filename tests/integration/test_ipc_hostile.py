"""What a broken or malicious process may send to the component socket, and what becomes of it."""

from __future__ import annotations

import json
import socket
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from ggl.ipcd import eventstream as es
from tests.integration.ipc_runtime import Runtime

A = "com.example.A"
CONNECT = es.Template(es.CONNECT, 0, [(":version", es.STRING, "0.1.0")])


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    with Runtime(tmp_path_factory.mktemp("root")) as runtime:
        runtime.configure(A, {"x": 1})
        yield runtime


class Peer:
    """A bare connection: ``send`` bytes, ``receive`` the next message, or ``None`` at the end."""

    def __init__(self, path: Path) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(str(path))
        self._decoder = es.Decoder()
        self._messages: list[es.Message] = []

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def receive(self) -> es.Message | None:
        while not self._messages:
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self._messages += self._decoder.feed(data)
        return self._messages.pop(0)

    def call(self, stream: int, operation: str, request: bytes) -> es.Message | None:
        headers = [("operation", es.STRING, f"aws.greengrass#{operation}")]
        self.send(es.Template(es.APPLICATION_MESSAGE, 0, headers).encode(stream, request))
        return self.receive()


@pytest.fixture
def stranger(runtime: Runtime) -> Iterator[Peer]:
    peer = Peer(runtime.root.ipc_socket)
    yield peer
    peer.sock.close()


@pytest.fixture
def peer(runtime: Runtime, stranger: Peer) -> Peer:
    """Connected as component A."""
    stranger.send(CONNECT.encode(0, json.dumps({"authToken": runtime.token(A)}).encode()))
    answer = stranger.receive()
    assert answer is not None
    assert (answer.type, answer.flags) == (es.CONNECT_ACK, es.CONNECTION_ACCEPTED)
    return stranger


def assert_serves(runtime: Runtime) -> None:
    """The daemon is alive, and the same one."""
    assert runtime.processes["ipcd"].poll() is None
    other = Peer(runtime.root.ipc_socket)
    other.send(CONNECT.encode(0, json.dumps({"authToken": runtime.token(A)}).encode()))
    answer = other.receive()
    assert answer is not None
    assert answer.type == es.CONNECT_ACK
    other.sock.close()


def assert_sent_away(peer: Peer, runtime: Runtime) -> None:
    message = peer.receive()
    assert message is not None
    assert message.type == es.PROTOCOL_ERROR
    assert json.loads(message.payload)["message"]
    assert peer.receive() is None
    assert_serves(runtime)


def damaged(message: bytes, position: int) -> bytes:
    return message[:position] + bytes([message[position] ^ 1]) + message[position + 1 :]


@pytest.mark.parametrize("version", ["0.2.0", "", None])
def test_a_wrong_version_is_refused(runtime: Runtime, stranger: Peer, version: str | None) -> None:
    headers = [] if version is None else [(":version", es.STRING, version)]
    token = json.dumps({"authToken": runtime.token(A)}).encode()
    stranger.send(es.Template(es.CONNECT, 0, headers).encode(0, token))
    answer = stranger.receive()
    assert answer is not None
    assert (answer.type, answer.flags) == (es.CONNECT_ACK, 0)
    assert stranger.receive() is None


def test_a_token_with_anothers_name_is_refused(runtime: Runtime, stranger: Peer) -> None:
    request = {"authToken": runtime.token(A), "componentName": "com.example.B"}
    stranger.send(CONNECT.encode(0, json.dumps(request).encode()))
    answer = stranger.receive()
    assert answer is not None
    assert (answer.type, answer.flags) == (es.CONNECT_ACK, 0)


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", bytes(100), b"\xff" * 1000])
def test_garbage(runtime: Runtime, stranger: Peer, garbage: bytes) -> None:
    stranger.send(garbage)
    assert_sent_away(stranger, runtime)


@pytest.mark.parametrize("position", [3, 8, 20, -6, -1])
def test_a_damaged_message(runtime: Runtime, peer: Peer, position: int) -> None:
    message = es.Template(es.PING).encode(0, b"payload")
    peer.send(damaged(message, position % len(message)))
    assert_sent_away(peer, runtime)


def test_a_message_over_the_limit(runtime: Runtime, peer: Peer) -> None:
    lengths = struct.pack(">II", es.MAX_MESSAGE + 1, 0)
    peer.send(lengths + struct.pack(">I", zlib.crc32(lengths)))
    assert_sent_away(peer, runtime)


def test_a_stranger_may_not_even_announce_a_large_message(runtime: Runtime, stranger: Peer) -> None:
    lengths = struct.pack(">II", 1024 * 1024, 0)
    stranger.send(lengths + struct.pack(">I", zlib.crc32(lengths)))
    assert_sent_away(stranger, runtime)


def test_a_message_that_comes_byte_by_byte(peer: Peer) -> None:
    for byte in es.Template(es.PING).encode(0, b"x"):
        peer.send(bytes([byte]))
    answer = peer.receive()
    assert answer is not None
    assert (answer.type, answer.payload) == (es.PING_RESPONSE, b"x")


def test_half_a_message_and_gone(runtime: Runtime, peer: Peer) -> None:
    peer.send(es.Template(es.PING).encode(0, bytes(1000))[:500])
    peer.sock.close()
    assert_serves(runtime)


def test_a_message_of_16_mib(peer: Peer) -> None:
    answer = peer.call(1, "PublishToTopic", b'{"publishMessage":{"x":"' + b"x" * (16 * 1024 * 1024) + b'"}}')
    assert answer is not None
    assert answer.text("service-model-type") == "aws.greengrass#InvalidArgumentsError"


def test_connecting_twice(runtime: Runtime, peer: Peer) -> None:
    peer.send(CONNECT.encode(0, json.dumps({"authToken": runtime.token(A)}).encode()))
    assert_sent_away(peer, runtime)


def test_a_request_before_connecting(runtime: Runtime, stranger: Peer) -> None:
    headers = [("operation", es.STRING, "aws.greengrass#GetConfiguration")]
    stranger.send(es.Template(es.APPLICATION_MESSAGE, 0, headers).encode(1, b"{}"))
    assert_sent_away(stranger, runtime)


@pytest.mark.parametrize(
    "operation", ["Nonsense", "", "../../gg_config", "x" * 200, "ü", "x" * 5000, "a\nb", "\x1b[2J", "\0"]
)
def test_an_operation_that_does_not_exist(peer: Peer, operation: str) -> None:
    answer = peer.call(1, operation, b"{}")
    assert answer is not None
    assert (answer.type, answer.flags) == (es.APPLICATION_ERROR, es.TERMINATE_STREAM)
    assert json.loads(answer.payload)["_errorCode"] == "ServiceError"


def test_a_header_without_a_name(runtime: Runtime, peer: Peer) -> None:
    headers = [(":message-type", es.INT32, es.PING), (":message-flags", es.INT32, 0), (":stream-id", es.INT32, 0)]
    peer.send(es.encode_raw(es.encode_headers(headers) + b"\0\0"))
    assert_sent_away(peer, runtime)


@pytest.mark.parametrize(
    "request_text",
    [
        b"[]",
        b"{",
        b"\xff\xfe",
        b'{"keyPath":"x"}',
        b'{"keyPath":[1]}',
        b'{"componentName":7}',
        b'{"keyPath":["\\ud800"]}',
        b'{"n":1e999}',
        b'{"n":' + b"9" * 400 + b"}",
        b'{"n":' + b"[" * 60_000 + b"]" * 60_000 + b"}",
        b'{"n":' + b"[" * 500 + b"]" * 500 + b"}",
        b'{"a":{"":{"":null}}}',
    ],
)
def test_a_request_that_makes_no_sense_costs_only_itself(runtime: Runtime, peer: Peer, request_text: bytes) -> None:
    answer = peer.call(1, "GetConfiguration", request_text)
    assert answer is not None
    assert answer.stream_id == 1
    answer = peer.call(2, "GetConfiguration", b'{"keyPath":["x"]}')
    assert answer is not None
    assert json.loads(answer.payload)["value"] == {"x": 1}
    assert all(process.poll() is None for process in runtime.processes.values())


@pytest.mark.parametrize(
    "poison", [b"1e999", b"-1E400", b'"\\ud800"', b'{"\\uDFFF":0}', b"9" * 30, b"[" * 70 + b"]" * 70]
)
def test_a_message_that_cannot_be_passed_on_is_the_publishers_trouble_alone(runtime: Runtime, poison: bytes) -> None:
    token = runtime.allow("com.example.Poison", ["*"], ["*"])
    publisher, subscriber = Peer(runtime.root.ipc_socket), Peer(runtime.root.ipc_socket)
    for peer in (publisher, subscriber):
        peer.send(CONNECT.encode(0, json.dumps({"authToken": token}).encode()))
        assert peer.receive() is not None
    assert subscriber.call(1, "SubscribeToTopic", b'{"topic":"t"}') is not None
    template = b'{"topic":"t","publishMessage":{"jsonMessage":{"message":{"x":%s}}}}'
    answer = publisher.call(1, "PublishToTopic", template % poison)
    assert answer is not None
    assert answer.text("service-model-type") == "aws.greengrass#ServiceError"
    answer = publisher.call(2, "PublishToTopic", template % b'"\\ud83d\\ude00"')
    assert answer is not None
    assert answer.type == es.APPLICATION_MESSAGE
    event = subscriber.receive()
    assert event is not None
    assert json.loads(event.payload)["jsonMessage"]["message"] == {"x": "\N{GRINNING FACE}"}
    publisher.sock.close()
    subscriber.sock.close()


def test_a_topic_of_20_mib_is_refused_like_any_other(runtime: Runtime) -> None:
    peer = Peer(runtime.root.ipc_socket)
    token = runtime.allow("com.example.Long", ["a/*"], [])
    peer.send(CONNECT.encode(0, json.dumps({"authToken": token}).encode()))
    assert peer.receive() is not None
    topic = "a/" + "x" * 20_000_000
    request = {"topic": topic, "publishMessage": {"jsonMessage": {"message": {}}}}
    answer = peer.call(1, "PublishToTopic", json.dumps(request).encode())
    assert answer is not None
    assert answer.text("service-model-type") == "aws.greengrass#UnauthorizedError"
    assert len(answer.payload) < 2000
    peer.sock.close()
    assert_serves(runtime)


def test_numbers_and_text_come_back_as_they_were_sent(runtime: Runtime, peer: Peer) -> None:
    value = '{"big":9223372036854775807,"float":1.0,"int":1,"list":[1,1.0,null],"text":"\u00fc\u4e2d\N{GRINNING FACE}"}'
    update = f'{{"keyPath":["numbers"],"timestamp":1700000000,"valueToMerge":{value}}}'
    answer = peer.call(1, "UpdateConfiguration", update.encode())
    assert answer is not None
    assert answer.payload == b"{}"
    answer = peer.call(2, "GetConfiguration", b'{"keyPath":["numbers"]}')
    assert answer is not None
    assert f'"value":{value}' in answer.payload.decode()


def test_the_private_way_to_read_system_values(runtime: Runtime, peer: Peer) -> None:
    runtime.call("gg_config", "write", key_path=["system", "thingName"], value="Thing1")
    headers = [("operation", es.STRING, "aws.greengrass.private#GetSystemConfig")]
    for stream, request in ((1, b'{"key":"thingName"}'), (2, b'{"key":"nothing"}'), (3, b"{}")):
        peer.send(es.Template(es.APPLICATION_MESSAGE, 0, headers).encode(stream, request))
    answers = [peer.receive() for _ in range(3)]
    payloads = {answer.stream_id: json.loads(answer.payload) for answer in answers if answer is not None}
    assert payloads[1] == {"value": "Thing1"}
    assert payloads[2]["_errorCode"] == "ServiceError"
    assert payloads[3]["_errorCode"] == "InvalidArgumentsError"
