"""To which of systemd's units a process belongs, as the kernel knows it: by its control group."""

from __future__ import annotations

from itertools import dropwhile

_PREFIX = "ggl."  # that of ``ggl.host.unit``, which is too large to be loaded for this
PROC = "/proc"
_NAMES = ("name=systemd", "")
"""The hierarchies in which systemd keeps its units: its own, or the one of version 2."""


def service_of(pid: int) -> str:
    """The file name of the service of ours in whose cgroup the process is; empty when there is none, or no process.

    A service may have cgroups of its own making below its own, and a user's service manager units of any name: the
    outermost unit counts.
    """
    try:
        with open(f"{PROC}/{pid}/cgroup", encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return ""
    paths = [path for _, controllers, path in (line.split(":", 2) for line in lines) if controllers in _NAMES]
    outermost = (_unit_in(path) for path in paths)
    return next((name for name in outermost if name.startswith(_PREFIX) and name.endswith(".service")), "")


def _unit_in(path: str) -> str:
    """The first unit below slices; there may be something above these where systemd runs in a container."""
    below = dropwhile(lambda name: not name.endswith(".slice"), path.split("/"))
    return next((name for name in below if not name.endswith(".slice")), "")
