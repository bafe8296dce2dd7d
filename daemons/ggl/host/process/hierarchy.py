"""Where cgroups are mounted, and in which directory of which hierarchy one of ours may be made.

The kernel tells both in ``/proc/<pid>/mountinfo`` and ``/proc/<pid>/cgroup``. A container sees only part of a
hierarchy; what of it is mounted, and where in it a process is, is put together here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

OWN_PROCESS = Path("/proc/self")
RUNTIME_SUFFIX = ".runtime"
"""What is put behind the name of our base directory for the cgroup of the runtime itself, in version 2."""


@dataclass(frozen=True)
class Place:
    """``parent``: a directory in which a cgroup of this ``version`` may perhaps be made for some controller."""

    version: int
    parent: Path


def places(controller: str, base: str, proc: Path = OWN_PROCESS) -> list[Place]:
    """Where a cgroup for ``controller`` may be made, best first: below our own cgroup, below the mounted root."""
    own = {names: path for _, names, path in (line.split(":", 2) for line in read(proc / "cgroup").splitlines())}
    second: list[Place] = []
    for line in read(proc / "mountinfo").splitlines():
        fields, _, rest = line.partition(" - ")
        kind, _, options = rest.split(" ", 2)
        root, point = fields.split(" ")[3:5]
        mounted = Path(_unescape(point))
        if kind == "cgroup" and controller in options.split(" ")[-1].split(","):
            path = next((path for names, path in own.items() if controller in names.split(",")), "/")
            return _below(1, mounted, root, path, base)
        if kind == "cgroup2" and _has(mounted, controller):
            second = second or _below(2, mounted, root, own.get("", "/"), base)
    return second


def _below(version: int, mounted: Path, root: str, path: str, base: str) -> list[Place]:
    root = root.rstrip("/") + "/"
    seen = (path + "/").startswith(root) and ".." not in path.split("/")  # else it is outside of what is mounted
    own = mounted / (path + "/").removeprefix(root).strip("/") if seen else mounted
    if own.name == base + RUNTIME_SUFFIX:
        own = own.parent  # we have moved there to make room
    return [Place(version, parent) for parent in dict.fromkeys((own, mounted))]


def _has(mounted: Path, controller: str) -> bool:
    # Every cgroup of version 2 but the root can be frozen.
    return controller == "freezer" or controller in read(mounted / "cgroup.controllers").split()


def _unescape(text: str) -> str:
    return text.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")


def read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
