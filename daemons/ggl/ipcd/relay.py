"""One subscription of a component, fed from a bus stream for as long as the component wants it.

The component must not notice that the daemon behind its subscription was restarted: when the bus stream is lost, the
relay opens it again with the same request. It tries at once, so that the request already waits in the daemon's socket
when the daemon comes back and little can happen unseen in between; then with growing pauses; after ``GIVE_UP_SECONDS``
the component gets an error. The daemon is told (``again``) that the subscription was there before: it may be unable to
do right now what it would refuse a new one for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ggl.bus import BusError, ErrorCode, Loop, Remote
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
_UNFIT = (ValueError, TypeError, RecursionError)
"""What ``encode`` raises for what JSON cannot say."""
PASSING = (ErrorCode.NOCONN, ErrorCode.TIMEOUT, ErrorCode.BUSY, ErrorCode.RETRY)

_log = get_logger("ipc")


def answer_of(stream: Stream, provider: Remote, result: Any) -> tuple[dict[str, Any], bytes]:
    """The response in what ``provider`` returned for ``stream``, and its encoding. Raises ``IpcError``: the provider's,
    or ours."""
    response = error = None
    if type(result) is dict:
        response, error = result.get("response"), result.get("error")
        if type(response) is dict and type(error) is not dict:
            try:
                return response, encode(response)
            except _UNFIT as unfit:
                raise _bad(stream, provider, "an answer", f"the response is no JSON: {unfit}") from None
        if type(error) is dict and type(response) is not dict and (error.get("shape") or error.get("message")):
            raise IpcError.from_dict(error)
    if type(error) is not dict:
        what = f"it is {_described(result)}, not one with a response or an error"
    else:
        what = "it has both a response and an error" if type(response) is dict else "its error says nothing"
    raise _bad(stream, provider, "an answer", what)


def _described(value: Any) -> str:
    """What ``value`` is, but not what it says: that may be a secret."""
    if type(value) is not dict:
        return f"no map but of type {type(value).__name__}"
    return f"a map of {', '.join(repr(key)[:40] for key in list(value)[:5]) or 'nothing'}"


def _bad(stream: Stream, provider: Remote, kind: str, what: str) -> IpcError:
    """For the caller who is at fault, for the log what is wrong as well."""
    current.trail = stream.trail
    _log.warning("%s of %s: %s gave %s of no use: %s", stream.name, stream.component, provider.who, kind, what)
    current.trail = ""
    return service_error(f"{stream.name}: {provider.interface}, which serves it, gave {kind} that cannot be understood")


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
        params = {**self._params, "again": True} if self._established else self._params
        self._handle = backend.remote.subscribe(
            self._stream.name, params, self._on_result, self._on_item, self._on_end, self._trail
        )

    def _on_result(self, result: Any) -> None:
        assert self._backend is not None
        try:
            response, payload = answer_of(self._stream, self._backend.remote, result)
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
        self._stream.respond(response, payload)
        if not self._stream.open:
            self._close()

    def _on_item(self, event: Any) -> None:
        if type(event) is not dict:
            self._on_bad_event(f"it is {_described(event)}")
            return
        if _shared.event is not event:
            try:
                _shared.payload = encode(event)
            except _UNFIT as unfit:
                self._on_bad_event(f"it is no JSON: {unfit}")
                return
            _shared.event = event
            self._loop.call_soon(_shared.forget)
        self._stream.event(event, _shared.payload)

    def _on_bad_event(self, what: str) -> None:
        if self._backend is not None:
            error = _bad(self._stream, self._backend.remote, "an event", what)
            self._close()
            self._stream.fail(error)

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
