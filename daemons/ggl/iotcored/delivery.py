"""Messages for the core daemons that the catalogue names: each is started for what comes for it.

A daemon gets its messages one after another, in order. While it cannot take one, it is tried again for some time; what
comes meanwhile waits, up to a limit. When messages were lost on that way, a daemon that is told of connections is told
of one after a while, as if it were new: then it asks AWS for what it may have missed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ggl.bus.errors import BusError, ErrorCode
from ggl.bus.remote import Remote
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.bus.loop import Loop
    from ggl.catalog import Daemon
    from ggl.paths import Root

MAX_WAITING = 100
TRIES = 20
PAUSE_SECONDS = 0.5
TIMEOUT = 30.0
MISSED_SECONDS = 60.0
"""After messages were lost, until the daemon is told to ask for them."""
_PASSING = (ErrorCode.RETRY, ErrorCode.NOCONN, ErrorCode.BUSY)

_log = get_logger("mqtt")


class Delivery:
    """What is called on the first interface of ``daemon``."""

    def __init__(self, loop: Loop, root: Root, daemon: Daemon, is_connected: Callable[[], bool]) -> None:
        self.daemon = daemon
        self._loop = loop
        self._remote = Remote(loop, daemon.interfaces[0], root)
        self._waiting: deque[tuple[str, dict[str, Any]]] = deque()
        self._tries = 0
        self._busy = False
        self._is_connected = is_connected
        self._missed = False
        """Whether messages were lost since it was told of a connection."""

    def message(self, topic: str, payload: bytes) -> None:
        self._add("mqtt_message", {"topic": topic, "payload": payload})

    def connected(self, session_present: bool, first: bool) -> None:
        resumed, self._missed = session_present and not self._missed, False
        self._add("mqtt_connected", {"session_present": resumed, "first": first})

    def _add(self, method: str, params: dict[str, Any]) -> None:
        if len(self._waiting) >= MAX_WAITING:
            if not self._missed:
                _log.error("messages for %s are lost: it has not taken the %d before", self.daemon.name, MAX_WAITING)
            self._miss()
            return
        self._waiting.append((method, params))
        self._go_on()

    def _go_on(self) -> None:
        if self._busy:
            return
        if not self._waiting:
            # A connection would keep the daemon from leaving.
            self._loop.call_soon(self._leave)
            return
        self._busy = True
        method, params = self._waiting[0]
        self._remote.call(method, params, self._taken, self._failed, timeout=TIMEOUT)

    def _leave(self) -> None:
        if not self._busy and not self._waiting:
            self._remote.close()

    def _taken(self, _result: Any) -> None:
        self._finish()

    def _failed(self, error: BusError) -> None:
        self._tries += 1
        if error.code in _PASSING and self._tries < TRIES:
            self._loop.call_later(PAUSE_SECONDS, self._again)
            return
        method, params = self._waiting[0]
        what = f"the message on '{params['topic']}'" if "topic" in params else method
        if error.code is ErrorCode.UNSUPPORTED:
            _log.debug("%s does not take %s", self.daemon.name, what)
        else:
            _log.error("%s has not taken %s: %s", self.daemon.name, what, error)
            if error.code in _PASSING:
                self._miss()
        self._finish()

    def _miss(self) -> None:
        if not self._missed and self.daemon.told_of_connection:
            self._missed = True
            self._loop.call_later(MISSED_SECONDS, self._catch_up)

    def _catch_up(self) -> None:
        """Unless there was a new connection meanwhile, or there is none: that will do as well."""
        if self._missed and self._is_connected():
            self.connected(session_present=False, first=False)

    def _again(self) -> None:
        self._busy = False
        self._go_on()

    def _finish(self) -> None:
        self._tries = 0
        self._waiting.popleft()
        self._busy = False
        self._go_on()
