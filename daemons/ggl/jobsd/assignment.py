"""A deployment that AWS IoT has assigned to this device, and how it goes through life.

::

    WAITING   it is known here, and deploymentd may have it or not
    TAKEN     deploymentd has it
    OVER      it has an outcome; reports of it may still be on their way

Functions take an assignment and return what it becomes. Each may be told the same thing twice, and a record that is
older than what was seen before; nothing is reported twice for that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ggl.jobsd.outcome import CANCELED, IN_PROGRESS, OVER, Outcome, outcome_of, refused_here
from ggl.values import InvalidValue, get_bool, get_dict, get_int, get_list, get_str

JOB = "IOT_JOBS"
SHADOW = "SHADOW"

WAITING = "WAITING"
TAKEN = "TAKEN"
DONE = "OVER"
_STAGES = (WAITING, TAKEN, DONE)


@dataclass(frozen=True)
class Report:
    """A state that AWS IoT has not acknowledged yet. ``token`` stays the same, however often it is sent."""

    token: str
    outcome: Outcome


@dataclass(frozen=True)
class Assignment:
    """``number``: in the order of arrival. ``key``: the job id, or the configuration ARN of a shadow deployment.
    ``queued_at`` in seconds, ``received`` and ``finished`` in milliseconds since the epoch."""

    number: int
    type: str
    key: str
    queued_at: int = 0
    round: int = 1
    """How often the same thing was assigned: more than once, if it was withdrawn in between."""
    deployment_id: str = ""
    name: str = ""
    target: str = ""
    configuration_arn: str = ""
    received: int = 0
    finished: int = 0
    trail: str = ""
    document: Mapping[str, Any] = field(default_factory=dict)
    stage: str = WAITING
    status: str = ""
    """What the deployment is in; empty: nothing is known of it."""
    withdrawn: bool = False
    """It shall not be deployed any more; it is canceled unless it is too late."""
    mute: bool = False
    """Nothing is reported of it any more: it would be taken for something else."""
    reports: tuple[Report, ...] = ()
    reported: str = ""
    """The last state that AWS IoT has acknowledged."""
    refused: str = ""
    """With what it has refused the last one that it did refuse."""
    source_endpoint: str = ""
    """Where the report of the outcome belongs, if the deployment moves the device to another endpoint."""

    @property
    def request_id(self) -> str:
        """By which deploymentd knows whether it has this one already."""
        return f"{self.key}#{self.queued_at}#{self.round}"

    @property
    def label(self) -> str:
        """What it is called in the logs."""
        return f"job {self.key}" if self.type == JOB else f"the shadow deployment {self.key}"

    @property
    def is_over(self) -> bool:
        return self.stage == DONE

    @property
    def reports_elsewhere(self) -> bool:
        """Its next report is the outcome of a deployment that may have moved the device to another endpoint."""
        return bool(self.source_endpoint and self.reports and self.reports[0].outcome.status != IN_PROGRESS)

    @property
    def is_finished(self) -> bool:
        """Nothing is left to do."""
        return self.stage == DONE and not self.reports

    def to_dict(self) -> dict[str, Any]:
        """For the disk."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        reports = [{"token": report.token, "outcome": report.outcome.to_dict()} for report in self.reports]
        return {**values, "reports": reports}

    def public(self) -> dict[str, Any]:
        """For everybody else: ``pending`` are the states that AWS IoT does not know yet."""
        shown = self.to_dict()
        for name in ("number", "round", "document", "reports", "key", "mute"):
            del shown[name]
        return {
            **shown,
            "job_id": self.key if self.type == JOB else "",
            "request_id": self.request_id,
            "pending": [report.outcome.status for report in self.reports],
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Assignment:
        """Raises ``InvalidValue``."""
        values: dict[str, Any] = {}
        for item in fields(Assignment):
            if item.name in data and item.name != "reports":
                values[item.name] = _READ[str(item.type)](data, item.name)
        try:
            values["reports"] = tuple(
                Report(get_str(report, "token"), Outcome.from_dict(report["outcome"]))
                for report in get_list(data, "reports", [])
            )
            assignment = Assignment(**values)
        except (TypeError, KeyError, AttributeError) as error:
            raise InvalidValue(f"it is no assignment: {error}") from None
        if assignment.stage not in _STAGES or assignment.type not in (JOB, SHADOW):
            raise InvalidValue(f"it is a {assignment.type} that is {assignment.stage}")
        return assignment


_READ: dict[str, Callable[[Mapping[str, Any], str], Any]] = {
    "str": get_str,
    "int": get_int,
    "bool": get_bool,
    "Mapping[str, Any]": get_dict,
}

Tokens = Callable[[], str]
"""Gives a token that was not used before."""


def taken(assignment: Assignment) -> Assignment:
    return replace(assignment, stage=TAKEN) if assignment.stage == WAITING else assignment


def missed(assignment: Assignment) -> Assignment:
    """deploymentd does not have it, or not any more."""
    return assignment if assignment.is_over else replace(assignment, stage=WAITING, status="")


def observed(assignment: Assignment, record: Mapping[str, Any], tokens: Tokens) -> Assignment:
    """deploymentd shows the deployment as ``record``."""
    outcome = outcome_of(record)
    if assignment.is_over:
        return assignment
    source = str(record.get("source_endpoint") or "")
    assignment = replace(taken(assignment), source_endpoint=source or assignment.source_endpoint)
    # One that was over before it was looked at has been IN_PROGRESS all the same.
    begun = outcome.status == IN_PROGRESS or (outcome.status in OVER and outcome.status != CANCELED)
    begins = begun and assignment.status != IN_PROGRESS and not assignment.withdrawn
    if begins:
        assignment = _reporting(assignment, Outcome(IN_PROGRESS), tokens)
    if outcome.status in OVER:
        return over(assignment, outcome, tokens)
    return replace(assignment, status=outcome.status)


def over(assignment: Assignment, outcome: Outcome, tokens: Tokens) -> Assignment:
    """The deployment has come to ``outcome``.

    A job that AWS IoT has canceled needs no report of that; of everything else that it came to it does.
    """
    if assignment.is_over:
        return assignment
    assignment = replace(assignment, stage=DONE, status=outcome.status, document={})
    if outcome.status == CANCELED and assignment.type == JOB:
        if assignment.withdrawn:
            return assignment
        outcome = refused_here()
    return _reporting(assignment, outcome, tokens)


def withdraw(assignment: Assignment) -> Assignment:
    """AWS IoT does not want it any more. Of a job it does not want to hear any more, either."""
    if assignment.is_over or assignment.withdrawn:
        return assignment
    return replace(assignment, withdrawn=True, reports=() if assignment.type == JOB else assignment.reports)


def superseded(assignment: Assignment) -> Assignment:
    """The same job was queued anew. A report would be taken for one of the new execution."""
    return replace(assignment, withdrawn=True, mute=True, reports=())


def called_off(assignment: Assignment, tokens: Tokens) -> Assignment:
    """It was withdrawn, and deploymentd has never had it."""
    return over(assignment, Outcome(CANCELED), tokens)


def acknowledge(assignment: Assignment, token: str) -> Assignment:
    """AWS IoT has taken the report ``token``."""
    for report in assignment.reports:
        if report.token == token:
            rest = tuple(other for other in assignment.reports if other is not report)
            return replace(assignment, reports=rest, reported=report.outcome.status)
    return assignment


def refuse(assignment: Assignment, token: str, why: str) -> Assignment:
    """AWS IoT will never take the report ``token``."""
    rest = tuple(report for report in assignment.reports if report.token != token)
    return replace(assignment, reports=rest, refused=why) if len(rest) < len(assignment.reports) else assignment


def stayed(assignment: Assignment) -> Assignment:
    """The device is where it was: there is nothing special about the report of the outcome."""
    return replace(assignment, source_endpoint="")


def retold(assignment: Assignment, number: int, tokens: Tokens) -> Assignment:
    """A finished one again, of which AWS IoT does not know the outcome: to tell that and nothing else."""
    return _reporting(replace(assignment, number=number, finished=0), Outcome(assignment.status), tokens)


def kept(assignment: Assignment, finished: int) -> Assignment:
    """What is remembered of a finished one."""
    return replace(assignment, document={}, reports=(), finished=assignment.finished or finished)


def _reporting(assignment: Assignment, outcome: Outcome, tokens: Tokens) -> Assignment:
    if assignment.mute:
        return assignment
    return replace(assignment, reports=(*assignment.reports, Report(tokens(), outcome)))
