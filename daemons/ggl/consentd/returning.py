"""Waiting, once, for subscribers that are about to come back.

When this daemon died while components were subscribed, the IPC bridge makes their subscriptions again, at once but not
before a deployment can ask its next question. Nobody must be passed over for that. So the first question asks the
bridge which components have such streams open, and waits until they are here, or for ``WAIT_SECONDS``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ggl.bus.errors import BusError
from ggl.bus.remote import Remote
from ggl.log import get_logger
from ggl.values import InvalidValue, get_str, get_str_list

if TYPE_CHECKING:
    from ggl.daemon import Context

WAIT_SECONDS = 5.0
"""Less than who asks waits for an answer. Nobody has to come back for long, but a device may be busy."""

_log = get_logger("consentd")


class Returning:
    """``present()`` yields (operation, component) of every subscriber that is here."""

    def __init__(
        self, context: Context, operations: Iterable[str], present: Callable[[], set[tuple[str, str]]]
    ) -> None:
        self._loop = context.loop
        self._bridge = Remote(context.loop, "gg_ipc", context.root)
        self._operations = frozenset(operations)
        self._present = present
        self._expected: set[tuple[str, str]] | None = None
        self._waiting: list[Callable[[], None]] = []
        self._complete = False

    def then(self, go_on: Callable[[], None]) -> None:
        """Call ``go_on`` when those who are to come back are here; at once from the second time on."""
        if self._complete:
            go_on()
            return
        self._waiting.append(go_on)
        if len(self._waiting) == 1:
            self._loop.call_later(WAIT_SECONDS, self._time_is_up)
            self._bridge.call("connections", {}, self._expect, self._unknown, timeout=WAIT_SECONDS)

    def arrived(self) -> None:
        """A subscription was made."""
        if self._expected is not None and self._expected <= self._present():
            self._finish()

    def _expect(self, connections: Any) -> None:
        try:
            self._expected = {
                (operation, get_str(connection, "component"))
                for connection in connections
                for operation in self._operations.intersection(get_str_list(connection, "streams"))
            }
        except InvalidValue as error:
            _log.error("the list of IPC connections cannot be read: %s", error)
            self._finish()
            return
        self.arrived()

    def _unknown(self, error: BusError) -> None:
        _log.warning("who is subscribed cannot be asked: %s", error)
        self._finish()

    def _time_is_up(self) -> None:
        if not self._complete and self._expected is not None:
            missing = sorted(component for _operation, component in self._expected - self._present())
            _log.warning("going on without subscribers that have not come back: %s", ", ".join(missing))
        self._finish()

    def _finish(self) -> None:
        if self._complete:
            return
        self._complete = True
        self._bridge.close()
        waiting, self._waiting = self._waiting, []
        for go_on in waiting:
            go_on()
