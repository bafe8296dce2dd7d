"""The healths of all components as they change, for a deployment that waits for them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ggl.bus.client import Client, Subscription, connect
from ggl.bus.errors import BusError, ErrorCode

if TYPE_CHECKING:
    from ggl.paths import Root


class HealthWatch:
    """A daemon that goes away meanwhile is asked anew. ``closing`` tells that this process is about to end."""

    def __init__(self, root: Root, closing: Callable[[], bool]) -> None:
        self._root = root
        self._closing = closing
        self._client: Client | None = None
        self._subscription: Subscription | None = None

    def __enter__(self) -> HealthWatch:
        return self

    def __exit__(self, *_: object) -> None:
        self._drop()

    def next(self, timeout: float) -> list[dict[str, Any]]:
        """The healths that are news: all of them at first and after an interruption, later one at a time. Empty when
        ``timeout`` seconds pass without any. Raises ``BusError`` NOCONN when this process is about to end."""
        deadline = time.monotonic() + timeout
        delay = 0.05
        while True:
            try:
                if self._subscription is None:
                    self._client = connect("gg_health", self._root)
                    self._subscription = self._client.subscribe("subscribe")
                    return list(self._subscription.result)
                return [self._subscription.next(max(0.001, deadline - time.monotonic()))]
            except (BusError, StopIteration) as error:
                code = error.code if isinstance(error, BusError) else ErrorCode.NOCONN
                if self._closing():
                    raise BusError(ErrorCode.NOCONN, "this process is about to end") from None
                if self._subscription is not None and code == ErrorCode.TIMEOUT:
                    return []
                self._drop()
                if time.monotonic() + delay > deadline:
                    return []
                time.sleep(delay)
                delay = min(delay * 2, 2.0)

    def is_up_to_date(self) -> bool:
        """Whether everything that the host knows by now has been told, as far as anybody was asked; what has not been,
        ``next`` tells."""
        if self._client is None or self._subscription is None:
            return True
        try:
            # Answered when the host was asked, behind what there is to tell until then.
            self._client.call("list")
        except BusError:
            self._drop()
            return False
        return not (self._subscription.items or self._subscription.ended)

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = self._subscription = None
