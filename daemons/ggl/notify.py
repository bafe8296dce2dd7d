"""Telling the service manager how this process fares (sd_notify(3)); without one, nothing happens."""

from __future__ import annotations

import os
import socket

READY, STOPPING, WATCHDOG = "READY=1", "STOPPING=1", "WATCHDOG=1"


def notify(message: str, environment: dict[str, str] | os._Environ[str] = os.environ) -> bool:
    """Send ``message``, lines of ``NAME=value``; false when nobody listens."""
    path = environment.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.sendto(message.encode(), "\0" + path[1:] if path.startswith("@") else path)
    except OSError:
        return False
    return True


def watchdog_seconds(environment: dict[str, str] | os._Environ[str] = os.environ) -> float:
    """How often the service manager wants to hear ``WATCHDOG`` of this process (sd_watchdog_enabled(3)); 0: never."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    text = environment.get("WATCHDOG_USEC", "")
    return int(text) / 1e6 if text.isdecimal() else 0.0
