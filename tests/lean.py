"""The lean side of Greengrass IPC for load and abuse: raw bytes over the component socket, no SDK, no threads.

A connection here costs a socket and a decoder, so that one process can be many components at once.
"""

from __future__ import annotations

import json
import socket
from collections import deque
from collections.abc import Iterator
from functools import cache
from typing import Any

from ggl.bus import connect
from ggl.ipcd import eventstream as es
from ggl.paths import Root

CONNECT = es.Template(es.CONNECT, 0, [(":version", es.STRING, "0.1.0")])
PING = es.Template(es.PING)
END = es.Template(es.APPLICATION_MESSAGE, es.TERMINATE_STREAM)
ALL = {"all": {"operations": ["*"], "resources": ["*"]}}


class IpcFailure(Exception):
    """The runtime answered with an error, closed the connection, or did not answer in time."""


@cache
def request_of(operation: str) -> es.Template:
    """Requests of ``operation`` (its short name)."""
    return es.Template(es.APPLICATION_MESSAGE, 0, [("operation", es.STRING, f"aws.greengrass#{operation}")])


def install(root: Root, component: str, configuration: dict[str, Any]) -> str:
    """Give ``component`` a configuration, as a deployment would; returns its token."""
    with connect("gg_config", root, 60.0) as config:
        config.call("write", {"key_path": ["services", component], "value": {"configuration": configuration}})
    with connect("gg_ipc", root, 60.0) as bridge:
        token: str = bridge.call("token", {"component": component})
        return token


class Lean:
    """One connection of a component; ``token`` of ``None`` leaves it unauthenticated.

    ``call`` and ``event`` block, for at most ``timeout`` seconds. For loops of one's own there are ``fileno``,
    ``request`` (write only) and ``receive`` (what has come).
    """

    def __init__(self, root: Root, token: str | None, timeout: float = 60.0) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.events: deque[tuple[int, bytes]] = deque()
        """Stream id and payload of what came on subscriptions while an answer was waited for."""
        self._stream = 0
        self._decoder = es.Decoder()
        self._messages: deque[es.Message] = deque()
        try:
            # Without a timeout: with one, a full backlog would be an error instead of something to wait for.
            self.sock.connect(str(root.ipc_socket))
            self.sock.settimeout(timeout)
            if token is not None:
                self.sock.sendall(CONNECT.encode(0, json.dumps({"authToken": token}).encode()))
                answer = self._next()
                if answer.type != es.CONNECT_ACK or not answer.flags & es.CONNECTION_ACCEPTED:
                    raise IpcFailure(f"the connection was refused: {answer!r}")
        except BaseException:
            self.close()
            raise

    def fileno(self) -> int:
        return self.sock.fileno()

    def close(self) -> None:
        self.sock.close()

    def __enter__(self) -> Lean:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def request(self, operation: str, payload: bytes) -> int:
        """Send a request on a new stream, whose id is returned."""
        self._stream += 1
        self.sock.sendall(request_of(operation).encode(self._stream, payload))
        return self._stream

    def receive(self) -> list[es.Message]:
        """The messages that one read completes. Raises ``BlockingIOError``, ``IpcFailure`` at the end."""
        try:
            data = self.sock.recv(1 << 18)
        except ConnectionResetError:
            data = b""
        if not data:
            raise IpcFailure("the runtime closed the connection")
        return self._decoder.feed(data)

    def call(self, operation: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """The stream id and the response of a call, or of opening a subscription. Raises ``IpcFailure``."""
        stream = self.request(operation, json.dumps(request).encode())
        while True:
            message = self._next()
            if message.stream_id == stream:
                break
            self.events.append((message.stream_id, message.payload))
        if message.type != es.APPLICATION_MESSAGE:
            raise IpcFailure(f"{operation}: {message.payload[:300]!r}")
        response: dict[str, Any] = json.loads(message.payload)
        return stream, response

    def event(self) -> tuple[int, dict[str, Any]]:
        """The next event of any subscription, with its stream id."""
        if self.events:
            stream, payload = self.events.popleft()
        else:
            message = self._next()
            stream, payload = message.stream_id, message.payload
        return stream, json.loads(payload)

    def ping(self, payload: bytes) -> None:
        """Wait until everything sent so far has been taken in."""
        self.sock.sendall(PING.encode(0, payload))
        while True:
            message = self._next()
            if message.type == es.PING_RESPONSE and message.payload == payload:
                return
            self.events.append((message.stream_id, message.payload))

    def _next(self) -> es.Message:
        while not self._messages:
            try:
                self._messages.extend(self.receive())
            except TimeoutError:
                raise IpcFailure("the runtime did not answer in time") from None
        return self._messages.popleft()


def connections(root: Root) -> list[dict[str, Any]]:
    """Who is connected to the component socket."""
    with connect("gg_ipc", root) as bridge:
        found: list[dict[str, Any]] = bridge.call("connections", {}, 60.0)
        return found


def units(root: Root) -> Iterator[tuple[str, int, int]]:
    """Name, process id (0: not running) and restarts of every core daemon."""
    with connect("gg_host", root) as host:
        for unit in host.call("list", {}, 60.0):
            if unit["name"].startswith("ggl.core."):
                yield unit["name"].removeprefix("ggl.core."), unit["main_pid"], unit["restarts"]
