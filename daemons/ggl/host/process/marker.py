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
from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    from ggl.bus.loop import Loop
    from ggl.paths import Root

VARIABLE = "GGL_SUPERVISED"
_POLL_SECONDS = 0.02


def mark(state: Path, unit: str = "") -> str:
    """The value of ``VARIABLE`` for the processes of ``unit`` (or of the runtime itself) at the root ``state``."""
    path = os.fsencode(state)
    return f"{crc32(path):08x}{len(path):x}:{unit}"


def cgroup_base(root: Root) -> str:
    """The directory of the runtime's cgroups: several runtimes on one machine do not meet in it."""
    return "greengrass" if root.system else "greengrass-" + mark(root.state).rstrip(":")


def marked(value: str, whole: bool) -> Iterator[int]:
    """Process ids whose mark is ``value``; when not ``whole``, whose mark begins with it. Never this process."""
    return (pid for pid, rest in _marks(value) if not whole or not rest)


def _marks(value: str) -> Iterator[tuple[int, str]]:
    """The processes whose mark begins with ``value``, each with the rest of its mark."""
    own = os.getpid()
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == own:
            continue
        rest = _mark_of(int(name), value)
        if rest is not None and not has_ended(int(name)):
            yield int(name), rest


def _mark_of(pid: int, value: str) -> str | None:
    """What follows ``value`` in the process's mark; ``None`` when it has no such mark."""
    try:
        with open(f"/proc/{pid}/environ", "rb", buffering=0) as file:
            environment = b"\0" + (file.read() or b"")
    except OSError:
        return None  # it ended, or it is another user's
    _, found, rest = environment.partition(f"\0{VARIABLE}={value}".encode())
    return os.fsdecode(rest.partition(b"\0")[0]) if found else None


class Strays:
    """The processes that are marked with a unit, wherever they went.

    One look at ``/proc`` serves everybody who asks before the loop waits again: many units are often ended together.
    """

    def __init__(self, loop: Loop, state: Path) -> None:
        self._loop = loop
        self._state = state
        self._found: dict[str, list[int]] | None = None

    def of(self, unit: str) -> list[int]:
        if self._found is None:
            self._found = {}
            for pid, name in _marks(mark(self._state)):
                self._found.setdefault(name, []).append(pid)
            self._loop.call_soon(self._forget)
        return self._found.get(unit, [])

    def _forget(self) -> None:
        self._found = None


def send(pids: list[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except OSError:
            pass


def end_all(root: Root, grace: float, limit: float = 10.0, patience: float = 0.0) -> list[int]:
    """End every process of the runtime at ``root``: SIGTERM, then SIGKILL after ``grace`` seconds. Returns their ids.

    Only called while no supervisor runs there. ``limit``: seconds after which what SIGKILL does not end is left;
    ``patience``: seconds in which processes may leave by themselves. What is paused can only end when it is let go on.
    """
    everything = mark(root.state)
    deadline = time.monotonic() + patience
    while (found := list(marked(everything, whole=False))) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    if not found:
        return []
    from ggl.host.process.cgroups import remove_all, thaw_all

    send(found, signal.SIGTERM)
    cgroups = thaw_all(found, cgroup_base(root))
    send(found, signal.SIGCONT)
    deadline = time.monotonic() + grace
    left = found
    while left and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        left = list(marked(everything, whole=False))
    while left and time.monotonic() < deadline + limit:
        send(left, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)
        left = list(marked(everything, whole=False))
    remove_all(cgroups)
    return found


def has_ended(pid: int) -> bool:
    """The process is gone, or only its entry is left (a zombie)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in (b"Z", b"X")
    except (OSError, IndexError):
        return True
