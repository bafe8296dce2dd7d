"""A connection of its own, beside the one that everybody shares, and only for a moment.

With it an endpoint is tried before the device is moved there, and what must still be said to the former one is said.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ggl.iotcored.link import Link
from ggl.iotcored.owner import UNSUPPORTED_VERSION, Loss
from ggl.iotcored.sender import ACCEPTED

if TYPE_CHECKING:
    from ggl.bus.loop import Loop, Timer
    from ggl.iotcored.library import MQTTMessage
    from ggl.iotcored.message import Message
    from ggl.iotcored.target import Target

SUFFIX = "#endpoint-switch"
"""What its client id ends in."""
TRY_SECONDS = 10.0
"""That one try may take."""
PAUSE_SECONDS = 1.0
"""Between two tries."""
CONNECTION_FAILED = "MQTT_CONNECTION_FAILED"
TLS_FAILED = "TLS_HANDSHAKE_FAILURE"
NO_POLICY = "MISSING_MQTT_CONNECT_POLICY"
PUBLISH_FAILED = "MQTT_PUBLISH_FAILED"

Done = Callable[[str], None]
"""Told how it went: ``""``, or a text whose first word is a code: ``CODE: why``."""


class Standalone:
    """Connects until it succeeds or the time is over (``seconds``), publishes ``message`` if there is one, and leaves.

    What will not change by trying again (TLS, a refusal) ends it at once.
    """

    def __init__(self, loop: Loop, target: Target, seconds: float, done: Done, message: Message | None = None) -> None:
        self._loop = loop
        self._target = target
        self._done = done
        self._message = message
        self._mqtt5 = target.mqtt5
        self._deadline = time.monotonic() + seconds
        self._succeeded = False
        self._finished = False
        self._link: Link | None = None
        self._timer: Timer | None = None
        self._connect()

    def _connect(self) -> None:
        client_id = f"{self._target.thing_name}{SUFFIX}"
        self._link = link = Link(self._loop, self, self._target, client_id, self._mqtt5, clean=True)
        left = max(0.0, min(TRY_SECONDS, self._deadline - time.monotonic()))
        self._timer = self._loop.call_later(left, lambda: link.close(f"no answer within {left:.0f} s"))

    def link_up(self, link: Link, _session_present: bool) -> None:
        if self._message is None:
            self._succeeded = True
            self._leave(link, "it works")
        else:
            link.publish(self._message, 0)
            if not self._message.qos:
                self._succeeded = True
                self._leave(link, "it is published")

    def link_published(self, link: Link, _token: int, code: int, text: str) -> None:
        if code in ACCEPTED:
            self._succeeded = True
            self._leave(link, "it is published")
        else:
            self._finish(f"{PUBLISH_FAILED}: the broker has not taken the message: {text}")
            self._leave(link, "it is refused")

    def _leave(self, link: Link, why: str) -> None:
        # Not from within the library: its callbacks hold a lock.
        self._loop.call_soon(lambda: link.close(why, forget_session=True))

    def link_down(self, _link: Link, loss: Loss) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._succeeded:
            self._finish("")
        elif loss.code == UNSUPPORTED_VERSION and self._mqtt5:
            self._mqtt5 = False
            self._connect()
        elif loss.tls or loss.refused or time.monotonic() + PAUSE_SECONDS >= self._deadline:
            code = TLS_FAILED if loss.tls else NO_POLICY if loss.by_policy else CONNECTION_FAILED
            self._finish(f"{code}: {loss.text}")
        elif not self._finished:
            self._loop.call_later(PAUSE_SECONDS, self._connect)

    def link_message(self, link: Link, message: MQTTMessage) -> None:
        pass

    def link_writable(self, link: Link) -> None:
        pass

    def _finish(self, text: str) -> None:
        if not self._finished:
            self._finished = True
            self._done(text)
