"""The port itself, with real sockets: whoever connects does no harm."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

import pytest

from ggl.bus import Loop
from ggl.daemon import Context
from ggl.paths import find_root
from ggl.tesserverd import endpoint as module
from ggl.tesserverd.endpoint import MAX_CONNECTIONS, Connection, Endpoint
from ggl.tesserverd.http import MAX_HEAD, PATH

REQUEST = b"GET " + PATH + b" HTTP/1.1\r\nAuthorization: %s\r\n\r\n"
SECONDS = 60.0


class Server:
    """Answers the token ``wait`` never, all others at once, with themselves. With ``idle`` seconds it leaves."""

    def __init__(self, idle: float | None = None) -> None:
        self.loop = Loop()
        listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        self.ports = [listener.getsockname()[1] for listener in listeners]
        context = Context(self.loop, find_root("/nowhere"), dict(zip("ab", listeners, strict=True)), idle)
        self.endpoint = Endpoint(context, self._ask)
        self.waiting: list[Connection] = []
        self._thread = Thread(target=context.run)
        self._thread.start()

    def _ask(self, token: str, connection: Connection) -> None:
        if token == "wait":
            self.waiting.append(connection)
        else:
            connection.answer(200, token.encode())

    def call(self, work: Callable[[], object]) -> None:
        self.loop.call_soon_threadsafe(work)

    @property
    def left(self) -> bool:
        return not self._thread.is_alive()

    def until(self, happened: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SECONDS
        while not happened():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def close(self) -> None:
        self.call(self.loop.stop)
        self._thread.join()
        self.endpoint.close()
        self.loop.close()

    def connect(self, number: int = 0) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.ports[number]), SECONDS)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(module, "HEAD_SECONDS", SECONDS)
    monkeypatch.setattr(module, "ANSWER_SECONDS", SECONDS)
    server = Server()
    yield server
    server.close()


def rest(sock: socket.socket) -> bytes:
    found = b""
    while data := sock.recv(65536):
        found += data
    return found


def body(sock: socket.socket) -> bytes:
    return rest(sock).partition(b"\r\n\r\n")[2]


def test_one_answer_and_the_end(server: Server) -> None:
    with server.connect() as sock:
        sock.sendall(REQUEST % b"one")
        assert body(sock) == b"one"


def test_all_sockets_of_the_host_are_served(server: Server) -> None:
    for number in range(2):
        with server.connect(number) as sock:
            sock.sendall(REQUEST % b"x")
            assert body(sock) == b"x"


def test_a_request_may_come_in_pieces(server: Server) -> None:
    with server.connect() as sock:
        for byte in REQUEST % b"slow":
            sock.sendall(bytes((byte,)))
        assert body(sock) == b"slow"


def test_whoever_sends_more_gets_one_answer_all_the_same(server: Server) -> None:
    with server.connect() as sock:
        sock.sendall(REQUEST % b"first" + REQUEST % b"second" + b"x" * 20000)
        assert body(sock) == b"first"


@pytest.mark.parametrize("data", [b"x" * (MAX_HEAD + 1), REQUEST % (b"x" * MAX_HEAD)])
def test_what_is_too_long_is_not_read(server: Server, data: bytes) -> None:
    with server.connect() as sock:
        sock.sendall(data)
        assert rest(sock).startswith(b"HTTP/1.1 431 ")


def test_whoever_is_silent_makes_room_for_others(server: Server) -> None:
    silent = [server.connect() for _ in range(MAX_CONNECTIONS + 20)]
    with server.connect() as sock:
        sock.sendall(REQUEST % b"busy")
        assert body(sock) == b"busy"
    assert silent[0].recv(1) == b""
    for sock in silent:
        sock.close()


def test_whoever_waits_for_an_answer_is_not_sent_away(server: Server) -> None:
    waiting = [server.connect() for _ in range(MAX_CONNECTIONS)]
    for sock in waiting:
        sock.sendall(REQUEST % b"wait")
    server.until(lambda: len(server.waiting) == MAX_CONNECTIONS)
    with server.connect() as late:
        assert late.recv(1) == b""
    server.call(lambda: [each.answer(200, b"done") for each in server.waiting])
    for sock in waiting:
        assert body(sock) == b"done"
        sock.close()


def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DRAIN_SECONDS", 0.05)
    server = Server()
    try:
        monkeypatch.setattr(module, "ANSWER_SECONDS", 0.05)
        with server.connect() as sock:
            sock.sendall(REQUEST % b"wait")
            assert rest(sock).startswith(b"HTTP/1.1 504 ")
        monkeypatch.setattr(module, "HEAD_SECONDS", 0.5)  # not before: the request above has to come in that time
        with server.connect() as sock:
            sock.sendall(b"GET ")
            assert rest(sock) == b""
        server.waiting[0].answer(200, b"too late")
    finally:
        server.close()


def test_a_client_that_has_gone_is_no_matter(server: Server) -> None:
    sock = server.connect()
    sock.sendall(REQUEST % b"wait")
    server.until(lambda: len(server.waiting) == 1)
    sock.close()
    server.call(lambda: server.waiting[0].answer(200, b"x" * 1000))
    with server.connect() as other:
        other.sendall(REQUEST % b"y")
        assert body(other) == b"y"


def test_it_stays_as_long_as_anybody_is_connected() -> None:
    server = Server(idle=0.1)
    try:
        with server.connect() as silent:
            with server.connect() as sock:
                sock.sendall(REQUEST % b"wait")
                server.until(lambda: len(server.waiting) == 1)
                server.call(lambda: server.waiting[0].answer(200, b"done"))
                assert body(sock) == b"done"
            silent.sendall(REQUEST % b"x")
            assert body(silent) == b"x"
        server.until(lambda: server.left)
    finally:
        server.close()


def test_without_descriptors_it_accepts_later(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    """The process has none left for a moment; whoever waits is served after it."""
    monkeypatch.setattr(module, "ACCEPT_PAUSE", 0.05)
    listener = server.endpoint._listeners[0]
    refusing = Refusing(listener)
    server.call(lambda: server.loop.unwatch(listener.fileno()))
    server.call(lambda: server.endpoint._watch(refusing))  # type: ignore[arg-type]
    ready: list[bool] = []
    server.call(lambda: ready.append(True))
    server.until(lambda: bool(ready))
    with server.connect() as sock:
        sock.sendall(REQUEST % b"late")
        assert body(sock) == b"late"
    assert refusing.times == 0


class Refusing:
    """A listener that fails a few times."""

    times = 3

    def __init__(self, listener: socket.socket) -> None:
        self.fileno = listener.fileno
        self._listener = listener

    def accept(self) -> Any:
        if self.times:
            self.times -= 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return self._listener.accept()
