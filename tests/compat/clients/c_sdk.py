"""The protocol habits of the Greengrass component SDK for C, C++ and Rust, as strict as the original.

It is small, and checks what it needs: only integer and string headers, names in the exact case, messages that fit into
its buffer of 10,000 bytes, errors that carry ``_errorCode``, events of the expected shape with the content type
``application/json``. It takes a message apart as the C code does and gives up where that gives up, so that an answer
which the runtime's other clients forgive fails here. It needs nothing but the standard library.

What it sends differs from other clients, too: no content type, a ``service-model-type`` that is once the wrong one,
timestamps that are always fractions and 0.0 for none, and the end of a stream when the response left it open.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

from tests.compat.clients import END, PROBES, TIMEOUT, Broken, Error, Failed, Subscription
from tests.compat.clients.c_messages import Headers, common, encode, receive
from tests.compat.clients.c_payloads import EVENT_CHECKS, RESPONSE_CHECKS, OutOfMemory, decode_map, member, require

MAX_STREAMS = 16
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
        self.svcuid = require(svcuid, str, "svcuid")

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
            code = member(error, "_errorCode", str)
            raise Failed(Error(code, require(error.get("_message", ""), str, "_message")))
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
