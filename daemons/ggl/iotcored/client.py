"""The library's client, as one connection uses it."""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING, Any

from ggl.iotcored.library import (
    CONNECT,
    VERSION2,
    LibraryClient,
    MalformedPacket,
    MQTTv5,
    MQTTv311,
    Properties,
    properties_for,
)
from ggl.iotcored.owner import Loss

if TYPE_CHECKING:
    from ggl.iotcored.target import Target
    from ggl.iotcored.transport import Transport


class Client(LibraryClient):
    """On a socket that others made; it does not connect, nor again, by itself."""

    def __init__(self, transport: Transport, client_id: str, mqtt5: bool, clean: bool) -> None:
        self._transport_of_link = transport
        super().__init__(
            VERSION2,
            client_id,
            clean_session=None if mqtt5 else clean,
            protocol=MQTTv5 if mqtt5 else MQTTv311,
            reconnect_on_failure=False,
        )
        self.max_inflight_messages = 0  # its owner limits them

    def _create_socket(self) -> Any:
        return self._transport_of_link

    def _send_pubrec(self, mid: int) -> Any:
        # Those messages would be kept until the broker says more, and nobody has asked for any.
        raise MalformedPacket("a message of QoS 2, which was not asked for")

    def forget(self, mid: int) -> None:
        """The broker did not answer; its answer would be to somebody else's message."""
        self._out_messages.pop(mid, None)

    def unanswered_ping(self) -> float:
        """Seconds for which a ping has had no answer."""
        return time.monotonic() - self._ping_t if self._ping_t else 0.0


def connect_properties(target: Target) -> Properties:
    """What a broker of MQTT 5 is told when a connection is made."""
    said = properties_for(CONNECT)
    said.SessionExpiryInterval = target.session_expiry
    said.ReceiveMaximum = target.receive_maximum
    said.RequestProblemInformation = 1
    return said


def reason_text(reason: Any, said: Any) -> str:
    """A reason code in words, with what the broker says about it."""
    text = getattr(said, "ReasonString", "")
    return f"{reason.getName().lower()} ({reason.value:#04x})" + (f": {text[:500]}" if text else "")


def broken(error: OSError | None, reason: Any = None) -> Loss:
    """Why a connection ended without a word from the broker. ``reason``: what the library calls it."""
    from ggl.cloud.tls import explain

    if error is not None and not isinstance(error, ssl.SSLEOFError):
        return Loss(f"the connection broke: {explain(error)}", by_broker=isinstance(error, ConnectionError))
    if reason is not None and reason.getName() == "Keep alive timeout":
        return Loss("the broker does not answer any more (no reply to a ping)")
    return Loss("the broker closed the connection", by_broker=True)
