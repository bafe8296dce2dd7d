"""From which unit a process descends, as the kernel knows it: nothing that the process says of itself counts."""

from __future__ import annotations

import os
from collections.abc import Callable

_TRIES = 3
_MOST_ANCESTORS = 256


def ancestral_unit(pid: int, forked_for: Callable[[int], str]) -> str:
    """The unit of which ``pid`` is a process or a descendant; empty when it is none's, or has lost its parents.

    ``forked_for`` tells for a child of ours that is not reaped yet for which unit it was forked.
    """
    for _ in range(_TRIES):
        line = _ancestors(pid)
        if line is not None:
            return next((unit for ancestor in line if (unit := forked_for(ancestor))), "")
    return ""


def _ancestors(pid: int) -> list[int] | None:
    """The process and its ancestors up to our child; empty when it descends not from us.

    ``None`` when one has ended while we were looking.
    """
    own = os.getpid()
    line: list[int] = []
    while pid != own:
        if pid == 0 or len(line) > _MOST_ANCESTORS:
            return []
        line.append(pid)
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                pid = int(file.read().rpartition(b")")[2].split()[1])
        except (OSError, IndexError):
            return None
    return line
