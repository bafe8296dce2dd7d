"""A key of the configuration that is watched for as long as somebody wants to know, also over deaths of its daemon."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ggl.bus import BusError, Loop
from ggl.ipcd.relay import PAUSES

if TYPE_CHECKING:
    from ggl.bus.calls import Subscription
    from ggl.ipcd.backends import Backend, Backends


class KeyWatch:
    """``changed()``: the key has another value. ``returned()``: changes may have been missed, from now on none will be
    that a request made now does not see."""

    __slots__ = ("_attempts", "_backend", "_backends", "_changed", "_closed", "_handle", "_loop", "_path", "_returned")

    def __init__(
        self,
        loop: Loop,
        backends: Backends,
        path: list[str],
        changed: Callable[[], None],
        returned: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._backends = backends
        self._path = path
        self._changed = changed
        self._returned = returned
        self._attempts = 0
        self._closed = False
        self._handle: Subscription | None = None
        self._backend: Backend | None = None
        self._open()

    def close(self) -> None:
        self._closed = True
        if self._handle is not None:
            self._handle.close()
        self._release()

    def _open(self) -> None:
        self._backend = self._backends["gg_config"]
        self._backend.subscriptions += 1
        self._handle = self._backend.remote.subscribe(
            "subscribe",
            {"key_path": self._path, "missing_ok": True},
            self._on_result,
            self._on_item,
            self._on_end,
        )

    def _on_result(self, _result: Any) -> None:
        self._attempts = 0

    def _on_item(self, _path: Any) -> None:
        self._changed()

    def _on_end(self, _error: BusError | None) -> None:
        self._release()
        if not self._closed:
            pause = PAUSES[min(self._attempts, len(PAUSES) - 1)]
            self._attempts += 1
            self._loop.call_later(pause, self._open_again)

    def _open_again(self) -> None:
        if self._closed:
            return
        self._open()
        if self._handle is not None:
            # The request to watch is under way; whatever is asked now follows it on the same connection.
            self._returned()

    def _release(self) -> None:
        self._handle = None
        if self._backend is not None:
            self._backend.subscriptions -= 1
            self._backend = None
