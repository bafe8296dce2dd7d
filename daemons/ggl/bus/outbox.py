"""What waits to be written to a peer: bounded, in order, without ever blocking the loop."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable

MAX_QUEUED = 4 * 1024 * 1024
"""Bytes that may wait for a peer that does not read, besides the frame that is on its way, before the next one costs it
the connection."""


class Outbox:
    """``write`` sends at once what the socket takes and keeps the rest for ``flush``.

    ``on_block`` is called when something has to wait: the owner then calls ``flush`` when the socket can be written.
    ``on_overflow`` is called when a peer has let more than ``limit`` bytes pile up.
    """

    __slots__ = ("_limit", "_on_block", "_on_overflow", "_queue", "_send", "queued")

    def __init__(
        self,
        sock: socket.socket,
        on_block: Callable[[], None],
        on_overflow: Callable[[], None],
        limit: int = MAX_QUEUED,
    ) -> None:
        self.queued = 0
        """Bytes that wait."""
        self._limit = limit
        self._send = sock.send
        self._queue: deque[memoryview | bytes] = deque()
        self._on_block = on_block
        self._on_overflow = on_overflow

    @property
    def behind(self) -> int:
        """Bytes that wait behind the frame being sent. That one does not count: it alone may be over any limit."""
        return self.queued - len(self._queue[0]) if self._queue else 0

    def write(self, data: bytes) -> None:
        if self._queue:
            if self.behind > self._limit:
                self._on_overflow()
                return
            self._queue.append(data)
            self.queued += len(data)
            return
        try:
            sent = self._send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            # Reading will report the end; closing here would pull the ground from under the caller.
            return
        if sent < len(data):
            rest = memoryview(data)[sent:]
            self._queue.append(rest)
            self.queued = len(rest)
            self._on_block()

    def flush(self) -> bool:
        """Send what the socket takes; True when nothing waits any more."""
        queue = self._queue
        try:
            while queue:
                data = queue[0]
                sent = self._send(data)
                self.queued -= sent
                if sent < len(data):
                    queue[0] = memoryview(data)[sent:]
                    return False
                queue.popleft()
        except BlockingIOError:
            return False
        except OSError:
            self.clear()
        return True

    def give_up(self) -> tuple[bytes, int]:
        """Drop all that waits; returns the rest of the frame that the peer has a part of, and how many it misses."""
        begun, missed = b"", len(self._queue)
        head = self._queue[0] if self._queue else b""
        if isinstance(head, memoryview) and isinstance(head.obj, bytes) and len(head) < len(head.obj):
            begun, missed = bytes(head), missed - 1
        self.clear()
        return begun, missed

    def clear(self) -> None:
        self._queue.clear()
        self.queued = 0

    def retire(self) -> None:
        """Nobody will write any more. What the owner is known by goes: else the two would keep each other, and their
        buffers, until the collector comes by, which in a daemon is seldom."""
        self._on_block = self._on_overflow = _nothing


def _nothing() -> None:
    pass
