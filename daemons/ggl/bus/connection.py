"""One connection on a daemon's loop, either side of it: serves requests, makes calls, never blocks.

A connection lives until a side closes it, a peer breaks the protocol or a limit, or it reads too slowly; then every
stream it carried is closed and every call it waited for fails with NOCONN. The daemon lives on.
"""

from __future__ import annotations

import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from ggl.bus.errors import BusError, ErrorCode
from ggl.bus.loop import READABLE, WRITABLE, Loop
from ggl.bus.request import DEFERRED, Methods, Peer, Request, Stream
from ggl.bus.trail import current
from ggl.bus.wire import (
    END,
    ITEM,
    NOTIFICATION,
    READ_SIZE,
    REQUEST,
    RESPONSE,
    UNPACK_ERRORS,
    OutOfData,
    WireError,
    check,
    decode_error,
    error_frame,
    new_unpacker,
    pack,
)
from ggl.log import get_logger
from ggl.values import InvalidValue

MAX_QUEUED = 4 * 1024 * 1024
"""Bytes that may wait for a peer that does not read, before the next frame costs it the connection."""
PAUSE_SERVING = 1024 * 1024
"""Bytes waiting for a client from which on its requests are left alone until it has read them."""
MAX_IN_FLIGHT = 1024
"""Requests of one connection that may wait for their answers; the next one gets BUSY."""
MAX_STREAMS = 4096
"""Streams of one connection."""

_log = get_logger("bus")


def peer_of(sock: socket.socket) -> Peer:
    return Peer(*struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)))


class Subscription:
    """A stream as its receiver sees it, on a loop. ``close`` ends it from this side."""

    __slots__ = ("_connection", "_id", "closed", "on_end", "on_item")

    def __init__(
        self,
        connection: Connection,
        number: int,
        on_item: Callable[[Any], None],
        on_end: Callable[[BusError | None], None],
    ) -> None:
        self._connection = connection
        self._id = number
        self.on_item = on_item
        self.on_end = on_end
        self.closed = False

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._connection.end_subscription(self._id)


class _Pending:
    """A call that this side made and whose response has not come."""

    __slots__ = ("deadline", "on_error", "on_reply", "subscription", "trail")

    def __init__(
        self,
        on_reply: Callable[[Any], None],
        on_error: Callable[[BusError], None],
        trail: str,
        deadline: float,
        subscription: Subscription | None = None,
    ) -> None:
        self.on_reply = on_reply
        self.on_error = on_error
        self.trail = trail
        self.deadline = deadline
        self.subscription = subscription


class Connection:
    """See the module's text. ``observer`` sees every request with its outcome (``ggl bus monitor``).

    With ``pauses``, requests wait while the peer does not read the answers: what it asks for cannot pile up here. Only
    the server's side may do so: if both sides waited for the other to read, neither ever would.
    ``on_drain`` is called when nothing waits to be written any more, and when the connection is gone.
    """

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        methods: Methods,
        name: str,
        on_close: Callable[[Connection], None] | None = None,
        pauses: bool = False,
    ) -> None:
        sock.setblocking(False)
        self.peer = peer_of(sock)
        self.streams: dict[int, Stream] = {}
        self.closed = False
        self.queued = 0
        self.observer: Callable[[Request, BusError | None, float], None] | None = None
        self.on_drain: Callable[[], None] | None = None
        self._loop = loop
        self._sock = sock
        self._fd = sock.fileno()
        self._recv = sock.recv
        self._send = sock.send
        self._methods = methods
        self._name = name
        self._on_close = on_close
        self._unpacker = new_unpacker()
        self._received = 0
        self._queue: deque[memoryview | bytes] = deque()
        self._pauses = pauses
        self._paused = False
        self._in_flight = 0
        self._next_id = 0
        self._pending: dict[int, _Pending] = {}
        self._subscriptions: dict[int, Subscription] = {}
        loop.watch(self._fd, self._on_ready)

    # -- calls this side makes ---------------------------------------------------------------------------------------

    def call(
        self,
        method: str,
        params: dict[str, Any],
        on_reply: Callable[[Any], None],
        on_error: Callable[[BusError], None],
        trail: str = "",
        timeout: float = 10.0,
    ) -> None:
        """Send a request; exactly one of the callbacks follows, on the loop. Raises ``BusError`` for bad ``params``."""
        self._request(method, params, _Pending(on_reply, on_error, trail, time.monotonic() + timeout))

    def subscribe(
        self,
        method: str,
        params: dict[str, Any],
        on_result: Callable[[Any], None],
        on_item: Callable[[Any], None],
        on_end: Callable[[BusError | None], None],
        trail: str = "",
        timeout: float = 10.0,
    ) -> Subscription:
        """Open a stream: ``on_result`` once, then ``on_item`` for each item; ``on_end`` once, for a failure too."""
        subscription = Subscription(self, self._next_id + 1, on_item, on_end)
        self._request(method, params, _Pending(on_result, on_end, trail, time.monotonic() + timeout, subscription))
        return subscription

    def notify(self, method: str, params: dict[str, Any], trail: str = "") -> None:
        check(params)
        self.write(pack([NOTIFICATION, method, [params, trail]]))

    def _request(self, method: str, params: dict[str, Any], pending: _Pending) -> None:
        check(params)
        self._next_id += 1
        data = pack([REQUEST, self._next_id, method, [params, pending.trail]])
        self._pending[self._next_id] = pending
        self.write(data)

    def end_subscription(self, number: int) -> None:
        if self._subscriptions.pop(number, None) is not None:
            self.write(pack([END, number]))

    def expire(self, now: float) -> None:
        """Fail the calls whose time is up."""
        late = [number for number, pending in self._pending.items() if pending.deadline <= now]
        for number in late:
            pending = self._pending.pop(number)
            pending.on_error(BusError(ErrorCode.TIMEOUT, f"{self._name} did not answer in time", pending.trail))

    @property
    def waiting(self) -> bool:
        return bool(self._pending)

    # -- reading -----------------------------------------------------------------------------------------------------

    def _on_ready(self, events: int) -> None:
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
        self._received += len(data)
        try:
            self._unpacker.feed(data)
        except UNPACK_ERRORS as error:
            self.abort(f"it broke the protocol: {error or type(error).__name__}")
            return
        if not self._paused:
            self._serve()

    def _serve(self) -> None:
        """Handle the frames that have come, until they are used up or their answers are not read."""
        unpacker = self._unpacker
        try:
            while not self.closed:
                if self.queued > PAUSE_SERVING and self._pauses:
                    self._paused = True
                    self._loop.rewatch(self._fd, WRITABLE)
                    return
                frame = unpacker.unpack()
                if type(frame) is list and len(frame) == 4 and frame[0] == REQUEST:
                    self._on_request(frame[1], frame[2], frame[3])
                else:
                    self._on_frame(frame)
                # Knowing that nothing is left is cheaper than being told so by an exception.
                if unpacker.tell() == self._received:
                    return
        except OutOfData:
            return
        except UNPACK_ERRORS as error:
            self.abort(f"it broke the protocol: {error or type(error).__name__}")

    def _on_frame(self, frame: Any) -> None:
        if type(frame) is not list or not frame:
            raise WireError("a frame must be a list")
        kind, size = frame[0], len(frame)
        if kind == RESPONSE and size == 4:
            self._on_response(frame[1], frame[2], frame[3])
        elif kind == ITEM and size == 3:
            for number in frame[1] if type(frame[1]) is list else (frame[1],):
                subscription = self._subscriptions.get(number)
                if subscription is not None:
                    subscription.on_item(frame[2])
        elif kind == END and size in (2, 3):
            self._on_end(frame[1], frame[2] if size == 3 else None)
        elif kind == NOTIFICATION and size == 3:
            self._on_request(None, frame[1], frame[2])
        else:
            raise WireError("no such kind of frame")

    def _on_request(self, number: Any, method: Any, arguments: Any) -> None:
        if (
            type(arguments) is not list
            or len(arguments) != 2
            or type(method) is not str
            or type(arguments[0]) is not dict
            or type(arguments[1]) is not str
            or not (number is None or type(number) is int)
        ):
            raise WireError("a request must be [0, id, method, [parameters, trail]]")
        params, trail = arguments
        request = Request(self, number, method, params, trail[:64])
        current.trail = request.trail
        started = time.monotonic() if self.observer else 0.0
        failure = None
        try:
            check(params)
            entry = self._methods.get(method)
            if entry is None:
                raise BusError(ErrorCode.UNSUPPORTED, f"{self._name} has no method '{method}'")
            if self._in_flight >= MAX_IN_FLIGHT or len(self.streams) >= MAX_STREAMS:
                raise BusError(ErrorCode.BUSY, f"this connection has {self._in_flight} requests in flight already")
            if number in self.streams:
                raise BusError(ErrorCode.INVALID, f"request id {number} is still in use by a stream")
            if entry.blocking:
                self._count(request)
                self._loop.run_blocking(
                    lambda: _with_trail(request.trail, lambda: entry.handler(request, params)),
                    lambda result, error: self._worker_done(request, result, error),
                )
                return
            result = entry.handler(request, params)
            if result is DEFERRED:
                self._count(request)
            else:
                request.reply(result)
        except Exception as error:
            failure = self._as_bus_error(error, request)
            request.fail(failure)
        finally:
            current.trail = ""
            if self.observer is not None:
                self.observer(request, failure, time.monotonic() - started)

    def _count(self, request: Request) -> None:
        request.in_flight = True
        self._in_flight += 1

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

    def _on_response(self, number: Any, error: Any, result: Any) -> None:
        pending = self._pending.pop(number, None) if type(number) is int else None
        if pending is None:
            return  # it came after its time limit
        if error is not None:
            pending.on_error(decode_error(error, pending.trail))
            return
        subscription = pending.subscription
        if subscription is not None:
            if subscription.closed:
                self.write(pack([END, number]))
                return
            self._subscriptions[number] = subscription
        pending.on_reply(result)

    def _on_end(self, number: Any, error: Any) -> None:
        if type(number) is not int:
            raise WireError("a stream id must be an integer")
        stream = self.streams.get(number)
        if stream is not None:
            stream.forget()
            return
        subscription = self._subscriptions.pop(number, None)
        if subscription is not None:
            subscription.closed = True
            subscription.on_end(None if error is None else decode_error(error, ""))

    # -- writing -----------------------------------------------------------------------------------------------------

    def respond(self, number: int | None, error: list[str] | None, result: Any) -> None:
        """Send a response whose ``result`` has been checked; nothing for a notification."""
        if number is not None:
            try:
                data = pack([RESPONSE, number, error, result])
            except BusError as failure:
                if error is not None:
                    raise
                data = pack([RESPONSE, number, error_frame(failure), None])
            self.write(data)

    def finished(self, request: Request) -> None:
        if request.in_flight:
            request.in_flight = False
            self._in_flight -= 1

    def write(self, data: bytes) -> None:
        if self.closed:
            return
        if self._queue:
            if self.queued > MAX_QUEUED:
                self.abort(f"it does not read: {self.queued} bytes are waiting for it")
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
            self._loop.rewatch(self._fd, READABLE | WRITABLE)

    def _flush(self) -> None:
        queue = self._queue
        try:
            while queue:
                data = queue[0]
                sent = self._send(data)
                self.queued -= sent
                if sent < len(data):
                    queue[0] = memoryview(data)[sent:]
                    return
                queue.popleft()
        except BlockingIOError:
            return
        except OSError:
            queue.clear()
            self.queued = 0
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
        self._queue.clear()
        self.queued = 0
        # Callbacks run on the next turn: whoever closed the connection may be in the middle of something.
        self._loop.call_soon(self._report_closed)

    def _report_closed(self) -> None:
        for stream in list(self.streams.values()):
            stream.forget()
        pendings, self._pending = self._pending, {}
        for pending in pendings.values():
            pending.on_error(BusError(ErrorCode.NOCONN, f"the connection to {self._name} was lost", pending.trail))
        subscriptions, self._subscriptions = self._subscriptions, {}
        for subscription in subscriptions.values():
            if not subscription.closed:
                subscription.closed = True
                subscription.on_end(BusError(ErrorCode.NOCONN, f"the connection to {self._name} was lost"))
        if self._on_close is not None:
            self._on_close(self)
        if self.on_drain is not None:
            self.on_drain()


def _with_trail(trail: str, work: Callable[[], Any]) -> Any:
    current.trail = trail
    try:
        return work()
    finally:
        current.trail = ""
