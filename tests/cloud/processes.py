"""Processes of the stand-in, which end with it, however it ends."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# The kernel ends a child when the *thread* that made it ends, so one that stays makes them all.
_spawner = ThreadPoolExecutor(1, thread_name_prefix="stand-in-spawner")


def spawn(command: list[str], log: Path, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start ``command``, which is killed when this process ends; what it prints goes to ``log``."""

    def start() -> subprocess.Popen[bytes]:
        with log.open("ab") as out:
            return subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=environment,
            )

    return _spawner.submit(start).result()


def bound(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """A socket that is not listened on. As long as it is there, its port is given to nobody who takes any, and refuses
    connections; whoever asks for this port by its number and with SO_REUSEADDR, as servers do, can listen on it."""
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind((host, port))
    return found
