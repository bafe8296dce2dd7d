"""What happens to a connection, and who is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ggl.iotcored.library import MQTTMessage
    from ggl.iotcored.link import Link

UNSUPPORTED_VERSION = 0x84
TAKEN_OVER = 0x8E
TIMED_OUT = -1
"""Stands for the reason code of an answer that did not come."""
_REFUSED_BY_POLICY = (0x85, 0x86, 0x87)


@dataclass(frozen=True)
class Loss:
    """Why there is no connection (any more). ``code``: the broker's reason code, or 0."""

    text: str
    code: int = 0
    tls: bool = False
    refused: bool = False
    """The broker said no to the connection."""
    by_broker: bool = False
    """The broker ended the connection; not the network, nor we."""

    @property
    def by_policy(self) -> bool:
        return self.refused and self.code in _REFUSED_BY_POLICY


class Owner(Protocol):
    """Who is told what happens to a link. Of ``link_up`` and ``link_down``, the latter comes in any case, once."""

    def link_up(self, link: Link, session_present: bool) -> None: ...
    def link_down(self, link: Link, loss: Loss) -> None: ...
    def link_message(self, link: Link, message: MQTTMessage) -> None: ...
    def link_published(self, link: Link, token: int, code: int, text: str) -> None:
        """The broker has answered to a message of QoS 1, or has not (``TIMED_OUT``)."""

    def link_writable(self, link: Link) -> None:
        """There is room again for what could not be sent."""
