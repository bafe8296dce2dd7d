"""What an answer of AWS IoT means for what this device has: is it new, known, or gone?

The answer to "which job is next" is the truth about the moment in which it was given: of the jobs that wait, those
that have begun come first, then the others in the order in which they were queued. So it tells as well which jobs do
not wait any more. Notices only say that it is time to ask; they may come late, twice, or in another order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ggl.jobsd.assignment import JOB, Assignment
from ggl.jobsd.assignment import SHADOW as SHADOW_TYPE
from ggl.jobsd.messages import IN_PROGRESS, WAITING, Execution
from ggl.jobsd.outcome import CANCELED, OVER
from ggl.jobsd.shadow import Shadow

NEW = "new"
KNOWN = "known"
UNTOLD = "untold"
"""It is over here, and AWS IoT has not taken that: it is to be told again."""


@dataclass(frozen=True)
class Verdict:
    """``known``: what there is of it already; ``gone``: the numbers of what is not wanted any more."""

    what: str
    known: Assignment | None = None
    gone: tuple[int, ...] = ()


def judge_job(
    execution: Execution | None, present: Iterable[Assignment], past: Iterable[Assignment], last: int
) -> Verdict:
    """The next job is ``execution``, or there is none. ``past`` are those that are finished, oldest first; ``last`` is
    the number of the newest one that was known when AWS IoT was asked."""
    present = [each for each in present if each.type == JOB]
    gone = tuple(each.number for each in present if each.number <= last and not _may_wait(each, execution))
    if execution is None:
        return Verdict(KNOWN, None, gone)
    same = [each for each in (*past, *present) if each.type == JOB and each.key == execution.job_id]
    known = same[-1] if same else None
    if execution.status not in WAITING or (known is not None and execution.queued_at < known.queued_at):
        return Verdict(KNOWN, known, gone)
    if known is None or execution.queued_at > known.queued_at:
        return Verdict(NEW, known, gone)
    if not known.is_finished or known.reported in OVER:
        return Verdict(KNOWN, known, gone)
    if known.withdrawn and known.status == CANCELED:
        return Verdict(NEW, known, gone)  # it is wanted after all
    return Verdict(UNTOLD, known, gone)


def judge_shadow(shadow: Shadow, present: Iterable[Assignment], past: Iterable[Assignment]) -> Verdict:
    """Only the newest shadow deployment is wanted."""
    if shadow.brief is None:
        return Verdict(KNOWN)
    everything = [each for each in (*past, *present) if each.type == SHADOW_TYPE]
    newest = max(everything, key=lambda each: each.number, default=None)
    is_newest = newest is not None and newest.key == shadow.brief.arn
    gone = tuple(
        each.number
        for each in everything
        if not _is_settled(each) and (shadow.canceled or each.key != shadow.brief.arn)
    )
    if is_newest or shadow.reported in OVER:
        return Verdict(KNOWN, newest if is_newest else None, gone)
    return Verdict(NEW, None, gone)


def _is_settled(assignment: Assignment) -> bool:
    """Whether it does not matter any more what AWS IoT says of it: it is over, or it moves the device to another
    endpoint, where nothing is known of it."""
    return assignment.is_over or bool(assignment.source_endpoint)


def _may_wait(assignment: Assignment, execution: Execution | None) -> bool:
    """Whether ``assignment`` can be waiting, if ``execution`` is the first of those that wait."""
    if _is_settled(assignment):
        return True
    if execution is None:
        return False
    if execution.job_id == assignment.key:
        return execution.queued_at <= assignment.queued_at and execution.status in WAITING
    if execution.status == IN_PROGRESS:
        return True
    return assignment.reported != IN_PROGRESS and execution.queued_at <= assignment.queued_at
