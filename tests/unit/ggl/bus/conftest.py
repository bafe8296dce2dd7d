"""A real server in a process of its own, on a real socket."""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ggl.bus import BusError, Client, ErrorCode, Loop, Method, Request, Server, Stream, connect
from ggl.daemon import bind
from ggl.paths import Root, find_root

INTERFACE = "gg_test"
SECONDS = 60.0
"""For what must happen; much longer than it takes."""


def _serve(listening: socket.socket) -> None:
    loop = Loop()
    deferred: list[Request] = []
    closed: list[str] = []
    joined: list[Stream] = []
    blocked: list[Request] = []
    gate = threading.Event()

    def block(request: Request, _params: dict[str, Any]) -> bool:
        blocked.append(request)
        return gate.wait(SECONDS)

    def fail(_request: Request, params: dict[str, Any]) -> None:
        raise BusError(ErrorCode(params["code"]), params["message"])

    def crash(_request: Request, _params: dict[str, Any]) -> None:
        raise RuntimeError("a fault in a handler")

    def count(request: Request, params: dict[str, Any]) -> str:
        stream = request.stream(lambda: closed.append(params.get("name", "")))
        for number in range(params["n"]):
            stream.send(number)
        if params.get("end", True):
            stream.end()
        return "started"

    def flood(request: Request, params: dict[str, Any]) -> None:
        stream = request.stream()

        def more() -> None:
            if not stream.closed:
                stream.send(b"x" * 65536)
                loop.call_soon_threadsafe(more)

        loop.call_soon(more)

    def join(request: Request, _params: dict[str, Any]) -> None:
        joined.append(request.stream())

    def tell(_request: Request, params: dict[str, Any]) -> None:
        Stream.send_to_all(joined, params["item"])

    def later(request: Request, _params: dict[str, Any]) -> Any:
        deferred.append(request)
        return request.defer()

    def release(_request: Request, _params: dict[str, Any]) -> int:
        for request in deferred:
            request.reply("released")
        return len(deferred)

    def ask_back(request: Request, params: dict[str, Any]) -> Any:
        request.connection.calls.call(
            params["method"], params["params"], request.reply, request.fail, trail=request.trail, timeout=SECONDS
        )
        return request.defer()

    methods = {
        "echo": Method(lambda request, params: params["value"]),
        "trail": Method(lambda request, params: request.trail),
        "peer": Method(lambda request, params: [request.peer.pid, request.peer.uid]),
        "block": Method(block, blocking=True),
        "blocked": Method(lambda request, params: len(blocked)),
        "unblock": Method(lambda request, params: gate.set()),
        "fail": Method(fail),
        "crash": Method(crash),
        "count": Method(count),
        "closed": Method(lambda request, params: closed),
        "flood": Method(flood),
        "join": Method(join),
        "tell": Method(tell),
        "bytes": Method(lambda request, params: bytes(params["n"])),
        "later": Method(later),
        "release": Method(release),
        "ask_back": Method(ask_back),
        "bad_result": Method(lambda request, params: {1: "int key"}),
    }
    Server(loop, INTERFACE, methods, listening)
    loop.run()


@pytest.fixture
def root() -> Iterator[Root]:
    with tempfile.TemporaryDirectory(prefix="ggl-bus-") as directory:
        root = find_root(directory)
        root.bus_dir.mkdir(parents=True)
        yield root


@pytest.fixture
def server(root: Root) -> Iterator[int]:
    """Process id of a server of ``gg_test``."""
    listening = bind(str(root.bus_socket(INTERFACE)), 0o600)
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        try:
            _serve(listening)
        finally:
            os._exit(0)
    listening.close()
    yield pid
    ended, _ = os.waitpid(pid, os.WNOHANG)
    assert ended == 0, "the server did not survive the test"
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


@pytest.fixture
def client(server: int, root: Root) -> Iterator[Client]:
    with connect(INTERFACE, root, SECONDS) as client:
        yield client


@pytest.fixture
def raw(server: int, root: Root) -> Callable[[], AbstractContextManager[socket.socket]]:
    """Opens a bare connection to the server, for peers that do not follow the rules."""

    @contextmanager
    def open_socket() -> Iterator[socket.socket]:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with sock:
            # Without a time limit: with one, a full backlog would be an error instead of something to wait for.
            sock.connect(str(root.bus_socket(INTERFACE)))
            sock.settimeout(SECONDS)
            yield sock

    return open_socket


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
