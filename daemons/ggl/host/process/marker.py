"""Which processes belong to this runtime: every one carries a mark in its environment, inherited by its children.

A component may fork, leave its process group and lose its parents; the mark stays. So what a crashed supervisor left
behind is found by whoever comes next, and what a component left behind is found when it is stopped.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

VARIABLE = "GGL_SUPERVISED"
_POLL_SECONDS = 0.02


def mark(state: Path, unit: str = "") -> str:
    """The value of ``VARIABLE`` for the processes of ``unit`` (or of the runtime itself) at the root ``state``."""
    path = os.fsencode(state)
    return f"{crc32(path):08x}{len(path):x}:{unit}"


def marked(value: str, whole: bool) -> Iterator[int]:
    """Process ids whose mark is ``value``; when not ``whole``, whose mark begins with it. Never this process."""
    needle = f"\0{VARIABLE}={value}".encode()
    if whole:
        needle += b"\0"
    own = os.getpid()
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == own:
            continue
        try:
            with open(f"/proc/{name}/environ", "rb", buffering=0) as file:
                environment = file.read(1 << 18)
        except OSError:
            continue  # it ended, or it is another user's
        if needle in b"\0" + environment and not _is_zombie(name):
            yield int(name)


def send(pids: list[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except OSError:
            pass


def end_all(state: Path, grace: float) -> list[int]:
    """End every process of the runtime at ``state``: SIGTERM, then SIGKILL after ``grace`` seconds. Returns their ids.

    Only called when no supervisor runs there.
    """
    found = list(marked(mark(state), whole=False))
    send(found, signal.SIGTERM)
    deadline = time.monotonic() + grace
    left = found
    while left and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        left = list(marked(mark(state), whole=False))
    while left:
        send(left, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)
        left = list(marked(mark(state), whole=False))
    return found


def _is_zombie(pid: str) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in (b"Z", b"X")
    except (OSError, IndexError):
        return True
