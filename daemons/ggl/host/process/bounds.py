"""What a unit's processes are held to: their limits, and whether they are paused.

Loaded only by a supervisor that has a unit with limits, or a paused one.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ggl.host.process.cgroups import Cgroup, Unavailable, settle
from ggl.host.process.marker import cgroup_base, mark, marked, send
from ggl.host.unit import Limits
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.bus.loop import Loop, Timer
    from ggl.paths import Root

REMOVALS, REMOVAL_SECONDS = 20, 0.1
"""How often, and how long after each other, the removal of a cgroup is tried that the kernel refuses."""

_log = get_logger("ggld")


class Bounds:
    """The bounds of the processes of ``unit``, a unit of ``component``.

    ``groups`` gives the process groups it has now. What left its groups is known by its mark, or is in the cgroup.
    """

    def __init__(self, loop: Loop, root: Root, unit: str, component: str, groups: Callable[[], set[int]]) -> None:
        self.paused = False
        self.limited = False
        self._loop = loop
        self._root = root
        self._unit = unit
        self._groups = groups
        self._cgroup = Cgroup(cgroup_base(root), component or unit, self._are_ours)
        self._by_signal = False
        self._inherited = False
        """Nobody is in the cgroup but the unit's start script and what that has started."""
        self._killed_before = 0
        self._removal: Timer | None = None

    def enter(self, limits: Limits) -> tuple[str, ...]:
        """Before a start: make the cgroup. Returns the files by which the new process enters it."""
        self._keep()
        self._limit(limits)
        self._killed_before = self._cgroup.out_of_memory()
        self._inherited = not self._cgroup.processes()
        return self._cgroup.entrances()

    def change(self, limits: Limits) -> None:
        """Hold what runs now to other limits."""
        self._keep()
        self._inherited = False
        self._limit(limits)
        try:
            self._cgroup.take_in(self._processes)
        except Unavailable as problem:
            self._warn(problem)

    def pause(self) -> None:
        """Freeze every process."""
        self._keep()
        self._inherited = False
        try:
            self._cgroup.freeze(self._processes)
            self._by_signal = False
        except Unavailable as problem:
            _log.info("%s: paused by SIGSTOP, as there is no freezer for it: %s", self._unit, problem)
            self._by_signal = True
            settle(self._processes, lambda pid: send([pid], signal.SIGSTOP))
        self.paused = True

    def resume(self) -> None:
        """Let every process go on."""
        self.paused = False
        if self._by_signal:
            settle(self._processes, lambda pid: send([pid], signal.SIGCONT))
            return
        try:
            self._cgroup.thaw()
        except Unavailable as problem:
            _log.error("%s: cannot be thawed: %s", self._unit, problem)

    def end(self) -> None:
        """No process of the unit is left: remove the cgroup."""
        self.limited = False
        self._remove(REMOVALS)

    def holds(self, pid: int) -> bool:
        """The process has been in the cgroup from its beginning, so that it is the unit's without a doubt.

        Never so once processes were moved there while they ran: those are known by their mark, which each can change.
        """
        return self._inherited and pid in self._cgroup.processes()

    def _remove(self, tries: int) -> None:
        self._removal = None
        if self._cgroup.remove() or not tries:
            return
        # The kernel is about to take the last one out; or somebody hid from us, who has left its group and made itself
        # an environment without our mark.
        send(list(self._cgroup.processes()), signal.SIGKILL)
        self._removal = self._loop.call_later(REMOVAL_SECONDS, lambda: self._remove(tries - 1))

    def _keep(self) -> None:
        """The cgroup is needed again."""
        if self._removal is not None:
            self._removal.cancel()
            self._removal = None

    def out_of_memory(self) -> bool:
        """Since the last start the kernel has killed a process for using more memory than the limit."""
        return self._cgroup.out_of_memory() > self._killed_before

    def _limit(self, limits: Limits) -> None:
        try:
            self._cgroup.limit(limits)
            self.limited = bool(limits)
        except Unavailable as problem:
            self.limited = False
            self._warn(problem)

    def _warn(self, problem: Unavailable) -> None:
        self.limited = False
        _log.warning("%s: runs without its systemResourceLimits: %s", self._unit, problem)

    def _processes(self) -> set[int]:
        groups = self._groups()
        found = set(marked(mark(self._root.state, self._unit), whole=True))
        found |= {int(name) for name in os.listdir("/proc") if name.isdigit() and _group(int(name)) in groups}
        return found | self._cgroup.processes()

    def _are_ours(self, processes: Iterable[int]) -> bool:
        return set(processes) <= {os.getpid(), *marked(mark(self._root.state), whole=False)}


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return -1
