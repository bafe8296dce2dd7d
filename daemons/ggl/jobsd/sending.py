"""Puts a report into the form of its topic, and sends it to the endpoint that it belongs to.

A deployment may move the device to another endpoint, maybe of another account. Its outcome is then reported to the
endpoint it came from, over a connection for that alone; nobody waits for an answer there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ggl.bus.errors import BusError
from ggl.jobsd.assignment import JOB
from ggl.jobsd.courier import Parcel
from ggl.jobsd.outcome import IN_PROGRESS, job_details, shadow_details
from ggl.jobsd.shadow import report as shadow_report
from ggl.jobsd.topics import Topics

if TYPE_CHECKING:
    from ggl.jobsd.link import Done, Failed, Link

MAX_TRIES = 60
"""How often a report to the endpoint of before is tried, once a minute; it may be gone for good."""


class Sending:
    def __init__(self, link: Link) -> None:
        self._link = link
        self._tries: dict[str, int] = {}

    def send(self, parcel: Parcel, version: int, done: Done, failed: Failed, settle: Callable[[str], None]) -> None:
        """``done``: AWS IoT has it, and will answer. ``settle`` (with why it was not sent, or nothing): no answer
        will come."""
        topic, message = message_of(parcel, Topics(self._link.thing), version)
        source = parcel.assignment.source_endpoint
        if not source:
            self._link.publish(topic, message, 1, done, failed)
            return

        def send_to(present: str) -> None:
            if present == source:
                self._link.publish(topic, message, 1, done, failed)
            elif parcel.report.outcome.status == IN_PROGRESS:
                settle("the device has moved to another endpoint")
            else:
                self._link.publish_once(source, topic, message, lambda: settle(""), missed)

        def missed(error: BusError) -> None:
            token = parcel.report.token
            self._tries[token] = self._tries.get(token, 0) + 1
            if self._tries[token] >= MAX_TRIES:
                del self._tries[token]
                settle(f"{source} cannot be reached: {error.message}")
            else:
                failed(error)

        self._link.ask_endpoint(send_to, failed)


def message_of(parcel: Parcel, topics: Topics, version: int) -> tuple[str, dict[str, Any]]:
    """Topic and message of a report. ``version``: of the shadow, if it is one's."""
    outcome, token = parcel.report.outcome, parcel.report.token
    key = parcel.assignment.key
    if parcel.assignment.type == JOB:
        details = job_details(outcome)
        more = {"statusDetails": details} if details else {}
        return topics.update(key), {"status": outcome.status, **more, "clientToken": token}
    return topics.shadow_update, shadow_report(key, outcome.status, shadow_details(outcome), version, token)
