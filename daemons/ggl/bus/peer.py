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


_SO_PEERGROUPS = 59
_MOST_BYTES = 1024
"""What Python reads of a socket option."""


def groups_of(sock: socket.socket) -> tuple[int, ...]:
    """The supplementary groups (gids) of the process that connected. Raises ``OSError`` when they are over 256."""
    data = sock.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MOST_BYTES)
    return struct.unpack(f"{len(data) // 4}I", data)
