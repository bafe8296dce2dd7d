"""One question to AWS IoT, asked again until it is answered; while one is open, no second one is."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.bus.loop import Loop, Timer

ANSWER_SECONDS = 30.0
RETRY_SECONDS = 10.0
LONGEST_RETRY = 1800.0
TRIES = 10
"""After which AWS IoT does not seem to know the question. The next connection, or notice, is a new reason to ask."""

_log = get_logger("jobsd")


class Asking:
    """``send(token)`` asks; an answer brings the token along. ``name`` is what is asked for, in the logs.
    ``on_given_up`` is called when nothing is open any more for want of an answer."""

    def __init__(
        self,
        loop: Loop,
        name: str,
        send: Callable[[str], None],
        is_connected: Callable[[], bool],
        on_given_up: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._name = name
        self._send = send
        self._is_connected = is_connected
        self._on_given_up = on_given_up
        self._token = ""
        self._wanted = False
        self._again = False
        self._tries = 0
        self._timer: Timer | None = None

    @property
    def is_open(self) -> bool:
        return self._wanted or self._timer is not None

    def ask(self) -> None:
        """There is a reason to ask. Without a connection the next one is when it is done."""
        if not self._is_connected():
            self._wanted = True
        elif self._token:
            self._again = True  # what is on its way may be from before
        else:
            self._tries = 0
            self._ask()

    def connected(self) -> None:
        """There is a new connection: what was asked before may be lost."""
        self._close()
        self.ask()

    def take(self, token: str) -> bool:
        """Whether ``token`` is that of the open question, which is answered then."""
        if not token or token != self._token:
            return False
        again = self._again
        self._close()
        if again:
            self._loop.call_soon(self.ask)
        return True

    def later(self, *, answered: bool = False) -> None:
        """It could not be answered: ask again after a while. ``answered``: it was, but that could not be used here."""
        self._close()
        if answered:
            self._tries = min(self._tries, TRIES - 1)  # AWS IoT knows the question: no reason to give up
        if self._tries >= TRIES:
            _log.warning("AWS IoT does not answer when asked for %s; asking again with the next connection", self._name)
            self._on_given_up()
            return
        delay = min(LONGEST_RETRY, RETRY_SECONDS * 2 ** max(0, self._tries - 1))
        self._timer = self._loop.call_later(delay, self._retry)

    def _retry(self) -> None:
        self._timer = None
        if self._is_connected():
            self._ask()
        else:
            self._wanted = True

    def _ask(self) -> None:
        self._close()
        self._tries += 1
        self._token = os.urandom(8).hex()
        self._timer = self._loop.call_later(ANSWER_SECONDS, self.later)
        self._send(self._token)

    def _close(self) -> None:
        self._token, self._wanted, self._again = "", False, False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
