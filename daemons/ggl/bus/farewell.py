"""The last words to a peer that did not read: why its connection ends, told when it comes to read on.

Without them it could not tell that it missed something from a daemon that was restarted.
"""

from __future__ import annotations

import socket

from ggl.bus.loop import WRITABLE, Loop

SECONDS = 60.0
"""How long a peer may take to come back to reading."""
MAX_WAITING = 16
"""Peers at a time; the one that has waited longest makes room."""

_waiting: dict[Farewell, None] = {}


class Farewell:
    """Sends ``data`` when the socket takes it, and closes the socket, which is its own."""

    __slots__ = ("_data", "_loop", "_sock", "_timer")

    def __init__(self, loop: Loop, sock: socket.socket, data: bytes) -> None:
        if len(_waiting) >= MAX_WAITING:
            next(iter(_waiting)).close()
        self._loop = loop
        self._sock = sock
        self._data = memoryview(data)
        self._timer = loop.call_later(SECONDS, self.close)
        _waiting[self] = None
        loop.watch(sock.fileno(), self._on_ready, WRITABLE)

    def _on_ready(self, _events: int) -> None:
        try:
            self._data = self._data[self._sock.send(self._data) :]
        except BlockingIOError:
            return
        except OSError:
            self._data = self._data[:0]  # it has gone
        if not self._data:
            self.close()

    def close(self) -> None:
        del _waiting[self]
        self._timer.cancel()
        self._loop.unwatch(self._sock.fileno())
        self._sock.close()
