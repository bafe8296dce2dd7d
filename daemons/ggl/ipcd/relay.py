"""One subscription of a component, fed from a bus stream for as long as the component wants it.

The component must not notice that the daemon behind its subscription was restarted: when the bus stream is lost, the
relay opens it again with the same request. It tries at once, so that the request already waits in the daemon's socket
when the daemon comes back and little can happen unseen in between; then with growing pauses; after ``GIVE_UP_SECONDS``
the component gets an error.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ggl.bus import BusError, ErrorCode, Loop
from ggl.bus.trail import current
from ggl.ipc.errors import IpcError, service_error
from ggl.ipcd.jsontext import encode
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.bus import Timer
    from ggl.bus.calls import Subscription
    from ggl.ipcd.backends import Backend
    from ggl.ipcd.stream import Stream

PAUSES = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds before each attempt; the last one repeats."""
GIVE_UP_SECONDS = 300.0
PASSING = (ErrorCode.NOCONN, ErrorCode.TIMEOUT, ErrorCode.BUSY, ErrorCode.RETRY)

_log = get_logger("ipc")


def answer_of(name: str, result: Any) -> dict[str, Any]:
    """The response in what a daemon returned for the operation ``name``. Raises ``IpcError``: the daemon's, or ours."""
    if type(result) is dict:
        response = result.get("response")
        if type(response) is dict:
            return response
        error = result.get("error")
        if type(error) is dict:
            raise IpcError.from_dict(error)
    _log.warning("%s: the answer is no map with a response or an error", name)
    raise service_error(f"{name}: the daemon that serves it gave an answer that cannot be understood")


class _Shared:
    """The event at hand and its encoding: one that goes to many subscribers comes to their relays one after another."""

    event: Any = None
    payload: bytes | None = None

    def forget(self) -> None:
        self.event = self.payload = None


_shared = _Shared()


class Relay:
    """Opens at once. ``find_backend`` is asked for each attempt: who serves an operation may change."""

    __slots__ = (
        "_attempts",
        "_backend",
        "_established",
        "_find_backend",
        "_handle",
        "_loop",
        "_lost",
        "_params",
        "_retry",
        "_stream",
        "_trail",
    )

    def __init__(
        self,
        loop: Loop,
        find_backend: Callable[[], Backend | None],
        stream: Stream,
        params: dict[str, Any],
        trail: str,
    ) -> None:
        self._loop = loop
        self._find_backend = find_backend
        self._stream = stream
        self._params = params
        self._trail = trail
        self._established = False
        self._attempts = 0
        self._lost = 0.0
        self._backend: Backend | None = None
        self._handle: Subscription | None = None
        self._retry: Timer | None = None
        stream.on_close = self._close
        self._subscribe()

    def _subscribe(self) -> None:
        if not self._stream.open:
            return
        self._retry = None
        backend = self._find_backend()
        if backend is None:
            self._on_end(BusError(ErrorCode.NOCONN, "nobody serves it now"))
            return
        self._backend = backend
        backend.subscriptions += 1
        self._handle = backend.remote.subscribe(
            self._stream.name, self._params, self._on_result, self._on_item, self._on_end, self._trail
        )

    def _on_result(self, result: Any) -> None:
        try:
            response = answer_of(self._stream.name, result)
        except IpcError as error:
            self._close()
            self._stream.fail(error)
            return
        if self._established:
            self._attempts = 0
            current.trail = self._trail
            _log.info("%s of %s goes on after an interruption", self._stream.name, self._stream.component)
            current.trail = ""
            return
        self._established = True
        self._stream.respond(response)
        if not self._stream.open:
            self._close()

    def _on_item(self, event: Any) -> None:
        if type(event) is not dict:
            _log.warning("%s: an event is no map", self._stream.name)
            self._close()
            self._stream.fail(service_error(f"{self._stream.name}: an event cannot be understood"))
            return
        if _shared.event is not event:
            try:
                _shared.payload = encode(event)
            except (ValueError, TypeError, RecursionError):
                _shared.payload = None
            _shared.event = event
            self._loop.call_soon(_shared.forget)
        self._stream.event(event, _shared.payload)

    def _on_end(self, error: BusError | None) -> None:
        self._release()
        stream = self._stream
        if not stream.open:
            return
        if error is None:
            stream.end()
        elif not self._established or error.code not in PASSING or self._waited_for_long():
            stream.fail(service_error(f"{stream.name} failed: {error.message}"))
        else:
            pause = PAUSES[min(self._attempts, len(PAUSES) - 1)]
            self._attempts += 1
            self._retry = self._loop.call_later(pause, self._subscribe)

    def _waited_for_long(self) -> bool:
        now = time.monotonic()
        if self._attempts == 0:
            self._lost = now
        return now - self._lost > GIVE_UP_SECONDS

    def _close(self) -> None:
        """Nobody wants the events any more."""
        if self._retry is not None:
            self._retry.cancel()
        if self._handle is not None:
            self._handle.close()
        self._release()

    def _release(self) -> None:
        self._handle = None
        if self._backend is not None:
            self._backend.subscriptions -= 1
            self._backend.used = True
            self._backend = None
