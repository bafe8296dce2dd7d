"""A daemon that is asked for each request, and that may leave, or be killed, in between and in the middle."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ggl.bus.errors import BusError, ErrorCode
from ggl.bus.remote import Remote

if TYPE_CHECKING:
    from ggl.bus.loop import Loop
    from ggl.paths import Root

TRIES = 5
"""Of one call that fails because the daemon is lost."""
PAUSE = 0.2
"""Seconds before the second try, and that much more before each further one."""


class Upstream:
    """The daemon that serves ``interface``. There is a connection to it only while somebody waits for its answer."""

    def __init__(self, loop: Loop, interface: str, root: Root) -> None:
        self._loop = loop
        self._remote = Remote(loop, interface, root)

    def call(
        self,
        method: str,
        params: dict[str, Any],
        on_reply: Callable[[Any], None],
        on_error: Callable[[BusError], None],
        wanted: Callable[[], bool],
        seconds: float,
    ) -> None:
        """One of the callbacks follows, or neither once the answer is not ``wanted`` any more. Each try may take
        ``seconds``."""
        tries = 0

        def attempt() -> None:
            nonlocal tries
            tries += 1
            if wanted():
                self._remote.call(method, params, replied, failed, timeout=seconds)

        def replied(result: Any) -> None:
            self._loop.call_soon(self._leave)
            on_reply(result)

        def failed(error: BusError) -> None:
            self._loop.call_soon(self._leave)
            if error.code is ErrorCode.NOCONN and tries < TRIES:
                # Its socket is still there, and the next one of it begins with the next connection.
                self._loop.call_later(PAUSE * tries, attempt)
            else:
                on_error(error)

        attempt()

    def close(self) -> None:
        self._remote.close()

    def _leave(self) -> None:
        """A connection that is not needed would keep the daemon from leaving."""
        if not self._remote.waiting:
            self._remote.close()
