"""Control groups of the kernel: where this process may make them, and how a component is limited and frozen by one.

Version 2 has one hierarchy for everything, version 1 one for each controller; a device may have both. For each
controller (``memory``, ``cpu``, ``freezer``) that hierarchy is taken which has it, and in it a directory
``<base>/<component>``, below the cgroup of the runtime itself when that is possible, else below the root of what is
mounted.

In version 2 a cgroup whose children are limited may hold no process itself. So the processes of the runtime are moved
to a cgroup beside the components', if nobody else's are where they were.

Loaded only by a supervisor that has a unit with limits, or a paused one.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ggl.host.process.hierarchy import OWN_PROCESS, RUNTIME_SUFFIX, Place, places, read
from ggl.host.unit import Limits

PERIOD = 100_000
"""Microseconds of which a limited component gets its share of the processors; the kernel's own default."""
LEAST_QUOTA = 1000
"""Microseconds: the kernel takes no less."""
_POLL_SECONDS = 0.02
_FREEZE = {1: ("freezer.state", "FROZEN", "THAWED"), 2: ("cgroup.freeze", "1", "0")}


class Unavailable(Exception):
    """The kernel or the surroundings do not let us; the text says why, and what would help."""


class Cgroup:
    """The control group of one component. Its directories are made when they are first needed.

    ``base`` is the directory of this runtime, so that several on one machine do not meet; ``is_ours`` tells whether all
    of some processes belong to this runtime. ``proc``: what tells us about mounts and our own cgroup.
    """

    def __init__(
        self, base: str, name: str, is_ours: Callable[[Iterable[int]], bool], proc: Path = OWN_PROCESS
    ) -> None:
        self._base = base
        self._name = name
        self._is_ours = is_ours
        self._proc = proc
        self._places: dict[str, Place] = {}

    def limit(self, limits: Limits) -> None:
        """Hold everything in this cgroup to ``limits`` from now on.

        Raises ``Unavailable`` when one of the limits cannot be set; then the others are in force.
        """
        problems: dict[str, Unavailable] = {}
        for controller, value in (("memory", limits.memory), ("cpu", limits.cpus)):
            if value is None and controller not in self._places:
                continue
            try:
                place = self._place(controller)
                for file, text in _settings(controller, place.version, value):
                    _write(place.parent / file, text)
            except Unavailable as error:
                problems[controller] = error
        if problems:
            raise Unavailable(f"{' and '.join(problems)}: {next(iter(problems.values()))}")

    def freeze(self, processes: Callable[[], Iterable[int]]) -> None:
        """Freeze ``processes``, and whatever they start meanwhile. Raises ``Unavailable``; then nothing is frozen."""
        place = self._place("freezer")
        file, frozen, _ = _FREEZE[place.version]
        _write(place.parent / file, frozen)
        try:
            settle(processes, lambda pid: _move(place.parent, pid))
        except Unavailable:
            self.thaw()
            raise

    def thaw(self) -> None:
        """Raises ``Unavailable``."""
        place = self._places.get("freezer")
        if place is not None:
            file, _, thawed = _FREEZE[place.version]
            _write(place.parent / file, thawed)

    def entrances(self) -> tuple[str, ...]:
        """The files to which a process writes its id to be held to the limits."""
        directories = {self._places[name].parent for name in ("memory", "cpu") if name in self._places}
        return tuple(str(directory / "cgroup.procs") for directory in sorted(directories))

    def take_in(self, processes: Callable[[], Iterable[int]]) -> None:
        """Hold ``processes``, which run already, to the limits as well. Raises ``Unavailable``."""
        directories = [Path(file).parent for file in self.entrances()]

        def take_in(pid: int) -> None:
            for directory in directories:
                _move(directory, pid)

        settle(processes, take_in)

    def processes(self) -> set[int]:
        """Everything that is in one of the directories."""
        return {pid for place in self._places.values() for pid in _members(place.parent)}

    def out_of_memory(self) -> int:
        """How many processes the kernel has killed because of the limit of memory."""
        place = self._places.get("memory")
        if place is None:
            return 0
        text = read(place.parent / ("memory.oom_control" if place.version == 1 else "memory.events"))
        counts = dict(line.split()[:2] for line in text.splitlines() if len(line.split()) > 1)
        return int(counts.get("oom_kill", "0"))

    def remove(self) -> bool:
        """Remove the directories, which must hold no process any more; false when one is still there."""
        for controller, place in list(self._places.items()):
            if _remove(place.parent):
                del self._places[controller]
        return not self._places

    def _place(self, controller: str) -> Place:
        known = self._places.get(controller)
        if known is None:
            known = self._places[controller] = self._make(controller)
        return known

    def _make(self, controller: str) -> Place:
        candidates = places(controller, self._base, self._proc)
        if not candidates:
            raise Unavailable(f"this system has no {controller} controller of cgroups (mount it at /sys/fs/cgroup)")
        problem: OSError | None = None
        for place in candidates:
            base = place.parent / self._base
            directory = base / self._name
            known = directory.is_dir()
            try:
                directory.mkdir(parents=True, exist_ok=True)
                if place.version == 2 and controller != "freezer":
                    self._enable(place.parent, controller)
                    _add(base, controller)
                return Place(place.version, directory)
            except OSError as error:
                if not known:
                    _remove(directory)
                problem = problem or error
        assert problem is not None
        raise Unavailable(_explain(problem)) from None

    def _enable(self, parent: Path, controller: str) -> None:
        try:
            _add(parent, controller)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            inside = _members(parent)
            if not self._is_ours(inside):
                raise OSError(errno.EBUSY, "it holds processes of others", str(parent)) from None
            home = parent / (self._base + RUNTIME_SUFFIX)
            home.mkdir(exist_ok=True)
            settle(lambda: _members(parent), lambda pid: _move(home, pid))
            _add(parent, controller)


def thaw_all(processes: Iterable[int], base: str) -> list[Path]:
    """Thaw the cgroups of a runtime that is gone, in which ``processes`` are; returns them, to be removed later."""
    found: dict[Path, None] = {}
    for pid in processes:
        for controller in ("freezer", "memory", "cpu"):
            for place in places(controller, base, Path(f"/proc/{pid}")):
                if place.parent.parent.name == base:
                    found[place.parent] = None
    for directory in found:
        for file, _, thawed in _FREEZE.values():
            if (directory / file).exists():
                try:
                    _write(directory / file, thawed)
                except Unavailable:
                    pass  # nobody's freezer but that of another user
    return list(found)


def remove_all(directories: Iterable[Path], seconds: float = 2.0) -> None:
    """Remove what ``thaw_all`` has found. The kernel takes a process out a moment after it is seen to have ended."""
    deadline = time.monotonic() + seconds
    left = list(directories)
    while (left := [directory for directory in left if not _remove(directory)]) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)


def settle(processes: Callable[[], Iterable[int]], act: Callable[[int], object]) -> None:
    """``act`` on each of ``processes``, and on those that they have started meanwhile, until there are no new ones."""
    done: set[int] = set()
    while new := set(processes()) - done:
        for pid in new:
            act(pid)
        done |= new


def _settings(controller: str, version: int, value: float | None) -> list[tuple[str, str]]:
    """Files and what to write to them, for kilobytes of memory or a number of processors."""
    if controller == "memory":
        unlimited, file = ("-1", "memory.limit_in_bytes") if version == 1 else ("max", "memory.max")
        return [(file, unlimited if value is None else str(int(value) * 1024))]
    quota = None if value is None else max(LEAST_QUOTA, int(value * PERIOD))
    if version == 1:
        return [("cpu.cfs_period_us", str(PERIOD)), ("cpu.cfs_quota_us", str(-1 if quota is None else quota))]
    return [("cpu.max", f"{'max' if quota is None else quota} {PERIOD}")]


def _add(directory: Path, controller: str) -> None:
    file = directory / "cgroup.subtree_control"
    if controller not in read(file).split():
        with open(file, "w") as control:
            control.write(f"+{controller}")


def _members(directory: Path) -> list[int]:
    return [int(pid) for pid in read(directory / "cgroup.procs").split()]


def _move(directory: Path, pid: int) -> None:
    try:
        with open(directory / "cgroup.procs", "w") as file:
            file.write(str(pid))
    except ProcessLookupError:
        pass  # it has ended
    except OSError as error:
        raise Unavailable(_explain(error)) from None


def _remove(directory: Path) -> bool:
    try:
        for inner in _directories(directory):
            _remove(inner)  # a component may have made cgroups of its own
        directory.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        directory.parent.rmdir()
    except OSError:
        pass  # others are in it
    return True


def _directories(directory: Path) -> Iterator[Path]:
    with os.scandir(directory) as entries:
        yield from [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]


def _write(path: Path, text: str) -> None:
    try:
        with open(path, "w") as file:
            file.write(text)
    except OSError as error:
        raise Unavailable(_explain(error)) from None


def _explain(error: OSError) -> str:
    what = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
    advice = {
        errno.EROFS: "cgroups are mounted read-only, as usual in a container: mount /sys/fs/cgroup writable",
        errno.EBUSY: "move the runtime to a cgroup of its own, as systemd does for a service with Delegate=yes",
        errno.ENOENT: "the kernel lacks this controller, or the cgroup above has not been given it",
    }
    for number in (errno.EACCES, errno.EPERM):
        advice[number] = "run the runtime as root, or in a cgroup delegated to its user (systemd: Delegate=yes)"
    return f"{what}; {advice[error.errno]}" if error.errno in advice else what
