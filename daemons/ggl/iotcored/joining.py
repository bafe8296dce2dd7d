"""Subscribers that come over the bus: they are told when the broker has agreed, and leave with their stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ggl.bus.errors import BusError, ErrorCode
from ggl.iotcored.message_item import for_component
from ggl.iotcored.subscriptions import MAX_HELD, Subscriber
from ggl.iotcored.topics import check_filter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ggl.bus.request import Request, Stream
    from ggl.iotcored.hub import Hub

PATIENCE = 8.0
"""Seconds that a subscription waits for the connection, and the broker: components start while it is made."""
MAX_FILTERS = 50
"""Of one subscriber."""


class Sink:
    """Where messages go: a stream, once it is open. ``ipc``: in the form that components get."""

    __slots__ = ("ipc", "stream")

    def __init__(self, ipc: bool) -> None:
        self.stream: Stream | None = None
        self.ipc = ipc


def deliver(sinks: Iterable[Any], item: dict[str, Any]) -> None:
    """Hand a message to the streams of ``sinks``; those of one connection share the frame."""
    of_components = [sink.stream for sink in sinks if sink.ipc and sink.stream is not None]
    of_others = [sink.stream for sink in sinks if not sink.ipc and sink.stream is not None]
    if of_components:
        of_components[0].send_to_all(of_components, for_component(item))
    if of_others:
        of_others[0].send_to_all(of_others, item)


def join(
    hub: Hub,
    request: Request,
    filters: list[str],
    qos: int,
    virtual: bool,
    ipc: bool,
    answer: Callable[[], None],
    refuse: Callable[[str, int, str], None],
    again: bool = False,
) -> Any:
    """Subscribe for ``request``, and return what its handler returns.

    ``answer`` is called when the stream is open, ``refuse(filter, reason code, text)`` when the broker has refused.
    That there is no connection is said from here. ``again``: they have the subscription already, and did not notice
    that this process was restarted, so it is answered at once, and holds whenever there is a connection.
    Raises ``BadTopic`` and ``BusError``.
    """
    for each in filters:
        check_filter(each, hub.main.mqtt5)
    if not 0 < len(filters) <= MAX_FILTERS:
        raise BusError(ErrorCode.INVALID, f"1 to {MAX_FILTERS} topic filters can be subscribed to at a time")
    if hub.subscriptions.full:
        raise BusError(ErrorCode.BUSY, f"this device has {MAX_HELD} subscriptions at AWS IoT Core, which is the most")
    loop = hub.loop
    sink = Sink(ipc)

    def ready() -> None:
        timer.cancel()
        if request.connection.closed:
            loop.call_soon(leave)
            return
        sink.stream = request.stream(leave)
        answer()

    def refused(topic_filter: str, code: int, text: str) -> None:
        timer.cancel()
        refuse(topic_filter, code, text)

    def leave() -> None:
        hub.subscriptions.remove(subscriber)

    def too_late() -> None:
        leave()
        why = "the broker has not answered" if hub.connected else hub.why_offline()
        request.fail(BusError(ErrorCode.NOCONN, f"no subscription to {' '.join(filters)}: {why}"))

    def begin() -> None:
        if again:
            ready()
        hub.subscriptions.add(subscriber)

    subscriber = Subscriber(filters, qos, sink, None if again else ready, refused, virtual)
    timer = loop.call_later(PATIENCE, too_late)
    # Not at once: the answer must not come before it is known to come later.
    loop.call_soon(begin)
    return request.defer()
