"""The protocol habits of the Greengrass component SDK for C, C++ and Rust, as strict as the original.

It is small, and checks what it needs: only integer and string headers, names in the exact case, messages that fit into
its buffer of 10,000 bytes, errors that carry ``_errorCode``, events of the expected shape with the content type
``application/json``. It takes a message apart as the C code does and gives up where that gives up, so that an answer
which the runtime's other clients forgive fails here. It needs nothing but the standard library.

What it sends differs from other clients, too: no content type, a ``service-model-type`` that is once the wrong one,
timestamps that are always fractions and 0.0 for none, and the end of a stream when the response left it open.
"""

from __future__ import annotations

import base64
import binascii
import json
import socket
import struct
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any
from zlib import crc32

from tests.compat.clients import END, PROBES, TIMEOUT, Broken, Error, Failed, Subscription

MAX_MESSAGE = 10_000
"""Bytes of its buffers: all of a message that is sent, and what follows the first twelve bytes of one received."""
MAX_STREAMS = 16
ARENA = 255 * 11
"""Bytes for what a payload is decoded into: 21 a member of a map, 11 an element of a list."""

INT32, STRING = 4, 7
MESSAGE, ERROR, CONNECT, CONNECT_ACK = 0, 1, 4, 5
ACCEPTED, TERMINATE = 1, 2
PREFIX = "aws.greengrass#"
EVENT_SHAPES = {
    "SubscribeToCertificateUpdates": "CertificateUpdateEvent",
    "SubscribeToComponentUpdates": "ComponentUpdatePolicyEvents",
    "SubscribeToConfigurationUpdate": "ConfigurationUpdateEvents",
    "SubscribeToIoTCore": "IoTCoreMessage",
    "SubscribeToIoTCoreConnectionStatus": "IoTCoreConnectionStatusEvent",
    "SubscribeToTopic": "SubscriptionResponseMessage",
    "SubscribeToValidateConfigurationUpdates": "ValidateConfigurationUpdateEvents",
}

Headers = Mapping[str, "int | str"]


# -- bytes -------------------------------------------------------------------------------------------------------------


def encode(headers: Headers, payload: bytes) -> bytes:
    """Raises ``Broken`` when the message does not fit into the buffer."""
    block = b""
    for name, value in headers.items():
        block += bytes((len(name),)) + name.encode()
        if isinstance(value, int):
            block += struct.pack(">Bi", INT32, value)
        else:
            block += struct.pack(">BH", STRING, len(value.encode())) + value.encode()
    total = 16 + len(block) + len(payload)
    if total > MAX_MESSAGE:
        raise Broken(f"a message of {total} bytes does not fit into the buffer")
    front = struct.pack(">II", total, len(block))
    front += struct.pack(">I", crc32(front)) + block + payload
    return front + struct.pack(">I", crc32(front))


def decode_headers(block: bytes) -> Headers:
    headers: dict[str, int | str] = {}
    position = 0
    while position < len(block):
        name = block[position + 1 : position + 1 + block[position]]
        position += 1 + len(name)
        if position >= len(block):
            raise Broken("a header does not fit into its block")
        kind = block[position]
        if kind == INT32:
            size, start = 4, position + 1
        elif kind == STRING:
            size, start = int.from_bytes(block[position + 1 : position + 3], "big"), position + 3
        else:
            raise Broken(f"the header {name!r} is of type {kind}: unsupported header value type")
        value = block[start : start + size]
        if len(value) != size:
            raise Broken("a header does not fit into its block")
        headers[name.decode()] = struct.unpack(">i", value)[0] if kind == INT32 else value.decode()
        position = start + size
    return headers


def receive(sock: socket.socket) -> tuple[Headers, bytes]:
    prelude = _exactly(sock, 12)
    total, block_size, prelude_crc = struct.unpack(">III", prelude)
    if crc32(prelude[:8]) != prelude_crc:
        raise Broken("prelude CRC mismatch")
    if total < 16 or block_size > total - 16:
        raise Broken("the lengths of a message are not valid")
    if total - 12 > MAX_MESSAGE:
        raise Broken("EventStream packet does not fit in IPC packet buffer size")
    data = _exactly(sock, total - 12)
    if crc32(prelude + data[:-4]) != int.from_bytes(data[-4:], "big"):
        raise Broken("message CRC mismatch")
    return decode_headers(data[:block_size]), data[block_size:-4]


def _exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            raise Broken("the connection is closed")
        data += part
    return data


def common(headers: Headers) -> tuple[int, int, int]:
    """Type, flags and stream id; one that is absent is 0."""
    values = [headers.get(name, 0) for name in (":message-type", ":message-flags", ":stream-id")]
    if any(not isinstance(value, int) for value in values):
        raise Broken("a common header is not Int32")
    return values[0], values[1], values[2]  # type: ignore[return-value]


# -- payloads ----------------------------------------------------------------------------------------------------------


class OutOfMemory(Broken):
    """The payload does not fit into the arena."""


def decode_map(payload: bytes) -> dict[str, Any]:
    def number(text: str) -> int:
        value = int(text)
        if not -(2**63) <= value < 2**63:
            raise Broken("JSON integer out of range of int64_t")
        return value

    try:
        value = json.loads(payload, parse_int=number)
    except ValueError as error:
        raise Broken(f"failed to decode the payload {payload[:200]!r}: {error}") from None
    if _cost(value) > ARENA:
        raise OutOfMemory("insufficient memory to decode JSON")
    decoded: dict[str, Any] = _require(value, dict, "the payload")
    return decoded


def _cost(value: Any) -> int:
    if isinstance(value, dict):
        return 21 * len(value) + sum(map(_cost, value.values()))
    if isinstance(value, list):
        return 11 * len(value) + sum(map(_cost, value))
    return 0


def _require(value: Any, kind: type[Any], what: str) -> Any:
    if type(value) is not kind:
        raise Broken(f"{what} is of the wrong type: {value!r}")
    return value


def _member(data: dict[str, Any], key: str, kind: type[Any]) -> Any:
    if key not in data:
        raise Broken(f"map missing required key {key}")
    return _require(data[key], kind, key)


def _base64(text: str) -> None:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        raise Broken(f"failed to decode the base64 {text!r}") from None


def _check_topic_event(event: dict[str, Any]) -> None:
    if ("jsonMessage" in event) == ("binaryMessage" in event):
        raise Broken("received invalid pubsub subscription response")
    is_json = "jsonMessage" in event
    message = _member(event, "jsonMessage" if is_json else "binaryMessage", dict)
    content = _member(message, "message", dict if is_json else str)
    _member(_member(message, "context", dict), "topic", str)
    if not is_json:
        _base64(content)


def _check_configuration_event(event: dict[str, Any]) -> None:
    update = _member(event, "configurationUpdateEvent", dict)
    _member(update, "componentName", str)
    for key in _member(update, "keyPath", list):
        _require(key, str, "a key of keyPath")


def _check_iot_core_event(event: dict[str, Any]) -> None:
    message = _member(event, "message", dict)
    _member(message, "topicName", str)
    _base64(_member(message, "payload", str))


def _check_connection_event(event: dict[str, Any]) -> None:
    _member(_member(event, "connectionStatusEvent", dict), "status", str)


EVENT_CHECKS: dict[str, Callable[[dict[str, Any]], None]] = {
    "SubscribeToTopic": _check_topic_event,
    "SubscribeToConfigurationUpdate": _check_configuration_event,
    "SubscribeToIoTCore": _check_iot_core_event,
    "SubscribeToIoTCoreConnectionStatus": _check_connection_event,
}


def _check_listed_shadows(response: dict[str, Any]) -> None:
    for name in _member(response, "results", list):
        _require(name, str, "a name of results")
    _member(response, "timestamp", float)


RESPONSE_CHECKS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "GetConfiguration": lambda response: _member(response, "value", dict),
    "RestartComponent": lambda response: _member(response, "restartStatus", str),
    "CreateLocalDeployment": lambda response: _member(response, "deploymentId", str),
    "GetThingShadow": lambda response: _base64(_member(response, "payload", str)),
    "UpdateThingShadow": lambda response: _base64(_member(response, "payload", str)),
    "ListNamedShadowsForThing": _check_listed_shadows,
}


# -- connections -------------------------------------------------------------------------------------------------------


class CSdk:
    exact_numbers = True
    shows_stream_errors = False
    probe = f"PYTHONPATH={PROBES.parent.parent.parent} {sys.executable} {PROBES / 'c_habits.py'}"

    def connect(self, socket_path: str, token: str) -> CConnection:
        return CConnection(socket_path, {"authToken": token})

    def offers(self, operation: str) -> bool:
        return True

    def close(self) -> None:
        pass


class _Stream:
    def __init__(self, operation: str, subscription: Subscription | None) -> None:
        self.operation = operation
        self.subscription = subscription
        self.response: Future[dict[str, Any]] = Future()
        self.answered = False


class CConnection:
    """``credentials`` is the payload of the connect message: a token, a component's name, or both."""

    def __init__(self, socket_path: str, credentials: dict[str, str]) -> None:
        self._streams: dict[int, _Stream] = {}
        self._next_id = 1
        self._lock = threading.Lock()
        self._lost: Broken | None = None
        self.sent_ends: list[int] = []
        """Streams whose end we sent because a plain call's response had left them open."""
        self.svcuid = ""
        """The token that the runtime told us."""
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.settimeout(TIMEOUT)
        try:
            self._sock.connect(socket_path)
            self._connect(credentials)
        except OSError as error:
            self._sock.close()
            raise Broken(str(error)) from error
        except Broken:
            self._sock.close()
            raise
        self._sock.settimeout(None)
        self._reader = threading.Thread(target=self._read, name="gg-ipc-receive")
        self._reader.start()

    def _connect(self, credentials: dict[str, str]) -> None:
        headers: Headers = {":message-type": CONNECT, ":message-flags": 0, ":stream-id": 0, ":version": "0.1.0"}
        self._sock.sendall(encode(headers, _json(credentials)))
        headers, _payload = receive(self._sock)
        kind, flags, _ = common(headers)
        if kind != CONNECT_ACK:
            raise Broken("the connection response is not an ack")
        if not flags & ACCEPTED:
            raise Broken("the connection response misses the accepted flag")
        svcuid = headers.get("svcuid", "")
        self.svcuid = _require(svcuid, str, "svcuid")

    def call(self, operation: str, request: dict[str, Any], unchecked: bool = False) -> dict[str, Any]:
        return self.send(operation, _json(request), None)

    def subscribe(
        self, operation: str, request: dict[str, Any], unchecked: bool = False
    ) -> tuple[dict[str, Any], Subscription]:
        subscription = Subscription()
        return self.send(operation, _json(request), subscription), subscription

    def send(self, operation: str, payload: bytes, subscription: Subscription | None) -> dict[str, Any]:
        """Send a request whose payload may be anything, and wait for the response."""
        full = operation if "#" in operation else PREFIX + operation
        suffix = "Response" if operation == "SubscribeToIoTCoreConnectionStatus" else "Request"
        with self._lock:
            if self._lost:
                raise self._lost
            if len(self._streams) >= MAX_STREAMS:
                raise Broken("GG-IPC request failed to get available stream slot")
            number = self._next_id
            self._next_id += 1
            stream = self._streams[number] = _Stream(operation, subscription)
            if subscription is not None:
                subscription.handle = number
            headers = {**self._headers(number, 0), "operation": full, "service-model-type": full + suffix}
            try:
                self._sock.sendall(encode(headers, payload))
            except Broken:
                del self._streams[number]
                raise
            except OSError:
                pass  # the reader finds out
        try:
            return stream.response.result(TIMEOUT)
        except FutureTimeout:
            raise Broken(f"{operation}: timed out waiting for a response") from None

    def unsubscribe(self, subscription: Subscription) -> None:
        with self._lock:
            self._end(subscription.handle)
        subscription.came.put(END)

    def close(self) -> None:
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._reader.join(TIMEOUT)
        self._sock.close()

    @staticmethod
    def _headers(number: int, flags: int) -> Headers:
        return {":message-type": MESSAGE, ":message-flags": flags, ":stream-id": number}

    def _end(self, number: int) -> None:
        self._streams.pop(number, None)
        self._sock.sendall(encode(self._headers(number, TERMINATE), b""))

    # -- the receiving thread --------------------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            while True:
                headers, payload = receive(self._sock)
                kind, flags, number = common(headers)
                if number < 0:
                    raise Broken("Eventstream packet has negative stream id")
                with self._lock:
                    stream = self._streams.get(number)
                    if stream is not None:
                        take = self._event if stream.answered else self._response
                        take(number, stream, kind, bool(flags & TERMINATE), headers, payload)
        except (Broken, OSError) as error:
            lost = error if isinstance(error, Broken) else Broken(f"the connection is lost: {error}")
            with self._lock:
                self._lost = lost
                streams = list(self._streams.values())
                self._streams.clear()
            # The original ends its process here.
            for stream in streams:
                if not stream.answered:
                    stream.response.set_exception(lost)
                elif stream.subscription is not None:
                    stream.subscription.came.put(lost)

    def _response(
        self, number: int, stream: _Stream, kind: int, terminated: bool, headers: Headers, payload: bytes
    ) -> None:
        stream.answered = True
        try:
            response = self._understood(stream.operation, kind, payload)
        except (Broken, Failed) as error:
            if terminated:
                del self._streams[number]
            else:
                self._end(number)
            stream.response.set_exception(error)
            return
        if terminated:
            del self._streams[number]
        elif stream.subscription is None:
            self.sent_ends.append(number)
            self._end(number)
        stream.response.set_result(response)

    @staticmethod
    def _understood(operation: str, kind: int, payload: bytes) -> dict[str, Any]:
        if kind == ERROR:
            error = decode_map(payload)
            code = _member(error, "_errorCode", str)
            raise Failed(Error(code, _require(error.get("_message", ""), str, "_message")))
        if kind != MESSAGE:
            raise Broken(f"unexpected message type {kind}")
        response = decode_map(payload)
        check = RESPONSE_CHECKS.get(operation)
        if check is not None:
            check(response)
        return response

    def _event(
        self, number: int, stream: _Stream, kind: int, terminated: bool, headers: Headers, payload: bytes
    ) -> None:
        assert stream.subscription is not None
        came = stream.subscription.came
        try:
            came.put(self._understood_event(stream.operation, kind, headers, payload))
        except OutOfMemory:
            pass  # as the original: logged and skipped
        except Broken as error:
            if not terminated:
                came.put(error)
                self._end(number)
        if terminated:
            # Whoever subscribed learns neither of an error nor of the end; the tests do.
            del self._streams[number]
            came.put(END)

    @staticmethod
    def _understood_event(operation: str, kind: int, headers: Headers, payload: bytes) -> dict[str, Any]:
        if kind != MESSAGE:
            raise Broken(f"unexpected message type {kind}")
        if headers.get(":content-type") != "application/json":
            raise Broken("the subscription response does not declare a JSON payload")
        event = decode_map(payload)
        if headers.get("service-model-type") != PREFIX + EVENT_SHAPES[operation]:
            raise Broken("unexpected service-model-type received")
        check = EVENT_CHECKS.get(operation)
        if check is not None:
            check(event)
        return event


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
