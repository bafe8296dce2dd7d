"""The connection to AWS IoT Core as this daemon sees it: whether there is one, as which thing, and what is sent.

That a connection was made is told by a call, when the answers of AWS IoT can come in; that it was lost is only seen
while somebody looks. Nothing is sent without one: the daemon that holds the connection would keep it for later, and
then it would be there twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ggl.bus.errors import BusError, ErrorCode
from ggl.cloud.endpoints import host_port
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.bus.calls import Subscription
    from ggl.bus.loop import Loop, Timer
    from ggl.bus.remote import Remote

RETRY_SECONDS = 2.0
LONGEST_RETRY = 60.0
GRACE_SECONDS = 10.0
PUBLISH_SECONDS = 86400.0
"""How long a message may be on its way: as long as the connection does not fail, it is."""

Done = Callable[[], None]
Failed = Callable[[BusError], None]

_log = get_logger("jobsd")


class Link:
    """``on_connected`` is called for each connection, with whether AWS IoT goes on with the session of before."""

    def __init__(self, loop: Loop, mqtt: Remote, config: Remote, on_connected: Callable[[bool], None]) -> None:
        self.thing = ""
        self.connected = False
        self.is_waking = False
        """There is a connection, and what is to be known for using it is being read."""
        self._loop = loop
        self._mqtt = mqtt
        self._config = config
        self._on_connected = on_connected
        self._connections = 0
        self._watching = False
        self._status: Subscription | None = None
        self._first = True
        self._timer: Timer | None = None
        self._delay = RETRY_SECONDS

    def established(self, resumed: bool) -> None:
        """There is a new connection, and answers come in. Which thing this device is may have changed."""
        self._connections += 1
        self.is_waking = True
        number = self._connections

        def read(value: Any) -> None:
            if self._is(number):
                self.is_waking = False
                self.thing = value if isinstance(value, str) else ""
                self.connected = bool(self.thing)
                self._on_connected(resumed)

        def failed(error: BusError) -> None:
            if error.code == ErrorCode.NOENTRY:
                read("")
            elif self._is(number):
                _log.warning("the thing name cannot be read, trying again in %g s: %s", RETRY_SECONDS, error)
                self._loop.call_later(RETRY_SECONDS, lambda: self.established(resumed) if self._is(number) else None)

        self._config.call("read", {"key_path": ["system", "thingName"]}, read, failed)

    def watch(self, wanted: bool) -> None:
        """Look whether there is a connection, as long as it is ``wanted``."""
        self._watching = wanted
        if wanted and self._status is None and self._timer is None:
            self._first = True
            self._status = self._mqtt.subscribe("connection_status", {}, self._ignore, self._tell, self._lost_sight)
        elif not wanted:
            status, self._status = self._status, None
            if status is not None:
                status.close()

    def publish(self, topic: str, message: Mapping[str, Any], qos: int, done: Done, failed: Failed) -> None:
        """With ``qos`` 1, ``done`` is called when AWS IoT has the message, else when it has been sent."""
        params = {"topic": topic, "payload": encode(message), "qos": qos, "wait": qos > 0}
        self._mqtt.call("publish", params, lambda _result: done(), failed, timeout=PUBLISH_SECONDS)

    def ask_endpoint(self, answered: Callable[[str], None], failed: Failed) -> None:
        """The endpoint that the device is connected to, as ``host:port``; empty: to none that is known."""

        def read(status: Any) -> None:
            found = status if isinstance(status, dict) else {}
            host, port = found.get("endpoint"), found.get("port")
            answered(host_port(host, port) if isinstance(host, str) and isinstance(port, int) else "")

        self._mqtt.call("status", {}, read, failed)

    def publish_once(self, endpoint: str, topic: str, message: Mapping[str, Any], done: Done, failed: Failed) -> None:
        """Send it to another endpoint, over a connection of its own."""
        params = {"endpoint": endpoint, "topic": topic, "payload": encode(message), "qos": 1}
        self._mqtt.call("publish_once", params, lambda _result: done(), failed, timeout=PUBLISH_SECONDS)

    def _is(self, number: int) -> bool:
        return number == self._connections

    def _ignore(self, _result: Any) -> None:
        pass

    def _tell(self, connected: Any) -> None:
        first, self._first = self._first, False
        self._delay = RETRY_SECONDS
        if connected is False:
            self._lost()
        elif first and not self.connected:
            self.established(False)  # it was there before this daemon was
        elif not self.connected:
            # The call that says when answers come in is on its way; or this news is older than the one before.
            number = self._connections
            self._loop.call_later(GRACE_SECONDS, lambda: self._has_missed(number))

    def _has_missed(self, number: int) -> None:
        if self._is(number) and not self.connected:
            self.established(False)

    def _lost(self) -> None:
        self._connections += 1
        self.connected = self.is_waking = False

    def _lost_sight(self, _error: BusError | None) -> None:
        self._lost()
        self._status = None
        if self._watching and self._timer is None:
            self._timer = self._loop.call_later(self._delay, self._look_again)
            self._delay = min(LONGEST_RETRY, self._delay * 2)

    def _look_again(self) -> None:
        self._timer = None
        self.watch(self._watching)


def encode(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()
