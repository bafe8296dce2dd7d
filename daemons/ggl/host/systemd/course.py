"""The course of a component's unit: up when what it needs is ready, down, and up again.

Only two things are ever asked of systemd, one at a time: to start the unit, or to stop it. What is to follow is kept in
the unit's ``Wish``, where a new process of the host's daemon finds it: a unit that is wanted and *waits* is started as
soon as it is down and what it needs is ready.
"""

from __future__ import annotations

import errno
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ggl.host.systemd import records
from ggl.host.systemd.dbus import DBusError
from ggl.host.systemd.records import Run, Wish
from ggl.host.systemd.standing import UnitStanding
from ggl.host.systemd.systemd1 import NO_ROOM, NO_SUCH_UNIT, PASSING
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.bus.loop import Timer
    from ggl.host.systemd.observed import Observed
    from ggl.host.systemd.supervision import Supervision
    from ggl.host.unit import Unit

FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0
"""Seconds after which systemd is asked again when it could not start a unit for reasons that have nothing to do with
it; doubled each time."""
_DEVICE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EMFILE, errno.ENFILE)
_NOT_BEGUN = {
    "done": "a condition of its unit does not hold",
    "skipped": "a condition of its unit does not hold",
    "assert": "an assertion of its unit does not hold",
    "dependency": "what its unit requires of systemd did not start",
}
"""What it means when a job to start a unit is over, and the unit was not started. Ours has nothing of that: a drop-in
may."""

_log = get_logger("hostd")


class UnitCourse(UnitStanding):
    """The inner half of ``SupervisedUnit``."""

    def __init__(self, supervision: Supervision, unit: Unit, wanted: bool) -> None:
        # Answers of systemd to an older order than this do not count any more.
        self._order = 0
        self._file_is_due = False
        self._delay = FIRST_DELAY
        self._again: Timer | None = None
        self._stopped: list[Callable[[], None]] = []
        super().__init__(supervision, unit, wanted)

    @property
    def is_under_way(self) -> bool:
        """Somebody has to see to what comes next."""
        return bool(self._request or self._stopped or self.wish.paused or self._waits())

    def resume(self) -> None:
        """systemd was asked for everything anew: go on with what a predecessor, or a lost connection, has left."""
        self.connection_lost()
        self.refresh()
        if self.observed.down:
            self._now_down()
            if self._waits():
                self._try_start()
        elif self._stopped or self._waits():
            self._take_down()
        elif self._is_up() and (missing := self._supervision.needs.missing_for(self.unit)):
            self._lose(", ".join(missing))

    def begin_anew(self) -> None:
        """The runtime was started anew: nothing of before counts, and what is meant to be up is to be started."""
        if self.properties.is_down and not self.properties.job:
            self.forget()
            self._clear_failure()
            self._write_file()
        else:
            self._write_wish(Wish(reset=records.now(), started=True))
        self.refresh()

    def connection_lost(self) -> None:
        """What was asked of systemd is not answered any more."""
        self._begin("")

    # -- up ----------------------------------------------------------------------------------------------------------

    def _waits(self) -> bool:
        return self.wish.waiting and self.wanted

    def _try_start(self) -> None:
        supervision = self._supervision
        if not (self.observed.down and self._waits() and supervision.ready) or supervision.stopping:
            self.refresh()
            return
        self._adopt()
        if self.wish.anew:
            self._write_wish(replace(self.wish, anew=False, reset=records.now()))
        if supervision.needs.missing_for(self.unit):
            supervision.needs.start_install(self.unit)
            self.refresh()
            return
        order = self._begin("start")

        def may_start() -> None:
            if self._order != order:
                return
            if supervision.stopping:
                self.call_off()
            else:
                supervision.systemd.start(self.file, queued, refused)

        def queued(job: str) -> None:
            if self._order == order:
                self._lacking, self._delay = "", FIRST_DELAY
                self._write_wish(replace(self.wish, waiting=False, started=True))
                supervision.await_job(job, lambda result: self._over(order, result))

        def refused(error: DBusError) -> None:
            if self._order == order:
                self._refused(error)

        if self._write_file():
            supervision.files.when_read(may_start, refused)
        self.refresh()

    def call_off(self) -> None:
        """The runtime goes down: what systemd has not begun yet would come up when all else is down."""
        if self._request == "start":
            self._take_down()

    def _refused(self, error: DBusError) -> None:
        """systemd will not start it, or not now."""
        self._begin("")
        if error.name in PASSING:
            if self._lacking != str(error):
                _log.warning("%s: cannot be started now, and is tried again: %s", self.name, error)
            self._lacking = str(error)
            if self._again is not None:
                self._again.cancel()
            self._again = self._supervision.loop.call_later(self._delay, self._try_start)
            self._delay = min(2 * self._delay, LONGEST_DELAY)
        else:
            _log.error("%s: cannot be started: %s", self.name, error)
            self._write_wish(replace(self.wish, waiting=False, started=True, problem=str(error)))
        self.refresh()

    def _adopt(self) -> None:
        """Put the newest definition in force: another revision has no errors, and was not started yet."""
        self._write_wish(replace(self.wish, problem=""))
        if self._run.unit and self._run.unit.get("revision") != self.unit.revision:
            wish = replace(self.wish, started=False, restarts=self.wish.restarts + self._run.restarts)
            self.forget()
            self._write_wish(wish)
            self._run = Run()

    # -- down --------------------------------------------------------------------------------------------------------

    def _take_down(self) -> None:
        supervision = self._supervision
        order = self._begin("stop")
        self._lacking, self._delay = "", FIRST_DELAY
        self._write_wish(replace(self.wish, stopped=records.now(), problem=""))
        if self.observed.status.paused:
            self._thaw(_nothing, lambda _: None)  # what is paused cannot end in order

        def queued(job: str) -> None:
            supervision.await_job(job, lambda result: self._over(order, result))

        def refused(error: DBusError) -> None:
            if error.name != NO_SUCH_UNIT:
                _log.error("%s: cannot be stopped: %s", self.name, error)
            self._over(order, "")

        supervision.systemd.stop(self.file, queued, refused)
        self.refresh()

    def _lose(self, name: str) -> None:
        """A unit that this one requires is not ready any more: go down, and wait for it."""
        _log.info("%s: restarting, because %s is not ready any more", self.name, name)
        self._write_wish(replace(self.wish, waiting=self.wanted, restarts=self.wish.restarts + 1))
        self._take_down()

    def _begin(self, request: str) -> int:
        self._request = request
        self._order += 1
        return self._order

    def _over(self, order: int, result: str) -> None:
        """The job is over, with ``result`` in systemd's words."""
        if self._order != order:
            return
        if self._request == "start" and self.properties.is_down and result != "canceled":
            why = _NOT_BEGUN.get(result, f"its job is over with the result '{result}'")
            self._refused(DBusError("", f"systemd did not start it: {why}; see 'systemctl status {self.file}'"))
            return
        stopped, self._request = self._request == "stop", ""
        self._settled = self.properties.active_state == "failed" and (stopped or self._settled)
        self.refresh()
        if stopped and not self.observed.down:
            self._report_stopped()  # somebody else has started it meanwhile

    # -- and so on ---------------------------------------------------------------------------------------------------

    def _go_on(self, before: Observed) -> None:
        if self.observed.down:
            self._now_down()
            if not before.down and self._waits():
                self._supervision.loop.call_soon(self._try_start)
        elif self.properties.sub_state.startswith("auto-restart") and not self._request:
            self._before_next_try()

    def _now_down(self) -> None:
        if self._outdated:
            self._outdated = False
            self._adopt()
            self._supervision.loop.call_soon(self._renewed)
        if self._file_is_due:
            self._write_file()
        if self.observed.status.active_state == "inactive":
            self._clear_failure()  # the end that it came to was an orderly one, whatever its processes made of it
        self._report_stopped()

    def _renewed(self) -> None:
        """Nothing is known of what it did before its definition changed: who waits for it begins with it anew."""
        self.refresh()
        self._supervision.needs.tell_waiting(self)

    def _before_next_try(self) -> None:
        """systemd waits a moment before it starts the unit again: what it needs may be gone, or its file outdated; or
        it is to be started by us, as somebody has asked for that while it went down."""
        if self._supervision.needs.missing_for(self.unit) and self.wanted and not self._supervision.stopping:
            self._write_wish(replace(self.wish, waiting=True))
        if self._waits():
            self._take_down()
        elif self._file_is_due and self._write_file():
            self._supervision.files.when_read(_nothing, lambda _: None)

    def _clear_failure(self) -> None:
        if self.properties.active_state == "failed":
            self._supervision.systemd.reset_failed(self.file, _nothing)

    def _thaw(self, then: Callable[[], None], failed: Callable[[DBusError], None]) -> None:
        if self.properties.frozen:
            self._supervision.systemd.thaw(self.file, then, failed)
        else:
            self._supervision.systemd.kill(self.file, "all", signal.SIGCONT, then, failed)

    def _write_file(self) -> bool:
        self._file_is_due = False
        try:
            self._supervision.files.write(self.unit)
        except OSError as error:
            name = NO_ROOM if error.errno in _DEVICE_ERRORS else ""
            self._refused(DBusError(name, f"cannot write its unit file: {error.strerror}"))
            return False
        return True

    def _report_stopped(self) -> None:
        callbacks, self._stopped = self._stopped, []
        for callback in callbacks:
            callback()


def _nothing() -> None:
    """It does not matter when it is done."""
