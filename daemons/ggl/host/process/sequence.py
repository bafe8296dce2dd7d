"""What is under way for a unit: the scripts that run, the end of what they left, the delay before the next try.

Whatever it is, it is one *sequence*. A later request begins another: nothing of the former reports any more, and the
processes that it started are left to the new one, which ends them when its turn comes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ggl.bus.loop import Timer
from ggl.host.process.ending import Ending, group_exists
from ggl.host.process.step import Outcome, Step
from ggl.host.unit import Command, Unit

if TYPE_CHECKING:
    from ggl.host.process.supervisor import Supervisor


class Sequence:
    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._steps: list[Step] = []
        self._groups: set[int] = set()
        self._ending: Ending | None = None
        self._timer: Timer | None = None

    def begin(self) -> None:
        """Abandon whatever was under way."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None
        for step in self._steps:
            step.abandon()
        self._steps.clear()

    def run(
        self,
        unit: Unit,
        command: Command,
        stage: str,
        on_end: Callable[[Outcome], None],
        on_exec: Callable[[], None] | None = None,
        on_delay: Callable[[str], None] | None = None,
        cgroups: tuple[str, ...] = (),
    ) -> Step:
        """Run a script beside what runs already; ``Step`` explains the callbacks."""
        step = Step(self._supervisor, unit, command, stage, on_end, on_exec, on_delay, cgroups)
        self._steps.append(step)
        step.begin(self._groups.add)
        return step

    def groups(self) -> set[int]:
        """The process groups there are now."""
        return set(self._groups)

    def later(self, seconds: float, callback: Callable[[], None]) -> None:
        self._timer = self._supervisor.loop.call_later(seconds, callback)

    def take_over(self, other: Sequence) -> None:
        """The process groups of ``other`` are ours from now on."""
        self._groups |= other._groups
        other._groups.clear()

    def end_processes(self, units: tuple[str, ...], done: Callable[[], None], at_once: bool = False) -> None:
        """End every process that is left of ``units``, then call ``done``. ``at_once``: with SIGKILL."""

        def ended() -> None:
            self._ending = None
            self._groups.clear()
            for step in self._steps:
                step.abandon()
            self._steps.clear()
            done()

        self._ending = Ending(self._supervisor, units, self._groups, ended)
        self._ending.begin(at_once)

    def forget_empty_groups(self) -> None:
        """Called when processes were reaped. The number of an empty group may soon be that of somebody else's."""
        for group in [group for group in self._groups if not group_exists(group, self._supervisor.reaper)]:
            self._groups.discard(group)
