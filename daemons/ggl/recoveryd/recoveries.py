"""All recoveries: takes up what the host reports, lets each go on when it is its turn, remembers those that are over.

Runs on one thread, one step after the other: what one recovery does to the device (a rollback, a hook) is never done
beside what another does. The bus side only reads, and sees complete recoveries.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from threading import Event

from ggl.log import get_logger
from ggl.paths import Root
from ggl.recoveryd.climber import Climber
from ggl.recoveryd.device import Device
from ggl.recoveryd.ladder import last_of, leads_nowhere
from ggl.recoveryd.record import Failure, Recovery
from ggl.recoveryd.rungs import Tools, now
from ggl.recoveryd.store import Store

LOOK = 0.5
"""Seconds between two looks at the directory of reports."""

_log = get_logger("recoveryd")


class Recoveries:
    """``on_idle(idle)`` is called on the worker's thread whenever that changes."""

    def __init__(self, root: Root, on_idle: Callable[[bool], None]) -> None:
        self._root = root
        self._store = Store(root.state)
        self._on_idle = on_idle
        self._closed = Event()
        self._device = Device(root, self._closed.wait)
        self._climbers: dict[str, Climber] = {}
        self._due: dict[str, float] = {}
        self._finished: list[Recovery] = []

    def load(self) -> None:
        """Read what there was; once, before anything else."""
        self._store.tidy()
        self._finished = self._store.finished()
        ids = {recovery.id for recovery in self._finished}
        for recovery in self._store.under_way():
            if recovery.is_over or recovery.id in ids:
                self._conclude(recovery)  # it was killed in the middle of this
            else:
                self._add(recovery)

    def open(self) -> list[Recovery]:
        return sorted((each.recovery for each in list(self._climbers.values())), key=lambda each: each.opened)

    def finished(self) -> list[Recovery]:
        return list(self._finished)

    def close(self) -> None:
        self._closed.set()

    def work(self) -> None:
        """Until ``close``."""
        idle = False
        while not self._closed.is_set():
            self.take_reports()
            if idle != (not self._climbers):
                idle = not idle
                self._on_idle(idle)
            try:
                self._advance()
            except InterruptedError:
                return
            self._closed.wait(max(0.0, min([LOOK, *(due - time.monotonic() for due in self._due.values())])))

    def take_reports(self) -> None:
        for failure in self._store.reports():
            subject = failure.subject
            if subject in self._climbers:
                climber = self._climbers[subject]
                if climber.recovery.failure.time != failure.time:
                    climber.failed_again(failure)
            elif not any(each.failure == failure for each in self._finished[-10:]):
                self._add(self._opened(failure))
            # Whatever it was about is on the disk in another form by now.
            self._store.forget_report(failure.unit)

    def _opened(self, failure: Failure) -> Recovery:
        opened = now()
        recovery = Recovery(f"{opened}-{failure.unit}", failure, opened)
        self._store.save(recovery)
        return recovery

    def _add(self, recovery: Recovery) -> None:
        subject = recovery.subject
        tools = Tools(self._root, self._device, self._closed.wait, lambda: self._others(recovery.id), self.take_reports)
        self._climbers[subject] = Climber(recovery, tools, self._store)
        self._due[subject] = 0.0

    def _others(self, own: str) -> list[Recovery]:
        under_way = (each.recovery for each in self._climbers.values())
        return [each for each in [*self._finished, *under_way] if each.id != own]

    def _advance(self) -> None:
        for subject, climber in list(self._climbers.items()):
            if self._due[subject] > time.monotonic() or self._closed.is_set():
                continue
            wait = climber.step()
            if wait is not None:
                self._due[subject] = time.monotonic() + wait
                continue
            del self._climbers[subject], self._due[subject]
            self._conclude(climber.recovery)

    def _conclude(self, recovery: Recovery) -> None:
        before = last_of(self._finished, recovery.subject)
        if any(each.id == recovery.id for each in self._finished):
            self._store.forget_open(recovery.failure.unit)
        elif before is not None and leads_nowhere(recovery, self._finished):
            again = replace(before, repeats=before.repeats + 1, last=now())
            _log.warning("recovery of %s: limp-home: nothing left to try, failed again", recovery.subject)
            self._store.remember(again)
            self._store.forget_open(recovery.failure.unit)
            self._finished[self._finished.index(before)] = again
        else:
            self._store.finish(recovery)  # on the disk before anybody is told that it is over
            self._finished.append(recovery)
        self._finished = self._store.prune(self._finished, now())
