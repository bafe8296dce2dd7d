"""Where a component's unit is: its definition, what systemd says, its records, and what of that others are shown."""

from __future__ import annotations

import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ggl.host.given_up import report
from ggl.host.systemd import records
from ggl.host.systemd.cgroup import out_of_memory
from ggl.host.systemd.component_unit import file_name
from ggl.host.systemd.observed import Facts, Observed, observe
from ggl.host.systemd.properties import Properties
from ggl.host.systemd.untold import counted, is_behind, is_to_be_tried_again, is_untold
from ggl.host.unit import ONCE_PHASES
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.host.status import UnitStatus
    from ggl.host.systemd.records import Run, Wish
    from ggl.host.systemd.supervision import Supervision
    from ggl.host.unit import Unit

SETTLE_SECONDS = 0.3
"""After which a unit that failed is not about to be started again by systemd."""

CLD_KILLED = 2

_log = get_logger("hostd")


class UnitStanding:
    """``unit`` is the newest definition; ``observed`` is what others are shown."""

    def __init__(self, supervision: Supervision, unit: Unit, wanted: bool) -> None:
        self.unit = unit
        self.file = file_name(unit.name)
        self.wanted = wanted
        self.properties = Properties()
        self.wish = records.read_wish(supervision.records, unit.name)
        self._supervision = supervision
        self._run = records.read_run(supervision.records, unit.name)
        # What was asked of systemd, or is about to be: start, stop, or nothing.
        self._request = ""
        # Why systemd could not do it just then.
        self._lacking = ""
        # Of this run there is to be no record any more.
        self._forgotten = ""
        self._settled = False
        # What systemd has told so far is older than the record.
        self._behind = False
        # What its present definition replaced has done its work, which is void now.
        self._outdated = False
        self.observed: Observed = observe(self._facts())
        self._since = int((time.time() - self._unchanged_for()) * 1000)

    @property
    def name(self) -> str:
        return self.unit.name

    @property
    def loaded(self) -> Unit:
        return self.unit

    def _unchanged_for(self) -> float:
        """Seconds; known of a unit that was given up before this process began, which will not hear of it any more."""
        errors = [times[-1] for times in self._run.failures.values() if times]
        given_up = self._run.exhausted and self.observed.status.active_state == "failed"
        return max(0.0, records.now() - max(errors)) if given_up and errors else 0.0

    def status(self) -> UnitStatus:
        return replace(self.observed.status, since=self._since)

    def update(self, properties: Properties, settled: bool = False) -> None:
        """This is what systemd says now; ``settled``: it was asked, and did not only tell of a change."""
        before, self.properties = self.properties, properties
        self._settled = properties.active_state == "failed" and (settled or self._settled)
        if properties.active_state == "failed" and not self._settled and before.active_state != "failed":
            self._supervision.loop.call_later(SETTLE_SECONDS, self._ask_again)
        if self._request == "start" and not properties.is_down:
            self._request = ""  # it has begun
        self.refresh()

    def refresh(self) -> None:
        """Look anew at everything that is known, tell what has changed, and go on with what waited for it."""
        run = records.read_run(self._supervision.records, self.name)
        self._behind = is_behind(self.properties, run)
        if not self._behind:
            self._run = run
        is_clear = self._settled or is_to_be_tried_again(self.properties)
        if self._supervision.ready and is_clear and self._is_untold():
            self._count_untold()
        before = self.observed
        observed = self.observed = observe(self._facts())
        old, new = before.status, observed.status
        if self.wish.paused and new.active_state != "active" and self._supervision.ready:
            self._write_wish(replace(self.wish, paused=False))
        if (old.active_state, old.sub_state) != (new.active_state, new.sub_state):
            seen = new.sub_state != "waiting" and not self._request
            self._since = (self.properties.changed if seen else 0) or int(time.time() * 1000)
        if old != new:
            self._supervision.changed(self)
        if before.ready != observed.ready:
            self._supervision.readiness_changed(self)
        if self._supervision.ready:
            self._go_on(before)

    def _go_on(self, before: Observed) -> None:
        """After each look: do what has become possible, or necessary."""
        raise NotImplementedError

    def forget(self) -> None:
        """Nothing is known of it any more."""
        self._lacking, self.wish, self._forgotten = "", records.Wish(), self.properties.invocation
        try:
            records.forget(self._supervision.records, self.name)
        except OSError as error:
            _log.error("cannot remove the records of %s: %s", self.name, error.strerror)

    def _facts(self) -> Facts:
        supervision = self._supervision
        return Facts(
            unit=self.unit,
            properties=self.properties,
            run=self._run,
            wish=self.wish,
            wanted=self.wanted,
            request=self._request,
            missing=tuple(supervision.needs.missing_for(self.unit)) if self.wish.waiting else (),
            stopping=supervision.stopping,
            settled=self._settled,
            lacking=self._lacking,
            untold=self._is_untold(),
            outdated=self._outdated,
            can_limit=supervision.can_limit(self.unit.limits),
            out_of_memory=self._may_be_out_of_memory() and out_of_memory(self.file),
            now=records.now(),
            began=records.of_monotonic(self.properties.begun),
        )

    def _may_be_out_of_memory(self) -> bool:
        killed = self.properties.exit_code == CLD_KILLED and self.properties.exit_status == signal.SIGKILL
        return killed and self.unit.limits.memory is not None and not self._run.result

    def _is_untold(self) -> bool:
        if self._behind or self.properties.invocation == self._forgotten:
            return False
        return is_untold(self._run, self.properties)

    def _count_untold(self) -> None:
        """systemd goes on trying: make an end of that after as many errors as of any other kind."""
        supervision = self._supervision
        run = self._run = counted(self.unit, self._run, self.wish, self.properties)
        self._write_run(run)
        _log.error("%s: %s%s", self.name, run.text, "; giving up" if run.exhausted else "")
        if run.exhausted:
            supervision.systemd.stop(self.file, lambda _job: None, lambda error: _log.error("%s: %s", self.name, error))
            if self.unit.phase not in ONCE_PHASES:
                report(supervision.layout.root, observe(self._facts()).status)

    def _is_up(self) -> bool:
        shown = self.observed.status
        return shown.active_state == "active" or (shown.active_state, shown.sub_state) == ("activating", "start")

    def _ask_again(self) -> None:
        if self.properties.active_state == "failed":
            systemd = self._supervision.systemd
            systemd.ask(self.file, lambda properties: self.update(properties, settled=True), lambda _: None)

    def _write_run(self, run: Run) -> None:
        """Only while there is no step of the unit that might."""
        try:
            records.write_run(self._supervision.records, self.name, run)
        except OSError as error:
            _log.error("cannot write the record of %s: %s", self.name, error.strerror)

    def _write_wish(self, wish: Wish) -> None:
        if wish == self.wish:
            return
        self.wish = wish
        try:
            records.write_wish(self._supervision.records, self.name, wish)
        except OSError as error:
            _log.error("cannot write the record of %s: %s", self.name, error.strerror)
