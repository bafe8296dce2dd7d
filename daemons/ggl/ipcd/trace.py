"""Looking on: what components ask for and what they get, as it happens, for whoever watches over the bus.

Nothing is kept, and nothing is done while nobody watches.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ggl.ipc.errors import IpcError
    from ggl.ipcd.stream import Stream

CALL, SUBSCRIPTION, EVENT, END = "call", "subscription", "event", "end"
"""Kinds of items: a call that was answered, a subscription that was (or was refused), an event of one, its end."""

Sink = Callable[[dict[str, Any]], None]


class Watcher:
    """Wants what ``component`` and ``operation`` (its full name) do; empty: whatever it is."""

    __slots__ = ("component", "operation", "sink")

    def __init__(self, component: str, operation: str, sink: Sink) -> None:
        self.component = component
        self.operation = operation
        self.sink = sink


class Tracer:
    """``watchers`` is to be looked at before ``report`` is called: it is empty nearly always."""

    __slots__ = ("watchers",)

    def __init__(self) -> None:
        self.watchers: list[Watcher] = []

    def report(
        self, kind: str, stream: Stream, bytes_in: int = 0, bytes_out: int = 0, error: IpcError | None = None
    ) -> None:
        """``bytes_in`` and ``bytes_out`` are those of the payloads."""
        item = None
        for watcher in self.watchers:
            if watcher.component not in ("", stream.component) or watcher.operation not in ("", stream.name):
                continue
            if item is None:
                item = _item(kind, stream, bytes_in, bytes_out, error)
            watcher.sink(item)


def _item(kind: str, stream: Stream, bytes_in: int, bytes_out: int, error: IpcError | None) -> dict[str, Any]:
    answers = kind in (CALL, SUBSCRIPTION)
    return {
        "time": int(time.time() * 1000),
        "kind": kind,
        "component": stream.component,
        "pid": stream.connection.pid,
        "stream": stream.id,
        "operation": stream.name,
        "resources": stream.resources,
        "interface": stream.interface,
        "seconds": time.monotonic() - stream.began if answers and stream.began else 0.0,
        "error": "" if error is None else error.shape,
        "message": "" if error is None else error.message,
        "bytes_in": bytes_in,
        "bytes_out": bytes_out,
        "trail": stream.trail,
    }
