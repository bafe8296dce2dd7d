"""What a component says of itself, passed on to systemd in its name (sd_notify(3))."""

from __future__ import annotations

import socket
import struct

_SOCKET = "/run/systemd/notify"
READY = "READY=1"
IN_ERROR = "WATCHDOG=trigger"
"""systemd ends every process of the unit then, and takes it for an error."""


def say(pid: int, message: str) -> None:
    """Send ``message`` in the name of process ``pid``. Raises ``OSError``."""
    credentials = struct.pack("3i", pid, 0, 0)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendmsg([message.encode()], [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, credentials)], 0, _SOCKET)
