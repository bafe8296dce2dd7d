"""One connection on a daemon's loop, either side of it: serves requests, makes calls, never blocks.

A connection lives until a side closes it, a peer breaks the protocol or a limit, or it reads too slowly; then every
stream it carried is closed and every call it waited for fails with NOCONN. The daemon lives on.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ggl.bus.calls import SERVER_IDS, Calls
from ggl.bus.errors import BusError, ErrorCode
from ggl.bus.farewell import Farewell
from ggl.bus.loop import READABLE, WRITABLE, Loop
from ggl.bus.outbox import Outbox
from ggl.bus.peer import peer_of
from ggl.bus.request import DEFERRED, Methods, Request, Stream
from ggl.bus.trail import current
from ggl.bus.wire import (
    END,
    ITEM,
    MAX_FRAME,
    NOTIFICATION,
    READ_SIZE,
    REQUEST,
    RESPONSE,
    UNPACK_ERRORS,
    OutOfData,
    WireError,
    check,
    error_frame,
    give_back,
    pack,
    take_unpacker,
)
from ggl.log import get_logger
from ggl.values import InvalidValue

if TYPE_CHECKING:
    from msgpack import Unpacker

PAUSE_SERVING = 1024 * 1024
"""Bytes waiting for a client from which on its requests are left alone until it has read them."""
MAX_IN_FLIGHT = 1024
"""Requests of one connection that may wait for their answers; the next one gets BUSY."""
MAX_STREAMS = 4096
"""Streams of one connection."""
MAX_TRAIL = 64
"""Characters of a trail id; more are cut off."""

_log = get_logger("bus")


class Connection:
    """See the module's text. ``observer`` sees every request with its outcome (``ggl bus monitor``).

    With ``pauses``, requests wait while the peer does not read the answers: what it asks for cannot pile up here. Only
    the server's side may do so: if both sides waited for the other to read, neither ever would. So ``pauses`` goes off
    when the server makes calls as well; then a peer that does not read is disconnected sooner.
    ``max_frame`` is the largest frame, in bytes, that is taken from the peer; it may change between frames.
    ``on_drain`` is called when nothing waits to be written any more, and when the connection is gone.
    """

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        methods: Methods,
        name: str,
        on_close: Callable[[Connection], None] | None = None,
        accepted: bool = False,
    ) -> None:
        sock.setblocking(False)
        self.peer = peer_of(sock)
        self.streams: dict[int, Stream] = {}
        self.closed = False
        self.in_flight = 0
        self.observer: Callable[[Request, BusError | None, float], None] | None = None
        self.on_drain: Callable[[], None] | None = None
        self.pauses = accepted
        self.max_frame = MAX_FRAME
        self._loop = loop
        self._sock = sock
        self._fd = sock.fileno()
        self._recv = sock.recv
        self._methods = methods
        self._name = name
        self._on_close = on_close
        self._unpacker: Unpacker | None = None
        self._begun = 0
        self._received = 0
        self._frame_begun = 0
        self._paused = False
        self._outbox = Outbox(sock, self._blocked, self._overflowed)
        self.write = self._outbox.write
        self.calls = Calls(name, self.write, SERVER_IDS if accepted else 0)
        loop.watch(self._fd, self._on_ready)

    @property
    def queued(self) -> int:
        """Bytes that wait for the peer to read."""
        return self._outbox.queued

    # -- reading -----------------------------------------------------------------------------------------------------

    def _on_ready(self, events: int) -> None:
        if events != READABLE:
            if events & WRITABLE:
                self._flush()
            if not events & ~WRITABLE or self.closed:
                return
        try:
            data = self._recv(READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        unpacker = self._unpacker
        if unpacker is None:
            unpacker = self._unpacker = take_unpacker()
            self._begun = self._frame_begun = self._received = unpacker.tell()
        self._received += len(data)
        try:
            unpacker.feed(data)
        except UNPACK_ERRORS as error:
            self.abort(f"it broke the protocol: {error or type(error).__name__}")
            return
        if not self._paused:
            self._serve()

    def _serve(self) -> None:
        """Handle the frames that have come, until they are used up or their answers are not read."""
        unpacker = self._unpacker
        outbox = self._outbox
        if unpacker is None:
            return
        begun = self._frame_begun
        try:
            while not self.closed:
                if outbox.queued > PAUSE_SERVING and self.pauses:
                    self._paused = True
                    self._frame_begun = begun
                    self._loop.rewatch(self._fd, WRITABLE)
                    return
                frame = unpacker.unpack()
                if type(frame) is list and len(frame) == 4 and frame[0] == REQUEST:
                    self._on_request(frame[1], frame[2], frame[3])
                else:
                    self._on_frame(frame)
                # Knowing that nothing is left is cheaper than being told so by an exception.
                begun = unpacker.tell()
                if begun == self._received:
                    self._unpacker = None
                    if self._received - self._begun <= READ_SIZE:
                        give_back(unpacker)
                    return
        except OutOfData:
            # The unpacker limits what it has to keep as bytes, but not what it has made of them.
            self._frame_begun = begun
            if self._received - begun > self.max_frame:
                self.abort(f"it sent a frame of more than {self.max_frame} bytes")
        except UNPACK_ERRORS as error:
            self.abort(f"it broke the protocol: {error or type(error).__name__}")

    def _on_frame(self, frame: Any) -> None:
        if type(frame) is not list or not frame:
            raise WireError("a frame must be a list")
        kind, size = frame[0], len(frame)
        if kind == RESPONSE and size == 4:
            self.calls.on_response(frame[1], frame[2], frame[3])
        elif kind == ITEM and size == 3:
            self.calls.on_item(frame[1], frame[2])
        elif kind == END and size in (2, 3):
            number = frame[1]
            if type(number) is not int:
                raise WireError("a stream id must be an integer")
            stream = self.streams.get(number)
            if stream is not None:
                stream.forget()
            else:
                self.calls.on_end(number, frame[2] if size == 3 else None)
        elif kind == NOTIFICATION and size == 3:
            self._on_request(None, frame[1], frame[2])
        else:
            raise WireError("no such kind of frame")

    # -- serving -----------------------------------------------------------------------------------------------------

    def _on_request(self, number: Any, method: Any, arguments: Any) -> None:
        if (
            type(arguments) is not list
            or len(arguments) != 2
            or type(method) is not str
            or type(arguments[0]) is not dict
            or type(arguments[1]) is not str
            or not (type(number) is int or number is None)
        ):
            raise WireError("a request must be [0, id, method, [parameters, trail]]")
        params, trail = arguments
        request = Request(self, number, method, params, trail[:MAX_TRAIL])
        current.trail = request.trail
        if self.observer is not None:
            self._observed(request)
        else:
            self._handle(request)
        current.trail = ""

    def _handle(self, request: Request) -> BusError | None:
        """Run the method; returns the error if it failed at once."""
        try:
            check(request.params)
            entry = self._methods.get(request.method)
            if entry is None:
                raise BusError(ErrorCode.UNSUPPORTED, f"{self._name} has no method '{request.method}'")
            if self.in_flight >= MAX_IN_FLIGHT or len(self.streams) >= MAX_STREAMS:
                raise BusError(ErrorCode.BUSY, f"this connection has {self.in_flight} requests in flight already")
            if request.id in self.streams:
                raise BusError(ErrorCode.INVALID, f"request id {request.id} is still in use by a stream")
            if entry.blocking:
                request.count()
                handler = entry.handler
                self._loop.run_blocking(
                    lambda: _with_trail(request.trail, lambda: handler(request, request.params)),
                    lambda result, error: self._worker_done(request, result, error),
                )
                return None
            result = entry.handler(request, request.params)
            if result is DEFERRED:
                request.count()
            else:
                request.reply(result)
        except Exception as error:
            failure = self._as_bus_error(error, request)
            request.fail(failure)
            return failure
        return None

    def _observed(self, request: Request) -> None:
        started = time.monotonic()
        failure = self._handle(request)
        if self.observer is not None:
            self.observer(request, failure, time.monotonic() - started)

    def _worker_done(self, request: Request, result: Any, error: BaseException | None) -> None:
        current.trail = request.trail
        try:
            if error is None:
                request.reply(result)
            else:
                request.fail(self._as_bus_error(error, request))
        finally:
            current.trail = ""

    def _as_bus_error(self, error: BaseException, request: Request) -> BusError:
        if isinstance(error, BusError):
            return error
        if isinstance(error, InvalidValue):
            return BusError(ErrorCode.INVALID, f"{request.method}: {error}")
        try:
            raise error
        except BaseException:
            _log.exception("%s.%s failed", self._name, request.method)
        return BusError(ErrorCode.FAILURE, f"{self._name} failed in '{request.method}'; its log says more")

    # -- writing -----------------------------------------------------------------------------------------------------

    def _blocked(self) -> None:
        if not self.closed:
            self._loop.rewatch(self._fd, READABLE | WRITABLE)

    def _overflowed(self) -> None:
        reason = f"it does not read: {self.queued} bytes are waiting for it"
        numbers = [number for number, stream in self.streams.items() if stream.opened]
        if numbers and not self.closed:
            begun, missed = self._outbox.give_up()
            text = f"this reader was too slow: it missed {missed + 1} messages, and what comes until it connects again"
            error = BusError(ErrorCode.BUSY, text)
            last = [pack([END, number, error_frame(error)]) for number in numbers]
            Farewell(self._loop, self._sock.dup(), b"".join((begun, *last)))
        self.abort(reason)

    def _flush(self) -> None:
        if not self._outbox.flush():
            return
        self._loop.rewatch(self._fd, READABLE)
        if self._paused:
            self._paused = False
            self._serve()
        if self.on_drain is not None:
            self.on_drain()

    # -- the end -----------------------------------------------------------------------------------------------------

    def abort(self, reason: str) -> None:
        """Disconnect a peer that broke a rule, and say so in the log."""
        if not self.closed:
            _log.warning("%s: disconnected pid %d (uid %d): %s", self._name, self.peer.pid, self.peer.uid, reason)
            self.close()

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self._loop.unwatch(self._fd)
        self._sock.close()
        self._outbox.clear()
        # Callbacks run on the next turn: whoever closed the connection may be in the middle of something.
        self._loop.call_soon(self._report_closed)

    def _report_closed(self) -> None:
        for stream in list(self.streams.values()):
            stream.forget()
        self.calls.lost()
        if self._on_close is not None:
            self._on_close(self)
        if self.on_drain is not None:
            self.on_drain()
        self.on_drain = self.observer = self._on_close = None
        self._outbox.retire()


def _with_trail(trail: str, work: Callable[[], Any]) -> Any:
    current.trail = trail
    try:
        return work()
    finally:
        current.trail = ""
