"""Streams of the runtime that a command follows for as long as people want, also over restarts of the daemon behind."""

from __future__ import annotations

import math
import select
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ggl.bus import BusError, ErrorCode
from gglcli import output
from gglcli.client import connect

if TYPE_CHECKING:
    from ggl.bus import Client
    from ggl.bus.client import Subscription

LOOK_SECONDS = 1.0
"""How often a quiet stream looks whether somebody still reads what is printed."""
RETRY_SECONDS = 0.2
_PASSING = (ErrorCode.NOCONN, ErrorCode.NOENTRY, ErrorCode.BUSY, ErrorCode.TIMEOUT)

Requests = Sequence[tuple[str, dict[str, Any]]]
"""Methods that stream, with their parameters."""


def follow(interface: str, requests: Requests, seconds: float | None, opened: Callable[[], None]) -> Iterator[Any]:
    """The items of all ``requests``, each once, and ``None`` now and then while there is none.

    ``opened`` is called when everything is subscribed to for the first time. It ends when ``seconds`` are over. Raises
    ``BusError`` when the runtime is not there at the beginning, or refuses; if it goes away later, it is waited for.
    So it is when the runtime gave up on us because we did not read, which is said with ``--json`` as well.
    """
    deadline = math.inf if seconds is None else time.monotonic() + seconds
    known = lost = False
    while True:
        subscriptions: list[Subscription] = []
        try:
            with connect(interface) as client:
                subscriptions = [client.subscribe(method, params) for method, params in requests]
                if not known:
                    opened()
                elif lost:
                    output.note("connected again; what happened in between is not shown")
                known, lost = True, False
                yield from _items(client, subscriptions, deadline)
                return
        except BusError as error:
            if not known or error.code not in _PASSING:
                raise
            slow = error.code == ErrorCode.BUSY and any(error is each.error for each in subscriptions)
            if slow:
                output.warn(error.code.value, error.message)
        if not (lost or slow):
            output.note("connection lost; waiting for the runtime")
            lost = True
        if time.monotonic() + RETRY_SECONDS >= deadline:
            return
        _require_reader()
        time.sleep(RETRY_SECONDS)
        yield None


def _items(client: Client, subscriptions: Sequence[Subscription], deadline: float) -> Iterator[Any]:
    """Until the deadline. Raises ``BusError`` when the connection is lost."""
    while True:
        # One frame carries what several subscriptions are to get: for each it is the same object.
        found: list[Any] = []
        for subscription in subscriptions:
            while subscription.items:
                item = subscription.items.popleft()
                if not any(item is each for each in found):
                    found.append(item)
        yield from found
        for subscription in subscriptions:
            if subscription.ended:
                raise subscription.error or BusError(ErrorCode.NOCONN, "the stream has ended")
        now = time.monotonic()
        if now >= deadline:
            return
        try:
            client.receive(min(now + LOOK_SECONDS, deadline))
        except BusError as error:
            if error.code != ErrorCode.TIMEOUT:
                raise
            _require_reader()
            yield None


def _require_reader() -> None:
    """Raises ``BrokenPipeError`` when nobody reads stdout any more: a stream that is quiet would not notice."""
    poll = select.poll()
    poll.register(1, 0)
    if any(event & select.POLLERR for _fd, event in poll.poll(0)):
        raise BrokenPipeError
