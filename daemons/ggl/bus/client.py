"""The blocking client: for the command line, worker threads and short-lived processes.

``connect`` returns a ``Client`` for one interface. Connecting starts the daemon behind it when it is not running. A
``Client`` belongs to one thread.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import time
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ggl.bus.errors import BusError, ErrorCode
from ggl.bus.peer import peer_of
from ggl.bus.trail import current, new_trail
from ggl.bus.wire import (
    END,
    ITEM,
    NOTIFICATION,
    READ_SIZE,
    REQUEST,
    RESPONSE,
    UNPACK_ERRORS,
    OutOfData,
    check,
    decode_error,
    error_frame,
    new_unpacker,
    pack,
)
from ggl.paths import Root, find_root

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_TIMEOUT = 10.0


def connect(interface: str, root: Root | None = None, timeout: float = DEFAULT_TIMEOUT) -> Client:
    """Connect to ``interface`` of the runtime at ``root``. ``timeout`` (seconds) holds for each call as well.

    Raises ``BusError``: NOCONN when no runtime runs there, BUSY when it has too many connections.
    """
    path = (root or find_root()).bus_socket(interface)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(timeout)
    try:
        sock.connect(str(path))
    except FileNotFoundError:
        sock.close()
        if _has_sockets(path.parent):
            raise BusError(ErrorCode.NOENTRY, f"there is no interface '{interface}' on the bus") from None
        raise BusError(ErrorCode.NOCONN, f"the runtime is not running ({path.parent} has no sockets)") from None
    except TimeoutError:
        sock.close()
        raise BusError(ErrorCode.BUSY, f"{interface} does not accept connections") from None
    except OSError as error:
        sock.close()
        if error.errno == errno.ECONNREFUSED:
            raise BusError(ErrorCode.NOCONN, f"the runtime is not running ({path} is stale)") from None
        if error.errno in (errno.EACCES, errno.EPERM):
            raise BusError(ErrorCode.NOCONN, f"no permission to use {path}: it is another user's runtime") from None
        raise BusError(ErrorCode.NOCONN, f"cannot connect to {path}: {os.strerror(error.errno or 0)}") from None
    own, server = os.geteuid(), peer_of(sock).uid
    if own not in (0, server) and server != 0:
        # Somebody else made the directory before us; what such a server says cannot be trusted.
        sock.close()
        raise BusError(ErrorCode.NOCONN, f"{path} belongs to another user (uid {server}): choose another --root")
    return Client(interface, sock, timeout)


def _has_sockets(directory: Path) -> bool:
    try:
        return any(directory.iterdir())
    except PermissionError:
        return True  # another user's: it may be passed, not listed
    except OSError:
        return False


class Client:
    """A connection to one interface; a context manager. ``trail`` is the id that its requests carry."""

    def __init__(self, interface: str, sock: socket.socket, timeout: float) -> None:
        sock.settimeout(None)
        self.interface = interface
        self.trail = current.trail or new_trail()
        self._sock = sock
        self._sendall = sock.sendall
        self._recv = sock.recv
        self._timeout = timeout
        self._kernel_timeout = -1.0
        self._unpacker = new_unpacker()
        self._received = 0
        self._next_id = 0
        self._subscriptions: dict[int, Subscription] = {}

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._sock.close()

    def call(self, method: str, params: dict[str, Any] | None = None, timeout: float | None = None) -> Any:
        """Ask, and wait for the result. Raises ``BusError``: the daemon's, TIMEOUT, or NOCONN if it went away."""
        return self._response(self._request(method, params), self._timeout if timeout is None else timeout)

    def notify(self, method: str, params: dict[str, Any] | None = None) -> None:
        """Tell, without waiting for anything."""
        params = params or {}
        check(params)
        self._send(pack([NOTIFICATION, method, [params, self.trail]]))

    def subscribe(
        self, method: str, params: dict[str, Any] | None = None, timeout: float | None = None
    ) -> Subscription:
        """Make a call that yields items; returns once the daemon has accepted it."""
        number = self._request(method, params)
        subscription = self._subscriptions[number] = Subscription(self, number)
        try:
            subscription.result = self._response(number, self._timeout if timeout is None else timeout)
        except BusError:
            del self._subscriptions[number]
            raise
        return subscription

    def _request(self, method: str, params: dict[str, Any] | None) -> int:
        if params:
            check(params)
        self._next_id = number = self._next_id + 1
        self._send(pack([REQUEST, number, method, [params or {}, self.trail]]))
        return number

    def _send(self, data: bytes) -> None:
        try:
            self._sendall(data)
        except OSError:
            raise self._lost() from None

    def _response(self, number: int, timeout: float) -> Any:
        if timeout != self._kernel_timeout:
            self._limit_wait(timeout)
        # The kernel limits each wait; only a peer that sends other things meanwhile makes the time worth a look.
        deadline = None
        while True:
            frame = self._next_frame(deadline)
            if frame[1] == number and frame[0] == RESPONSE:
                if frame[2] is not None:
                    raise decode_error(frame[2], self.trail)
                return frame[3]
            self._sort(frame)
            deadline = deadline or time.monotonic() + timeout

    def receive(self, deadline: float | None) -> None:
        """Wait for one frame and put it where it belongs (used by ``Subscription``)."""
        seconds = 0.0 if deadline is None else max(0.001, deadline - time.monotonic())
        if seconds != self._kernel_timeout:
            self._limit_wait(seconds)
        self._sort(self._next_frame(deadline))

    def _limit_wait(self, seconds: float) -> None:
        # The kernel keeps the time (0 is for ever): a Python-level timeout costs one more system call for each read.
        self._kernel_timeout = seconds
        whole = int(seconds)
        value = struct.pack("@ll", whole, int((seconds - whole) * 1e6))
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)

    def _next_frame(self, deadline: float | None) -> list[Any]:
        unpacker = self._unpacker
        while True:
            try:
                # Asking for a frame when there can be none costs an exception: ask only when bytes are left.
                if unpacker.tell() != self._received:
                    frame = unpacker.unpack()
                    if type(frame) is list and len(frame) >= 2:
                        return frame
                    raise BusError(ErrorCode.PARSE, f"{self.interface} sent what is no frame", self.trail)
            except OutOfData:
                pass
            except UNPACK_ERRORS as error:
                raise BusError(ErrorCode.PARSE, f"{self.interface} broke the protocol: {error}", self.trail) from None
            try:
                data = self._recv(READ_SIZE)
                if not data:
                    raise self._lost()
                unpacker.feed(data)
                self._received += len(data)
            except BlockingIOError:
                raise BusError(ErrorCode.TIMEOUT, f"{self.interface} did not answer in time", self.trail) from None
            except OSError:
                raise self._lost() from None
            except UNPACK_ERRORS as error:
                raise BusError(ErrorCode.PARSE, f"{self.interface} broke the protocol: {error}", self.trail) from None
            if deadline is not None and time.monotonic() > deadline:
                self._kernel_timeout = -1.0
                raise BusError(ErrorCode.TIMEOUT, f"{self.interface} did not answer in time", self.trail)

    def _sort(self, frame: list[Any]) -> None:
        kind, number = frame[0], frame[1]
        if kind == REQUEST:
            error = BusError(ErrorCode.UNSUPPORTED, "this client serves no methods")
            self._send(pack([RESPONSE, number, error_frame(error), None]))
        elif kind == ITEM:
            for each in number if type(number) is list else (number,):
                if each in self._subscriptions:
                    self._subscriptions[each].items.append(frame[2])
        elif kind == END and number in self._subscriptions:
            subscription = self._subscriptions.pop(number)
            subscription.ended = True
            subscription.error = decode_error(frame[2], self.trail) if len(frame) > 2 else None

    def end(self, number: int) -> None:
        if self._subscriptions.pop(number, None) is not None:
            try:
                self._send(pack([END, number]))
            except BusError:
                pass

    def _lost(self) -> BusError:
        return BusError(ErrorCode.NOCONN, f"the connection to {self.interface} was lost", self.trail)


class Subscription:
    """The items of a stream. Iterating waits for the next one; it stops when the daemon ends the stream.

    ``result`` is what the call itself returned. An error that ends the stream is raised as ``BusError``.
    """

    def __init__(self, client: Client, number: int) -> None:
        self.result: Any = None
        self.items: deque[Any] = deque()
        self.ended = False
        self.error: BusError | None = None
        self._client = client
        self._id = number

    def __iter__(self) -> Subscription:
        return self

    def __next__(self) -> Any:
        return self.next()

    def next(self, timeout: float | None = None) -> Any:
        """The next item. Raises ``StopIteration`` at the end, ``BusError`` TIMEOUT after ``timeout`` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self.items:
            if self.ended:
                if self.error is not None:
                    raise self.error
                raise StopIteration
            self._client.receive(deadline)
        return self.items.popleft()

    def close(self) -> None:
        self.ended = True
        self._client.end(self._id)
