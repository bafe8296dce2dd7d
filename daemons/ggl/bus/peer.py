"""Who is at the other end of a socket, as the kernel says (``SO_PEERCRED``)."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple


class Peer(NamedTuple):
    """The process that connected, or that listened when we did, and whom it ran as."""

    pid: int
    uid: int
    gid: int


def peer_of(sock: socket.socket) -> Peer:
    """Raises ``OSError`` when the peer is gone already."""
    return Peer(*struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)))
