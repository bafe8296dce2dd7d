"""A connection that is kept: one client id, and a link that is made anew whenever it is lost."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from ggl.cloud.backoff import FullJitter
from ggl.iotcored.link import Link
from ggl.iotcored.owner import TAKEN_OVER, UNSUPPORTED_VERSION, Loss
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.bus.loop import Loop, Timer
    from ggl.iotcored.library import MQTTMessage
    from ggl.iotcored.target import Target

MAX_REASONS = 5
"""Different reasons that are said while there is no connection; after that they go to those who debug."""

_log = get_logger("mqtt")


class Center(Protocol):
    """Who uses the lines."""

    def line_up(self, line: Line, session_present: bool) -> None: ...
    def line_down(self, line: Line, loss: Loss, was_up: bool) -> None: ...
    def message(self, line: Line, message: MQTTMessage) -> None: ...
    def published(self, line: Line, token: int, code: int, text: str) -> None: ...
    def writable(self) -> None: ...


class Line:
    """Connects from the start until ``stop``. ``index`` 0 is the device's own name, the others have a number."""

    def __init__(self, loop: Loop, center: Center, target: Target, index: int) -> None:
        self.index = index
        self.client_id = target.thing_name if index == 0 else f"{target.thing_name}#{index + 1}"
        self.link: Link | None = None
        self.mqtt5 = target.mqtt5
        self.last_loss: Loss | None = None
        self.tries = 0
        """Since there was a connection."""
        self.next_try = 0.0
        """Of the monotonic clock; 0: now, or not at all."""
        self._loop = loop
        self._center = center
        self._target = target
        self._known = False
        self._up_at = 0.0
        self._stopped = False
        self._back_off = FullJitter(target.first_delay, target.last_delay)
        self._timer: Timer | None = None
        self._said: set[str] = set()
        self.takeovers = 0
        """How often another client has connected with this client id."""
        self._connect()

    @property
    def up(self) -> bool:
        return self.link is not None and self.link.up

    def use(self, target: Target, known: bool) -> None:
        """Connect to ``target`` from now on; ``known``: the broker there is the same, and may remember us."""
        self._target = target
        self.mqtt5 = target.mqtt5
        self._known = self._known and known
        self._back_off = FullJitter(target.first_delay, target.last_delay)
        self._said.clear()
        if self.link is not None:
            self.link.close("the configuration has changed")
        else:
            self._connect()

    def stop(self, forget_session: bool = False) -> None:
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        if self.link is not None:
            self.link.close("it is not needed any more", forget_session)

    def _connect(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self.next_try = 0.0
        if not self._stopped:
            self.link = Link(self._loop, self, self._target, self.client_id, self.mqtt5, clean=not self._known)

    # -- what the link tells -----------------------------------------------------------------------------------------

    def link_up(self, _link: Link, session_present: bool) -> None:
        self._known = True
        self._up_at = time.monotonic()
        self.tries = 0
        self._said.clear()
        version = "MQTT 5" if self.mqtt5 else "MQTT 3.1.1"
        _log.info("connected to %s as %s (%s)", self._target.address, self.client_id, version)
        self._center.line_up(self, session_present)

    def link_down(self, link: Link, loss: Loss) -> None:
        if link is not self.link:
            return
        self.link = None
        was_up, self._up_at = self._up_at, 0.0
        if self._stopped:
            self._center.line_down(self, loss, was_up > 0)
            return
        self.last_loss = loss
        self.tries += 1
        lasted = time.monotonic() - was_up if was_up else 0.0
        if was_up and lasted >= self._target.stable_after:
            self._back_off.reset()
        if loss.refused and loss.code == UNSUPPORTED_VERSION and self.mqtt5:
            _log.info("%s does not speak MQTT 5: using MQTT 3.1.1", self._target.address)
            self.mqtt5 = False
            self._connect()
            return
        delay = self._back_off.next()
        self._say(loss, delay)
        self.next_try = time.monotonic() + delay
        self._timer = self._loop.call_later(delay, self._connect)
        self._center.line_down(self, loss, was_up > 0)

    def link_message(self, _link: Link, message: MQTTMessage) -> None:
        self._center.message(self, message)

    def link_published(self, _link: Link, token: int, code: int, text: str) -> None:
        self._center.published(self, token, code, text)

    def link_writable(self, _link: Link) -> None:
        self._center.writable()

    def _say(self, loss: Loss, delay: float) -> None:
        """A device that is out of reach for long says so once, and then only what is new about it."""
        if loss.code == TAKEN_OVER:
            self.takeovers += 1
            if self.takeovers & (self.takeovers - 1) == 0:
                _log.error(
                    "another client has connected to %s as '%s' and taken this connection over (%d times so far): "
                    "system.thingName and certificate must not be used by two devices, or two runtimes",
                    self._target.address,
                    self.client_id,
                    self.takeovers,
                )
        elif loss.text not in self._said and len(self._said) < MAX_REASONS:
            self._said.add(loss.text)
            _log.warning("%s: %s; trying again", self.client_id, loss.text)
        else:
            _log.debug("%s: %s; next try in %.1f s", self.client_id, loss.text, delay)
