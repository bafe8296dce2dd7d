"""The port that components get credentials from: on the loopback interface only, and harmless whoever connects.

A connection is read until its request is complete, then no more until it has been answered. It is closed by the one
who asked, or after a moment: whoever sends more than was asked for must not lose the answer by that. When there are too
many connections, the one goes that has been thinking about its request for longest.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable

from ggl.bus.loop import Loop, Timer
from ggl.log import get_logger
from ggl.tesd.http import END, MAX_HEAD, Refused, response, token_in

ADDRESSES = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
MAX_CONNECTIONS = 128
BACKLOG = 128
ACCEPT_BATCH = 16
ACCEPT_PAUSE = 0.5
"""Seconds without accepting when the process is out of descriptors or memory."""
HEAD_SECONDS = 10.0
"""For a request to be complete."""
ANSWER_SECONDS = 30.0
"""For an answer; then it is 504."""
DRAIN_SECONDS = 2.0
"""For whoever has an answer to close the connection."""
PORT_TRIES = 20
"""Random ports that are tried until one is free on all addresses."""

Ask = Callable[[str, "Connection"], None]
"""Answers the request with the token given, sooner or later."""

_log = get_logger("tesd")


class Connection:
    """One request; ``answer`` it once."""

    def __init__(self, endpoint: Endpoint, sock: socket.socket) -> None:
        self._endpoint = endpoint
        self._sock = sock
        self._head = b""
        self._answered = False
        self._loop = endpoint.loop
        self._timer: Timer = self._loop.call_later(HEAD_SECONDS, self.close)
        self.reading = True
        sock.setblocking(False)
        self._loop.watch(sock.fileno(), lambda _events: self._read())

    def answer(self, status: int, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
        if self._answered or self._sock.fileno() < 0:
            return
        self._answered = True
        self._timer.cancel()
        data = response(status, body, kind)
        try:
            # It fits into the buffer of a socket that nothing has been written to.
            sent = self._sock.send(data)
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            sent = -1
        if sent != len(data):
            self.close()
            return
        self._timer = self._loop.call_later(DRAIN_SECONDS, self.close)
        if not self.reading:
            self._loop.watch(self._sock.fileno(), lambda _events: self._read())
        self.reading = True

    def close(self) -> None:
        if self._sock.fileno() < 0:
            return
        self._timer.cancel()
        self._loop.unwatch(self._sock.fileno())
        self._sock.close()
        self._endpoint.closed(self)

    def _read(self) -> None:
        try:
            data = self._sock.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
        elif not self._answered:
            self._head += data
            self._take()

    def _take(self) -> None:
        head, end, _ = self._head.partition(END)
        if len(head) > MAX_HEAD:
            self.answer(431, b"the request is too long")
        elif end:
            self._head = b""
            try:
                token = token_in(head)
            except Refused as error:
                self.answer(error.status, error.text.encode())
                return
            self._loop.unwatch(self._sock.fileno())
            self.reading = False
            self._timer.cancel()
            self._timer = self._loop.call_later(ANSWER_SECONDS, self._too_late)
            self._endpoint.ask(token, self)

    def _too_late(self) -> None:
        self.answer(504, f"AWS has not answered within {ANSWER_SECONDS:g} s".encode())


class Endpoint:
    """Listens on one port of the loopback interface, on IPv4 and, where there is any, IPv6."""

    def __init__(self, loop: Loop, port: int, ask: Ask) -> None:
        """``port``: 0 is any. Raises ``OSError`` when it is in use."""
        self.loop = loop
        self.ask = ask
        self._connections: dict[Connection, None] = {}
        self._sockets = _listen(port)
        self.port: int = self._sockets[0].getsockname()[1]
        for sock in self._sockets:
            loop.watch(sock.fileno(), lambda _events, s=sock: self._accept(s))  # type: ignore[misc]

    def close(self) -> None:
        for sock in self._sockets:
            self.loop.unwatch(sock.fileno())
            sock.close()
        for connection in list(self._connections):
            connection.close()

    def closed(self, connection: Connection) -> None:
        self._connections.pop(connection, None)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(ACCEPT_BATCH):
            try:
                sock, _address = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    _log.error("cannot accept a connection: %s", error.strerror)
                    self._pause(listener)
                return
            if len(self._connections) >= MAX_CONNECTIONS and not self._make_room():
                sock.close()
                continue
            self._connections[Connection(self, sock)] = None

    def _make_room(self) -> bool:
        for connection in self._connections:
            if connection.reading:
                connection.close()
                return True
        return False

    def _pause(self, listener: socket.socket) -> None:
        self.loop.unwatch(listener.fileno())

        def resume() -> None:
            if listener.fileno() >= 0:
                self.loop.watch(listener.fileno(), lambda _events: self._accept(listener))

        self.loop.call_later(ACCEPT_PAUSE, resume)


def _listen(port: int) -> list[socket.socket]:
    for number in range(PORT_TRIES):
        try:
            return _listen_on_all(port)
        except OSError as error:
            # A port that happened to be free for one address may be somebody's on the other.
            if port or error.errno != errno.EADDRINUSE or number == PORT_TRIES - 1:
                raise
    raise AssertionError


def _listen_on_all(port: int) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    try:
        for family, address in ADDRESSES:
            sock = _bound(family, address, port)
            if sock is not None:
                sockets.append(sock)
                port = sock.getsockname()[1]
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _bound(family: int, address: str, port: int) -> socket.socket | None:
    """``None``: there is no such interface on this device. Raises ``OSError``."""
    sock = None
    try:
        sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        # Connections of the one before that end by and by are no reason to wait.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        sock.listen(BACKLOG)
    except OSError as error:
        if sock is not None:
            sock.close()
        if family == socket.AF_INET6 and error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            return None
        raise
    return sock
