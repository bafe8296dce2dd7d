"""The socket of one component: reads what there is, writes without blocking, and keeps within bounds.

What a component does not read waits in a queue of its own. A long queue first stops reading from that component (it
should take its answers before it asks for more), and past ``MAX_QUEUED`` bytes costs it the connection: a component
that stopped reading must not hold memory, nor delay another. All together have a limit as well (``Waiting``).
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from ggl.bus.outbox import Outbox

if TYPE_CHECKING:
    from ggl.bus import Timer
    from ggl.ipcd.waiting import Waiting

READ_SIZE = 65536
MAX_QUEUED = 8 * 1024 * 1024
"""Bytes that may wait for a component, behind the message that is being sent, before the next one costs it the
connection. So one message may be larger, and its answer may follow it."""
PAUSE_READING = 1024 * 1024
"""Bytes waiting for a component from which on its requests are left in the socket."""
FLUSH_SECONDS = 5.0
"""How long a component may take to read what is left for it when its connection is being closed."""
LINGER_SECONDS = 0.5
"""How long it then may take to close its side, and ten times as long while it has not read its last message. The AWS
client libraries, when they see the end of a connection together with that, may report the one without having looked at
the other."""

_READ = select.EPOLLIN
_WRITE = select.EPOLLOUT


class EventLoop(Protocol):
    """What this module needs of the daemon's loop."""

    def watch(self, fd: int, callback: Callable[[int], None], events: int = ...) -> None: ...
    def rewatch(self, fd: int, events: int) -> None: ...
    def unwatch(self, fd: int) -> None: ...
    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer: ...
    def call_soon(self, callback: Callable[[], None]) -> None: ...


class Transport:
    """``on_data(bytes)``, to be set by the owner, follows each read; ``on_closed(reason)`` comes once, on a later turn
    of the loop."""

    __slots__ = (
        "_events",
        "_fd",
        "_finishing",
        "_held",
        "_last_call",
        "_loop",
        "_on_closed",
        "_outbox",
        "_paused",
        "_sock",
        "_waiting",
        "closed",
        "on_data",
    )

    def __init__(
        self,
        loop: EventLoop,
        sock: socket.socket,
        on_closed: Callable[[str], None],
        waiting: Waiting,
    ) -> None:
        sock.setblocking(False)
        self.closed = False
        self._loop = loop
        self._sock = sock
        self._fd = sock.fileno()
        self.on_data: Callable[[bytes], None]
        self._on_closed = on_closed
        self._waiting = waiting
        self._outbox = Outbox(sock, lambda: None, self._overflowed, MAX_QUEUED)
        self._finishing = False
        self._held = False
        self._paused = False
        self._last_call: Timer | None = None
        self._events = _READ
        loop.watch(self._fd, self._ready, _READ)

    def send(self, data: bytes) -> None:
        """Write ``data``, now or when the component reads. Nothing happens after ``finish`` or the end."""
        if self.closed or self._finishing:
            return
        self._outbox.write(data)
        if self._outbox.queued:
            self._waiting.update(self, self._outbox.queued)
            if not self.closed:
                self._choose_events()

    @property
    def queued(self) -> int:
        """Bytes that wait for the component to read."""
        return self._outbox.queued

    @property
    def behind(self) -> int:
        """Bytes that wait for the component behind the message being sent."""
        return self._outbox.behind

    def _overflowed(self) -> None:
        self.abort(f"it does not read: {self.queued} bytes are waiting for it")

    def hold(self, on: bool) -> None:
        """Leave requests in the socket, or no longer."""
        self._held = on
        if not self.closed:
            self._choose_events()

    def pause(self, seconds: float) -> None:
        """Leave requests in the socket for so long."""
        self._paused = True
        self._choose_events()
        self._loop.call_later(seconds, self._resume)

    def _resume(self) -> None:
        self._paused = False
        if not self.closed:
            self._choose_events()

    def finish(self) -> None:
        """Take no more requests; close when the component has, or some time after it was sent everything."""
        if self.closed or self._finishing:
            return
        self._finishing = True
        self._choose_events()
        if self._outbox.queued:
            self._close_in(FLUSH_SECONDS)
        else:
            self._linger()

    def _close_in(self, seconds: float, more: int = 0) -> None:
        """``more``: how often to wait for so long again while something has not been read."""

        def close() -> None:
            if more and _unread(self._fd):
                self._close_in(seconds, more - 1)
            else:
                self.abort("")

        if self._last_call is not None:
            self._last_call.cancel()
        self._last_call = self._loop.call_later(seconds, close)

    def _linger(self) -> None:
        self._close_in(LINGER_SECONDS, more=9)

    def abort(self, reason: str) -> None:
        """Close at once. ``reason`` is for the log; empty when the other side left or nothing is wrong."""
        if self.closed:
            return
        self.closed = True
        self._loop.unwatch(self._fd)
        self._sock.close()
        self._outbox.clear()
        self._waiting.update(self, 0)
        if self._last_call is not None:
            self._last_call.cancel()
        self._loop.call_soon(lambda: self._report_closed(reason))

    def _report_closed(self, reason: str) -> None:
        self._on_closed(reason)
        # Who is known by whom ends here: else they would keep each other until the collector comes by, which in a
        # daemon is seldom.
        self._outbox.retire()
        self.on_data = self._on_closed = _nothing

    def _ready(self, events: int) -> None:
        if events & _WRITE:
            self._flush()
        if events & _READ and self._events & _READ:
            try:
                data = self._sock.recv(READ_SIZE)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self.abort("")
            elif not self._finishing:
                self.on_data(data)
        elif events & (select.EPOLLHUP | select.EPOLLERR):
            self.abort("")

    def _flush(self) -> None:
        if self._outbox.flush() and self._finishing:
            self._linger()
        self._waiting.update(self, self._outbox.queued)
        if not self.closed:
            self._choose_events()

    def _choose_events(self) -> None:
        reading = self._finishing or (not self._held and not self._paused and self.queued <= PAUSE_READING)
        wanted = (_READ if reading else 0) | (_WRITE if self._outbox.queued else 0)
        if wanted != self._events:
            self._events = wanted
            self._loop.rewatch(self._fd, wanted)


def _unread(fd: int) -> bool:
    """Whether the other side has not read all that was sent through the socket ``fd``."""
    from fcntl import ioctl
    from termios import TIOCOUTQ  # few connections end like this

    return any(ioctl(fd, TIOCOUTQ, bytes(4)))


def _nothing(_what: bytes | str) -> None:
    pass
