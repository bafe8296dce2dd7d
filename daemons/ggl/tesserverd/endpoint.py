"""The port that components get credentials from: harmless whoever connects.

A connection is read until its request is complete, then no more until it has been answered. It is closed by the one
who asked, or after a moment: whoever sends more than was asked for must not lose the answer by that. When there are too
many connections, the one goes that has been thinking about its request for longest.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from ggl.log import get_logger
from ggl.tesserverd.http import END, MAX_HEAD, TEXT, Refused, response, token_in

if TYPE_CHECKING:
    from ggl.bus.loop import Timer
    from ggl.daemon import Context

MAX_CONNECTIONS = 128
ACCEPT_BATCH = 16
ACCEPT_PAUSE = 0.5
"""Seconds without accepting when the process is out of descriptors or memory."""
HEAD_SECONDS = 10.0
"""For a request to be complete."""
ANSWER_SECONDS = 30.0
"""For an answer; then it is 504."""
DRAIN_SECONDS = 2.0
"""For whoever has an answer to close the connection."""

Ask = Callable[[str, "Connection"], None]
"""Answers the request with the token given, sooner or later."""

_log = get_logger("tesserverd")


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

    @property
    def waiting(self) -> bool:
        """Whether an answer is still of use."""
        return not self._answered and self._sock.fileno() >= 0

    def answer(self, status: int, body: bytes, kind: str = TEXT) -> None:
        if not self.waiting:
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
        self.answer(504, f"there was no answer within {ANSWER_SECONDS:g} s".encode())


class Endpoint:
    """Accepts what comes on the sockets of ``context``, and keeps the daemon there as long as anybody is connected."""

    def __init__(self, context: Context, ask: Ask) -> None:
        self.loop = context.loop
        self.ask = ask
        self._context = context
        self._connections: dict[Connection, None] = {}
        self._listeners = list(context.sockets.values())
        for listener in self._listeners:
            listener.setblocking(False)
            self._watch(listener)

    def close(self) -> None:
        for listener in self._listeners:
            self.loop.unwatch(listener.fileno())
            listener.close()
        for connection in list(self._connections):
            connection.close()

    def closed(self, connection: Connection) -> None:
        del self._connections[connection]
        self._context.release()

    def _watch(self, listener: socket.socket) -> None:
        self.loop.watch(listener.fileno(), lambda _events: self._accept(listener))

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
            self._context.hold()
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
                self._watch(listener)

        self.loop.call_later(ACCEPT_PAUSE, resume)
