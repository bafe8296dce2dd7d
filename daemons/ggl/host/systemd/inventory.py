"""Asking systemd for all of our units, when nothing is known of them yet, or not any more."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ggl.host.systemd.dbus import NO_CONNECTION
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.bus.loop import Loop
    from ggl.host.systemd.dbus import DBusError
    from ggl.host.systemd.properties import Properties
    from ggl.host.systemd.systemd1 import Systemd

ASKED_AT_ONCE = 32
"""Units; there is a limit to the calls of one connection that are not answered yet."""
AGAIN_SECONDS = 1.0
"""After which systemd is asked again when it could not say how its units are."""

_log = get_logger("hostd")


class Inventory:
    """``done`` is called when ``systemd.properties_of`` is right for each unit that is ``ours`` of all that it has."""

    def __init__(
        self,
        loop: Loop,
        systemd: Systemd,
        patterns: list[str],
        ours: Callable[[list[str]], list[str]],
        done: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._systemd = systemd
        self._patterns = patterns
        self._ours = ours
        self._done = done
        # Answers to what was asked before do not count any more.
        self._round = 0

    def cancel(self) -> None:
        self._round += 1

    def begin(self) -> None:
        """Ask for everything, whatever was asked before."""
        self._round += 1
        this = self._round
        left: list[str] = []
        asked = 0

        def got_names(names: list[str]) -> None:
            left.extend(self._ours(names))
            ask_next()

        def ask_next() -> None:
            nonlocal asked
            while left and asked < ASKED_AT_ONCE:
                asked += 1
                self._systemd.ask(left.pop(), got, failed)
            if not asked and this == self._round:
                self._round += 1
                self._done()

        def got(_properties: Properties) -> None:
            nonlocal asked
            if this == self._round:
                asked -= 1
                ask_next()

        def failed(error: DBusError) -> None:
            if this == self._round and error.name != NO_CONNECTION:
                _log.error("systemd does not say how its units are: %s", error)
                self._round += 1
                self._loop.call_later(AGAIN_SECONDS, self.begin)

        self._systemd.loaded(self._patterns, got_names, failed)
