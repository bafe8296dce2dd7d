"""What AWS IoT says, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ggl.jobsd import topics
from ggl.jobsd.asking import Asking
from ggl.jobsd.assignment import JOB, SHADOW, Assignment
from ggl.jobsd.book import Book
from ggl.jobsd.judgement import NEW, UNTOLD, judge_job, judge_shadow
from ggl.jobsd.messages import Execution, brief_of, execution_of, is_empty_notice, refusal_of, token_of
from ggl.jobsd.outcome import IN_PROGRESS
from ggl.jobsd.shadow import decode_shadow, is_new_desire, version_of
from ggl.jobsd.topics import Arrival, Topics
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.bus.loop import Loop
    from ggl.bus.remote import Remote
    from ggl.jobsd.link import Link
    from ggl.jobsd.sending import Sending
    from ggl.jobsd.store import Store

_GONE = ("ResourceNotFound", "TerminalStateReached", "InvalidStateTransition")
"""With these AWS IoT says that a job does not wait for this device any more."""
_log = get_logger("jobsd")


class Desk:
    """``on_change`` is called when ``is_busy`` may have changed."""

    def __init__(
        self,
        loop: Loop,
        store: Store,
        link: Link,
        deployments: Remote,
        sending: Sending,
        on_change: Callable[[], None],
    ) -> None:
        self._store = store
        self._link = link
        self._on_change = on_change
        self._book = Book(loop, store, link, deployments, sending, self._finished, on_change)
        self._jobs = Asking(loop, "the next job", self._ask_for_job, lambda: link.connected, on_change)
        self._shadow = Asking(loop, "the deployment shadow", self._ask_for_shadow, lambda: link.connected, on_change)
        self._known_when_asked = 0
        self._retold: set[str] = set()
        """The jobs whose outcome was told again over this connection: once is enough."""

    def begin(self) -> None:
        self._book.begin()

    @property
    def is_busy(self) -> bool:
        """Whether something is to be done, or waited for."""
        return bool(self._store.present) or self._link.is_waking or self._jobs.is_open or self._shadow.is_open

    def list(self) -> list[dict[str, Any]]:
        """The last ones, oldest first."""
        return [each.public() for each in (*self._store.past, *self._store.present.values())]

    def connected(self, resumed: bool) -> None:
        """There is a new connection; ``resumed``: with the session of before."""
        self._retold.clear()
        self._book.connected(resumed)
        self._jobs.connected()
        self._shadow.connected()
        self._on_change()

    def message(self, arrival: Arrival, message: Mapping[str, Any]) -> None:
        """Raises ``InvalidValue`` for what cannot be used."""
        try:
            if arrival.kind in (topics.NOTICE, topics.NEXT_NOTICE):
                self._notice(message)
            elif arrival.kind == topics.GET:
                self._job_answer(arrival, message)
            elif arrival.kind == topics.UPDATE:
                self._job_report_answer(arrival, message)
            elif arrival.kind == topics.SHADOW_GET:
                self._shadow_answer(arrival, message)
            else:
                self._shadow_report_answer(arrival, message)
        finally:
            self._on_change()

    # -- jobs --------------------------------------------------------------------------------------------------------

    def _notice(self, message: Mapping[str, Any]) -> None:
        """What waits has changed. When nothing does, that is no news unless there is something here."""
        present = any(each.type == JOB and not each.is_over for each in self._store.present.values())
        if present or not is_empty_notice(message):
            self._jobs.ask()

    def _ask_for_job(self, token: str) -> None:
        self._known_when_asked = self._store.last
        request = {"jobId": topics.NEXT, "thingName": self._link.thing, "includeJobDocument": True}
        topic = Topics(self._link.thing).get_next
        self._link.publish(topic, {**request, "clientToken": token}, 0, _nothing, lambda _error: self._jobs.later())

    def _job_answer(self, arrival: Arrival, message: Mapping[str, Any]) -> None:
        if not self._jobs.take(token_of(message)):
            if arrival.accepted:
                self._jobs.ask()  # not what this daemon has asked for: no truth, but a hint
            return
        if not arrival.accepted:
            _log.warning("AWS IoT does not tell the next job yet: %s", refusal_of(message))
            self._jobs.later()
            return
        execution = execution_of(message)
        verdict = judge_job(execution, self._store.present.values(), self._store.past, self._known_when_asked)
        for number in verdict.gone:
            self._book.withdraw(number, "AWS IoT has it no more")
        if execution is not None and verdict.what == NEW:
            self._take_job(execution, verdict.known)
        elif verdict.what == UNTOLD and verdict.known is not None and verdict.known.key not in self._retold:
            self._retold.add(verdict.known.key)
            self._book.retell(verdict.known)

    def _take_job(self, execution: Execution, known: Assignment | None) -> None:
        round_number = 1
        if known is not None:
            self._book.supersede(known.number)
            round_number += known.round if known.queued_at == execution.queued_at else 0
        assignment = Assignment(0, JOB, execution.job_id, queued_at=execution.queued_at, round=round_number)
        if not self._book.take(assignment, brief_of(execution.document), execution.document):
            self._jobs.later(answered=True)

    def _job_report_answer(self, arrival: Arrival, message: Mapping[str, Any]) -> None:
        parcel = self._book.find(JOB, token_of(message))
        if parcel is None or parcel.assignment.key != arrival.job_id:
            return
        status, refusal = parcel.report.outcome.status, refusal_of(message)
        if arrival.accepted or refusal.status == status:
            self._book.acknowledged(parcel)
        elif refusal.is_passing:
            self._book.postponed(parcel, str(refusal))
        else:
            self._book.refused(parcel, str(refusal))
            if refusal.code in _GONE and status == IN_PROGRESS:
                self._book.withdraw(parcel.assignment.number, "AWS IoT has ended it")

    def _finished(self, assignment: Assignment) -> None:
        if assignment.type == JOB:
            self._jobs.ask()

    # -- the shadow --------------------------------------------------------------------------------------------------

    def _ask_for_shadow(self, token: str) -> None:
        topic = Topics(self._link.thing).shadow_get
        self._link.publish(topic, {"clientToken": token}, 0, _nothing, lambda _error: self._shadow.later())

    def _shadow_answer(self, arrival: Arrival, message: Mapping[str, Any]) -> None:
        if not self._shadow.take(token_of(message)):
            if arrival.accepted:
                self._shadow.ask()
            return
        if not arrival.accepted:
            self._no_shadow(message)
            return
        self._book.shadow_version = version_of(message)
        self._book.look_soon()
        shadow = decode_shadow(message)
        verdict = judge_shadow(shadow, self._store.present.values(), self._store.past)
        for number in verdict.gone:
            self._book.withdraw(number, "it was canceled" if shadow.canceled else "there is a newer one")
        if verdict.what == NEW and shadow.brief is not None:
            everything = (*self._store.past, *self._store.present.values())
            before = max((each.round for each in everything if each.key == shadow.brief.arn), default=0)
            assignment = Assignment(0, SHADOW, shadow.brief.arn, withdrawn=shadow.canceled, round=before + 1)
            if not self._book.take(assignment, shadow.brief, shadow.document):
                self._shadow.later(answered=True)

    def _no_shadow(self, message: Mapping[str, Any]) -> None:
        refusal = refusal_of(message)
        if refusal.is_missing:
            while (parcel := self._book.first(SHADOW)) is not None:
                self._book.refused(parcel, str(refusal))  # a report would make one that nobody has asked for
        else:
            _log.warning("AWS IoT does not tell the deployment shadow yet: %s", refusal)
            self._shadow.later()

    def _shadow_report_answer(self, arrival: Arrival, message: Mapping[str, Any]) -> None:
        parcel = self._book.find(SHADOW, token_of(message))
        if arrival.accepted:
            if self._book.shadow_version:
                self._book.shadow_version = max(self._book.shadow_version, version_of(message))
            if parcel is not None:
                self._book.acknowledged(parcel)
            elif is_new_desire(message):
                self._shadow.ask()
            return
        if parcel is None:
            return
        refusal = refusal_of(message)
        if refusal.is_conflict:
            self._book.conflicting(parcel)
            self._shadow.ask()
        elif refusal.is_passing:
            self._book.postponed(parcel, str(refusal))
        else:
            self._book.refused(parcel, str(refusal))


def _nothing() -> None:
    pass
