"""The server's view of a call: the request, the stream it may open, and the method that serves it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ggl.bus.errors import BusError, ErrorCode
from ggl.bus.peer import Peer
from ggl.bus.wire import END, ITEM, RESPONSE, check, error_frame, pack

if TYPE_CHECKING:
    from ggl.bus.connection import Connection

DEFERRED: Any = object()
"""What a handler returns when it will answer later; see ``Request.defer``."""


@dataclass(frozen=True)
class Method:
    """One method of an interface.

    ``handler(request, parameters)`` returns the result, or raises ``BusError`` or ``InvalidValue``. It runs inline on
    the loop and must be quick, unless ``blocking``: then it runs on a worker thread and may only return a result.
    """

    handler: Callable[[Request, dict[str, Any]], Any]
    blocking: bool = False


Methods = Mapping[str, Method]


class Request:
    """A call that waits for its answer. A notification looks the same; answering it does nothing."""

    __slots__ = ("_answered", "_counted", "_stream", "connection", "id", "method", "params", "trail")

    def __init__(
        self, connection: Connection, number: int | None, method: str, params: dict[str, Any], trail: str
    ) -> None:
        self.connection = connection
        self.id = number
        self.method = method
        self.params = params
        self.trail = trail
        self._answered = False
        self._counted = False
        self._stream: Stream | None = None

    @property
    def peer(self) -> Peer:
        return self.connection.peer

    def stream(self, on_close: Callable[[], None] | None = None) -> Stream:
        """Turn this call into a subscription. Its response (the handler's result) goes out first, then the items.

        ``on_close`` is called once, when the client ends the stream or its connection is gone.
        """
        if self.id is None:
            raise BusError(ErrorCode.INVALID, f"{self.method}: a notification cannot open a stream")
        self._stream = Stream(self.connection, self.id, on_close)
        return self._stream

    def defer(self) -> Any:
        """Return this from the handler to answer later with ``reply`` or ``fail``, on the loop."""
        return DEFERRED

    def finish(self, answer: Callable[[], Any]) -> None:
        """Answer a deferred request with what ``answer`` returns, or the ``BusError`` it raises, if anybody still
        waits for it."""
        if self.connection.closed:
            return
        try:
            self.reply(answer())
        except BusError as error:
            self.fail(error)

    def count(self) -> None:
        """The answer will take a while: the connection counts it as in flight."""
        self._counted = True
        self.connection.in_flight += 1

    def reply(self, result: Any) -> None:
        if self._answered:
            return
        try:
            check(result)
            data = pack([RESPONSE, self.id, None, result])
        except BusError as error:
            self.fail(error)
            return
        self._answer(data)
        if self._stream is not None:
            self._stream.open()

    def fail(self, error: BusError) -> None:
        if self._answered:
            return
        self._answer(pack([RESPONSE, self.id, error_frame(error), None]))
        if self._stream is not None:
            self._stream.forget()

    def _answer(self, data: bytes) -> None:
        self._answered = True
        if self.id is not None:
            self.connection.write(data)
        if self._counted:
            self.connection.in_flight -= 1


class Stream:
    """The items of a subscription, on the server's side."""

    __slots__ = ("_connection", "_early", "_id", "_on_close", "closed")

    def __init__(self, connection: Connection, number: int, on_close: Callable[[], None] | None) -> None:
        self._connection = connection
        self._id = number
        self._on_close = on_close
        self._early: list[bytes] | None = []
        self.closed = False
        connection.streams[number] = self

    @property
    def opened(self) -> bool:
        """Whether the response has gone out."""
        return self._early is None

    def send(self, item: Any) -> None:
        """Queue ``item``. Nothing happens on a closed stream; a peer that reads too slowly loses its connection."""
        if self.closed:
            return
        check(item)
        self.send_packed(pack([ITEM, self._id, item]))

    @staticmethod
    def send_to_all(streams: Iterable[Stream], item: Any) -> None:
        """Queue ``item`` on all of ``streams``; those of one connection share a single frame."""
        check(item)
        shared: dict[Connection, list[int]] = {}
        for stream in streams:
            if stream._early is not None:
                stream.send(item)
            elif not stream.closed:
                shared.setdefault(stream._connection, []).append(stream._id)
        for connection, numbers in shared.items():
            connection.write(pack([ITEM, numbers if len(numbers) > 1 else numbers[0], item]))

    def send_packed(self, data: bytes) -> None:
        if self._early is not None:
            self._early.append(data)
        else:
            self._connection.write(data)

    def end(self, error: BusError | None = None) -> None:
        if self.closed:
            return
        self.send_packed(pack([END, self._id] if error is None else [END, self._id, error_frame(error)]))
        self._connection.streams.pop(self._id, None)
        self.closed = True

    def open(self) -> None:
        """The response has gone out: let the items that were sent before it follow."""
        early, self._early = self._early, None
        for data in early or ():
            self._connection.write(data)

    def forget(self) -> None:
        """The peer has ended the stream, or is gone."""
        self._connection.streams.pop(self._id, None)
        if self.closed:
            return
        self.closed = True
        self._early = None
        if self._on_close is not None:
            self._on_close()
