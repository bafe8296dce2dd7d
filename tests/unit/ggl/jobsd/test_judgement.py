"""What an answer says about what this device has."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ggl.jobsd.assignment import DONE, JOB, Assignment
from ggl.jobsd.assignment import SHADOW as SHADOW_TYPE
from ggl.jobsd.judgement import KNOWN, NEW, UNTOLD, judge_job, judge_shadow
from ggl.jobsd.messages import Brief, Execution
from ggl.jobsd.shadow import Shadow

HERE = Assignment(7, JOB, "here", queued_at=100)
BEGUN = replace(HERE, reported="IN_PROGRESS")
FINISHED = replace(HERE, stage=DONE, status="SUCCEEDED", reported="SUCCEEDED")
WITHDRAWN = replace(HERE, stage=DONE, status="CANCELED", withdrawn=True)
REFUSED = replace(HERE, stage=DONE, status="FAILED", refused="InvalidRequest")


@pytest.mark.parametrize(
    ("here", "told", "gone"),
    [
        (HERE, None, True),
        (HERE, Execution("here", "QUEUED", 100), False),
        (HERE, Execution("here", "IN_PROGRESS", 100), False),
        (HERE, Execution("here", "CANCELED", 100), True),
        (HERE, Execution("here", "QUEUED", 101), True),
        (HERE, Execution("other", "QUEUED", 99), False),
        (HERE, Execution("other", "QUEUED", 100), False),
        (HERE, Execution("other", "QUEUED", 101), True),
        (HERE, Execution("other", "IN_PROGRESS", 101), False),
        (BEGUN, Execution("other", "QUEUED", 99), True),
        (BEGUN, Execution("other", "IN_PROGRESS", 99), False),
        (replace(HERE, stage=DONE), None, False),
    ],
)
def test_a_job_that_would_come_first_and_does_not_is_gone(here: Assignment, told: Execution | None, gone: bool) -> None:
    assert judge_job(told, [here], [], last=7).gone == ((7,) if gone else ())


def test_what_came_after_the_question_is_not_judged_by_the_answer() -> None:
    assert judge_job(None, [HERE], [], last=6).gone == ()


@pytest.mark.parametrize(
    ("past", "told", "what"),
    [
        ([], Execution("here", "QUEUED", 100), NEW),
        ([], Execution("here", "IN_PROGRESS", 100), NEW),
        ([], Execution("here", "SUCCEEDED", 100), KNOWN),
        ([], Execution("here", "REMOVED", 100), KNOWN),
        ([FINISHED], Execution("here", "QUEUED", 100), KNOWN),
        ([FINISHED], Execution("here", "QUEUED", 99), KNOWN),
        ([FINISHED], Execution("here", "QUEUED", 101), NEW),
        ([FINISHED], Execution("other", "QUEUED", 50), NEW),
        ([WITHDRAWN], Execution("here", "QUEUED", 100), NEW),
        ([REFUSED], Execution("here", "IN_PROGRESS", 100), UNTOLD),
        ([REFUSED, FINISHED], Execution("here", "IN_PROGRESS", 100), KNOWN),
    ],
)
def test_what_is_known_is_not_done_again(past: list[Assignment], told: Execution, what: str) -> None:
    assert judge_job(told, [], past, last=7).what == what


def shadow(arn: str, canceled: bool = False, reported: str = "") -> Shadow:
    return Shadow(3, Brief("d", "", arn), {}, canceled, reported)


@pytest.mark.parametrize(
    ("told", "what", "gone"),
    [
        (Shadow(3), KNOWN, ()),
        (shadow("a"), KNOWN, ()),
        (shadow("b"), NEW, (4,)),
        (shadow("a", canceled=True), KNOWN, (4,)),
        (shadow("b", canceled=True), NEW, (4,)),
        (shadow("b", reported="SUCCEEDED"), KNOWN, (4,)),
        (shadow("b", reported="IN_PROGRESS"), NEW, (4,)),
    ],
)
def test_only_the_newest_shadow_deployment_is_wanted(told: Shadow, what: str, gone: tuple[int, ...]) -> None:
    verdict = judge_shadow(told, [Assignment(4, SHADOW_TYPE, "a"), HERE], [])
    assert (verdict.what, verdict.gone) == (what, gone)
