"""One component unit under supervision: the requests that concern it. Its course is told by the module of that name."""

from __future__ import annotations

from collections.abc import Callable

from ggl.host.process.course import UnitCourse
from ggl.host.unit import Unit
from ggl.log import get_logger

_log = get_logger("ggld")


class RunningUnit(UnitCourse):
    """Takes requests in any state, and in any order."""

    def load(self, unit: Unit) -> None:
        """Take over a new definition; what runs goes on with the old one until it is stopped.

        Limits come into force at once if nothing else of importance has changed.
        """
        before, self.loaded = self.loaded, unit
        changed = unit.revision != before.revision
        done_before = changed and self._kind == "oneshot" and self.sub == "exited"
        if (self.active == "failed" and self.is_down) or done_before:
            # It gets another chance; or its work was done by the old definition, and is to be done again.
            self.active, self.sub = "inactive", "dead"
        if self.is_down:
            self._adopt()
            if self.sub == "waiting" and self.wanted:
                self._try_start()  # the new definition may wait for less
        elif not changed and unit.limits != before.limits and self._kind != "oneshot" and not self.is_going_down:
            self._bound().change(unit.limits)
        self._supervisor.changed(self)

    def start(self) -> None:
        """Bring the unit up, if it is not; failures before this do not count any more."""
        self.wanted = True
        self._supervisor.retry_install(self.loaded)
        if self.is_going_down:
            self.reset()
            self._start_again = True
            self._supervisor.changed(self)
        elif self.is_down:
            self.reset()
            self._try_start()
        else:
            self._supervisor.changed(self)

    def stop(self, done: Callable[[], None] | None = None) -> None:
        """Take the unit down with its shutdown script, and keep it down. ``done`` is called when it is.

        An installation that it waits for is given up.
        """
        self.wanted = False
        self._start_again = False
        if done is not None:
            self._stopped.append(done)
        if self.is_going_down:
            self._supervisor.changed(self)  # it is on its way down, and now stays there
        elif self.active == "failed":
            self._supervisor.changed(self)
            self._report_stopped()
        elif self.active == "inactive":
            waited = self.sub == "waiting"
            self._set("inactive", "dead")
            if waited:
                self._supervisor.stop_install(self.unit, self._report_stopped)
            else:
                self._report_stopped()
        else:
            self._take_down()

    def restart(self) -> None:
        """Down and up again; errors before this do not count any more."""
        self.reset()
        self.wanted = True
        self._restarts += 1
        self._supervisor.retry_install(self.loaded)
        if self.is_down:
            self._try_start()
        else:
            self._start_again = True
            if not self.is_going_down:
                self._take_down()

    def kill(self) -> None:
        """End every process at once, without the shutdown script; those who wait for the unit's end are told."""
        self.wanted = self._start_again = self._clearing = False
        self._sequence.begin()
        self._thaw()
        self._set("deactivating", "stop", "success", "stop")
        self._end_processes(self._down, at_once=True)

    def pause(self) -> bool:
        """Freeze every process, if there is none to be frozen already; false when the unit is not up."""
        if self.active != "active" or self._kind == "oneshot":
            return False
        if not self.paused:
            self._bound().pause()
            _log.info("%s: paused", self.name)
            self._supervisor.changed(self)
        return True

    def resume(self) -> bool:
        """Let every process go on; false when the unit is not paused."""
        if not self.paused:
            return False
        self._thaw()
        _log.info("%s: goes on", self.name)
        self._supervisor.changed(self)
        return True

    def reset(self) -> None:
        """Forget the errors so far."""
        self._failures.clear()

    def ready_notified(self) -> None:
        """The component says that it is up."""
        if self.active == "activating" and self.sub == "start":
            self._up("running" if self._main is not None else "exited")

    def error_notified(self) -> None:
        """The component says that it is in error."""
        if self.active == "activating" and self.sub == "start":
            self._fail(("notified-error", 0), "start", "the component reported an error")
        elif self.active == "active":
            self._fail(("notified-error", 0), "run", "the component reported an error")

    def dependency_ready(self) -> None:
        if self.sub == "waiting" and self.wanted:
            self._try_start()

    def dependency_lost(self, name: str) -> None:
        """A unit that this one requires is not ready any more: go down, and wait for it."""
        if self.active == "active" or (self.active == "activating" and self.sub == "start"):
            _log.info("%s: restarting, because %s is not ready any more", self.name, name)
            self._restarts += 1
            self._start_again = self.wanted
            self._take_down()

    def forget_empty_groups(self) -> None:
        """Called when processes were reaped."""
        self._sequence.forget_empty_groups()
