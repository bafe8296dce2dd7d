"""A component's unit under supervision: the requests that concern it. Its course is told by the module of that name."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ggl.host.systemd import records
from ggl.host.systemd.course import UnitCourse
from ggl.host.systemd.properties import Properties
from ggl.host.systemd.reports import IN_ERROR, READY, say
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.host.systemd.dbus import DBusError
    from ggl.host.systemd.supervision import Supervision
    from ggl.host.unit import Unit

_log = get_logger("hostd")


class SupervisedUnit(UnitCourse):
    """Takes requests in any state, and in any order."""

    def __init__(self, supervision: Supervision, unit: Unit, wanted: bool) -> None:
        self._unsaid: list[str] = []
        super().__init__(supervision, unit, wanted)

    def update(self, properties: Properties, settled: bool = False) -> None:
        if properties.main_pid:
            unsaid, self._unsaid = self._unsaid, []
            for message in unsaid:
                self._say(properties.main_pid, message)
        super().update(properties, settled)

    def load(self, unit: Unit) -> None:
        """Take over a new definition; what runs goes on with the old one until it is stopped.

        Without a new revision the unit file is written at once, and with it limits come into force.
        """
        before, self.unit = self.unit, unit
        changed = unit.revision != before.revision
        shown = self.observed.status
        if self.observed.down:
            if shown.active_state == "failed":
                self._leave_failure()
            self._adopt()
            self._write_file()
            if shown.sub_state == "waiting" and self.wanted:
                self._try_start()  # the new definition may wait for less
        elif changed and not self._request and (shown.kind, shown.sub_state) == ("oneshot", "exited"):
            # Its work was done by the old definition, and is to be done again.
            self._write_wish(replace(self.wish, waiting=False))
            self._file_is_due = self._outdated = True
            self._take_down()
        elif changed:
            self._file_is_due = True
        else:
            limits = unit.limits != before.limits and shown.kind != "oneshot" and not self.observed.going_down
            if self._write_file() and limits:
                self._supervision.files.limit(unit)
        self.refresh()

    def want(self) -> None:
        """It is to be started when everything is known."""
        self._write_wish(replace(self.wish, waiting=True))

    def start(self) -> None:
        """Bring the unit up, if it is not; failures before this do not count any more."""
        self.wanted = True
        self._supervision.needs.retry_install(self.unit)
        if self.observed.down or self.observed.going_down:
            self._write_wish(replace(self.wish, anew=True, waiting=True))
        if self.observed.down:
            self._try_start()
        else:
            self.refresh()

    def stop(self, done: Callable[[], None] | None = None) -> None:
        """Take the unit down with its shutdown script, and keep it down. ``done`` is called when it is.

        An installation that it waits for is given up.
        """
        self.wanted = False
        waited = self.observed.down and self.observed.status.sub_state == "waiting"
        if self.wish.waiting:
            self._write_wish(replace(self.wish, waiting=False))
        if waited:
            self.refresh()
            self._supervision.needs.stop_install(self.unit, done)
            return
        if done is not None:
            self._stopped.append(done)
        if self.observed.down or self._request == "stop":
            self.refresh()
        else:
            self._take_down()

    def restart(self) -> None:
        """Down and up again; errors before this do not count any more."""
        self.wanted = True
        wish = replace(self.wish, anew=True, waiting=True, restarts=self.wish.restarts + 1)
        self._write_wish(wish)
        self._supervision.needs.retry_install(self.unit)
        if self.observed.down:
            self._try_start()
        elif not self.observed.going_down:
            self._take_down()
        else:
            self.refresh()

    def reset(self) -> None:
        """Forget the errors so far, also one of which it is just going down."""
        going = self.observed.going_down
        self._write_wish(replace(self.wish, anew=True) if going else replace(self.wish, reset=records.now()))

    def dependency_ready(self) -> None:
        if self.observed.down and self._waits():
            self._try_start()

    def dependency_lost(self, name: str) -> None:
        """A unit that this one requires is not ready any more: go down, and wait for it."""
        if self._is_up():
            self._lose(name)

    def ready_notified(self) -> None:
        """The component says that it is up."""
        shown = self.observed.status
        if (shown.active_state, shown.sub_state) == ("activating", "start"):
            self._say_soon(READY)

    def error_notified(self) -> None:
        """The component says that it is in error."""
        if not self._is_up() or self._request == "stop" or not self.observed.status.has_start:
            return
        self._write_wish(replace(self.wish, reported_error=records.now()))
        self.refresh()
        if self._request or self.properties.main_pid:
            self._say_soon(IN_ERROR)
        else:
            self._supervision.systemd.restart(self.file, lambda _job: None, self._refused)

    def pause(self, done: Callable[[str], None]) -> bool:
        """Freeze every process; false when the unit is not up. ``done(problem)`` follows otherwise."""
        shown = self.observed.status
        if shown.active_state != "active" or shown.kind == "oneshot":
            return False
        if shown.paused:
            done("")
            return True

        def paused() -> None:
            self._write_wish(replace(self.wish, paused=True))
            _log.info("%s: paused", self.name)
            self.refresh()
            done("")

        def cannot_freeze(problem: DBusError) -> None:
            _log.info("%s: paused by SIGSTOP, as there is no freezer for it: %s", self.name, problem)
            systemd.kill(self.file, "all", signal.SIGSTOP, paused, lambda error: done(str(error)))

        systemd = self._supervision.systemd
        systemd.freeze(self.file, paused, cannot_freeze)
        return True

    def go_on(self, done: Callable[[str], None]) -> bool:
        """Let every process go on; false when the unit is not paused. ``done(problem)`` follows otherwise."""
        if not self.observed.status.paused:
            return False

        def resumed() -> None:
            self._write_wish(replace(self.wish, paused=False))
            _log.info("%s: goes on", self.name)
            self.refresh()
            done("")

        self._thaw(resumed, lambda error: done(str(error)))
        return True

    def _leave_failure(self) -> None:
        """It gets another chance."""
        if self._run.exhausted:
            self._write_run(replace(self._run, exhausted=False))
        self._clear_failure()

    def _begin(self, request: str) -> int:
        self._unsaid.clear()
        return super()._begin(request)

    def _say_soon(self, message: str) -> None:
        """As soon as it has a process in whose name it can be said."""
        if self.properties.main_pid:
            self._say(self.properties.main_pid, message)
        else:
            self._unsaid.append(message)

    def _say(self, pid: int, message: str) -> None:
        try:
            say(pid, message)
        except OSError as error:
            _log.error("%s: what it says of itself cannot be passed on: %s", self.name, error.strerror)
