"""The assignments of this device, what is done about them, and the reports of them.

Every change of an assignment is on the disk before anything is done about it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ggl.bus.trail import new_trail
from ggl.jobsd import assignment as life
from ggl.jobsd.assignment import JOB, SHADOW, Assignment
from ggl.jobsd.carrier import Carrier
from ggl.jobsd.courier import Courier, Parcel
from ggl.jobsd.messages import Brief
from ggl.jobsd.outcome import unusable
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.bus.loop import Loop
    from ggl.bus.remote import Remote
    from ggl.jobsd.link import Link
    from ggl.jobsd.sending import Sending
    from ggl.jobsd.store import Store

ELSEWHERE = "ELSEWHERE"
"""Whatever they are of, reports to an endpoint that the device has left: they keep no others waiting."""

_log = get_logger("jobsd")


class Book:
    """``on_finished`` is called with an assignment of which nothing is left to do, ``on_change`` after every change."""

    def __init__(
        self,
        loop: Loop,
        store: Store,
        link: Link,
        deployments: Remote,
        sending: Sending,
        on_finished: Callable[[Assignment], None],
        on_change: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._store = store
        self._link = link
        self._sending = sending
        self._on_finished = on_finished
        self._on_change = on_change
        self._carrier = Carrier(loop, deployments, lambda: store.present, self.change, token)
        self._couriers = {
            JOB: Courier(loop, lambda: self._next(JOB), self._send, lambda: link.connected),
            SHADOW: Courier(loop, lambda: self._next(SHADOW), self._send, lambda: link.connected),
            ELSEWHERE: Courier(loop, lambda: self._next(ELSEWHERE), self._send_elsewhere, lambda: link.connected),
        }
        self.shadow_version = 0
        """Of the shadow, as far as it is known; without it nothing can be reported there."""
        self._looking = False

    def begin(self) -> None:
        """Take up what is there."""
        for assignment in self._store.present.values():
            _log.info("%s goes on: %s", assignment.label, assignment.status or assignment.stage)
        self.look_soon()

    def connected(self, resumed: bool) -> None:
        """There is a new connection; ``resumed``: with the session of before."""
        self.shadow_version = 0  # it may have changed, or be another shadow
        for courier in self._couriers.values():
            courier.connected(resumed)

    # -- assignments -------------------------------------------------------------------------------------------------

    def take(self, assignment: Assignment, brief: Brief, document: Any) -> bool:
        """Take a new assignment, of which ``document`` is to be deployed; whether the disk has it."""
        assignment = replace(
            assignment,
            number=self._store.next_number(),
            deployment_id=brief.deployment_id,
            name=brief.name,
            target=brief.target,
            configuration_arn=brief.arn,
            received=_now(),
            trail=new_trail(),
            document=document if isinstance(document, dict) else {},
        )
        if brief.problem:
            _log.error("%s cannot be deployed: %s", assignment.label, brief.problem)
            assignment = life.over(assignment, unusable(brief.problem), token)
        try:
            self._store.put(assignment)
        except OSError as error:
            _log.error("%s cannot be kept on the disk, trying again later: %s", assignment.label, error)
            self._store.drop(assignment)
            return False
        _log.info("%s is taken: deployment %s", assignment.label, assignment.deployment_id or "without an id")
        self.look_soon()
        return True

    def retell(self, known: Assignment) -> None:
        """A finished one whose outcome AWS IoT has refused: tell it again, without the details."""
        self.change(life.retold(known, self._store.next_number(), token))

    def supersede(self, number: int) -> None:
        """The same job was queued anew."""
        if number in self._store.present:
            self.change(life.superseded(self._store.present[number]))

    def withdraw(self, number: int, why: str) -> None:
        """AWS IoT does not want it any more."""
        assignment = self._store.present.get(number)
        if assignment is not None and not assignment.withdrawn and not assignment.is_over:
            _log.info("%s is withdrawn: %s", assignment.label, why)
            self.change(life.withdraw(assignment))

    def change(self, assignment: Assignment) -> None:
        """This is what the assignment of that number has become."""
        before = self._store.present.get(assignment.number)
        if before == assignment:
            return
        for report in before.reports if before is not None else ():
            if report not in assignment.reports:
                self._settled(report.token)
        try:
            if assignment.is_finished:
                self._store.finish(life.kept(assignment, _now()))
            else:
                self._store.put(assignment)
        except OSError as error:
            # deploymentd has the outcome on the disk, too: after a restart it is learned from there.
            _log.error("the state of %s cannot be kept on the disk: %s", assignment.label, error)
        if assignment.is_finished:
            self._on_finished(assignment)
        self.look_soon()

    # -- reports -----------------------------------------------------------------------------------------------------

    def find(self, kind: str, wanted: str) -> Parcel | None:
        """The report that has the token ``wanted``."""
        for each in self._store.present.values():
            for report in each.reports if each.type == kind else ():
                if report.token == wanted:
                    return Parcel(each, report)
        return None

    def first(self, kind: str) -> Parcel | None:
        """The report of that kind that is the next one."""
        for each in self._store.present.values():
            if each.reports and kind == (ELSEWHERE if each.reports_elsewhere else each.type):
                return Parcel(each, each.reports[0])
            if kind == SHADOW == each.type and not each.is_over and not each.source_endpoint:
                return None  # a shadow holds one state: what comes of this one must not take the place of a newer one's
        return None

    def acknowledged(self, parcel: Parcel) -> None:
        _log.info("%s: AWS IoT knows that it is %s", parcel.assignment.label, parcel.report.outcome.status)
        self.change(life.acknowledge(parcel.assignment, parcel.report.token))

    def refused(self, parcel: Parcel, why: str) -> None:
        """It will never be taken."""
        status = parcel.report.outcome.status
        _log.warning("%s: AWS IoT refuses the report %s: %s", parcel.assignment.label, status, why)
        self.change(life.refuse(parcel.assignment, parcel.report.token, why))

    def postponed(self, parcel: Parcel, why: str) -> None:
        """It was not taken, but may be after a while."""
        status = parcel.report.outcome.status
        _log.warning("%s: AWS IoT does not take the report %s yet: %s", parcel.assignment.label, status, why)
        self._couriers[parcel.assignment.type].retry(parcel.report.token)

    def conflicting(self, parcel: Parcel) -> None:
        """The shadow has changed; it is sent again when the present version is known."""
        self.shadow_version = 0
        self._couriers[SHADOW].settled(parcel.report.token)

    def look_soon(self) -> None:
        """Do what is due, when what happens now is over."""
        if not self._looking:
            self._looking = True
            self._loop.call_soon(self._look)

    def _look(self) -> None:
        self._looking = False
        self._carrier.look()
        for courier in self._couriers.values():
            courier.poke()
        self._on_change()

    def _next(self, kind: str) -> Parcel | None:
        may_go = self._link.connected and (kind != SHADOW or self.shadow_version)
        return self.first(kind) if may_go else None

    def _send(self, parcel: Parcel, done: Callable[[], None], failed: Callable[[Any], None]) -> None:
        self._sending.send(parcel, self.shadow_version, done, failed, lambda why: self._settle(parcel, why))

    def _send_elsewhere(self, parcel: Parcel, _done: Callable[[], None], failed: Callable[[Any], None]) -> None:
        def stayed() -> None:
            self._settled(parcel.report.token)
            assignment = self._store.present.get(parcel.assignment.number)
            if assignment is not None:
                self.change(life.stayed(assignment))

        self._sending.send_elsewhere(parcel, stayed, failed, lambda why: self._settle(parcel, why))

    def _settle(self, parcel: Parcel, why: str) -> None:
        """No answer will come: it was sent, or was not, and ``why``."""
        current = self.find(parcel.assignment.type, parcel.report.token)
        if current is not None and why:
            self.refused(current, why)
        elif current is not None:
            self.acknowledged(current)

    def _settled(self, wanted: str) -> None:
        """The report that has the token ``wanted`` is not waited for any more."""
        for courier in self._couriers.values():
            courier.settled(wanted)


def token() -> str:
    """By which an answer is known to belong to what was sent."""
    return os.urandom(8).hex()


def _now() -> int:
    return time.time_ns() // 1_000_000
