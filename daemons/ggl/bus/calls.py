"""The calls that one side of a connection has made: what waits for a response, and the streams that are open."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ggl.bus.errors import BusError, ErrorCode
from ggl.bus.wire import END, REQUEST, check, decode_error, pack

DEFAULT_TIMEOUT = 10.0
SERVER_IDS = 1 << 31
"""Where ids begin on the side that accepted the connection: the streams of the two sides are never confused."""


class Subscription:
    """A stream as its receiver sees it, on a loop. ``close`` ends it from this side."""

    __slots__ = ("_calls", "_id", "closed", "on_end", "on_item")

    def __init__(
        self, calls: Calls, number: int, on_item: Callable[[Any], None], on_end: Callable[[BusError | None], None]
    ) -> None:
        self._calls = calls
        self._id = number
        self.on_item = on_item
        self.on_end = on_end
        self.closed = False

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._calls.close_stream(self._id)


class _Pending:
    """A call whose response has not come."""

    __slots__ = ("deadline", "on_error", "on_reply", "subscription", "timeout", "trail")

    def __init__(
        self,
        on_reply: Callable[[Any], None],
        on_error: Callable[[BusError], None],
        trail: str,
        timeout: float,
        subscription: Subscription | None,
    ) -> None:
        self.on_reply = on_reply
        self.on_error = on_error
        self.trail = trail
        self.timeout = timeout
        self.deadline = time.monotonic() + timeout
        self.subscription = subscription


class Calls:
    """``write`` sends a frame to the peer; ``name`` is what errors call it; ids follow on ``last_id``."""

    __slots__ = ("_next_id", "_pending", "_subscriptions", "_write", "name")

    def __init__(self, name: str, write: Callable[[bytes], None], last_id: int = 0) -> None:
        self.name = name
        self._write = write
        self._next_id = last_id
        self._pending: dict[int, _Pending] = {}
        self._subscriptions: dict[int, Subscription] = {}

    def call(
        self,
        method: str,
        params: dict[str, Any],
        on_reply: Callable[[Any], None],
        on_error: Callable[[BusError], None],
        trail: str = "",
        timeout: float = DEFAULT_TIMEOUT,
        on_item: Callable[[Any], None] | None = None,
        on_end: Callable[[BusError | None], None] | None = None,
    ) -> Subscription | None:
        """Send a request; exactly one of ``on_reply`` and ``on_error`` follows, on the loop.

        With ``on_item`` and ``on_end`` the call opens a stream, which is returned. Raises ``BusError`` for bad
        ``params``.
        """
        check(params)
        number = self._next_id + 1
        data = pack([REQUEST, number, method, [params, trail]])
        self._next_id = number
        subscription = None
        if on_item is not None and on_end is not None:
            subscription = Subscription(self, number, on_item, on_end)
        self._pending[number] = _Pending(on_reply, on_error, trail, timeout, subscription)
        self._write(data)
        return subscription

    def close_stream(self, number: int) -> None:
        if self._subscriptions.pop(number, None) is not None:
            self._write(pack([END, number]))

    @property
    def waiting(self) -> bool:
        return bool(self._pending)

    def expire(self, now: float) -> None:
        """Fail the calls whose time is up at ``now`` (monotonic seconds)."""
        late = [number for number, pending in self._pending.items() if pending.deadline <= now]
        for number in late:
            pending = self._pending.pop(number)
            text = f"{self.name} did not answer within {pending.timeout:g} seconds"
            pending.on_error(BusError(ErrorCode.TIMEOUT, text, pending.trail))

    def on_response(self, number: Any, error: Any, result: Any) -> None:
        pending = self._pending.pop(number, None) if type(number) is int else None
        if pending is None:
            return  # it came after its time limit
        if error is not None:
            pending.on_error(decode_error(error, pending.trail))
            return
        subscription = pending.subscription
        if subscription is not None:
            if subscription.closed:
                self._write(pack([END, number]))
                return
            self._subscriptions[number] = subscription
        pending.on_reply(result)

    def on_item(self, number: Any, item: Any) -> None:
        for one in number if type(number) is list else (number,):
            subscription = self._subscriptions.get(one)
            if subscription is not None:
                subscription.on_item(item)

    def on_end(self, number: int, error: Any) -> None:
        subscription = self._subscriptions.pop(number, None)
        if subscription is not None:
            subscription.closed = True
            subscription.on_end(None if error is None else decode_error(error, ""))

    def lost(self) -> None:
        """The connection is gone: everything that waits fails."""
        message = f"the connection to {self.name} was lost"
        pendings, self._pending = self._pending, {}
        for pending in pendings.values():
            pending.on_error(BusError(ErrorCode.NOCONN, message, pending.trail))
        subscriptions, self._subscriptions = self._subscriptions, {}
        for subscription in subscriptions.values():
            if not subscription.closed:
                subscription.closed = True
                subscription.on_end(BusError(ErrorCode.NOCONN, message))
