"""Puts a report into the form of its topic, and sends it to the endpoint that it belongs to.

A deployment may move the device to another endpoint, maybe of another account. Its outcome is then reported to the
endpoint it came from, over a connection for that alone; nobody waits for an answer there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ggl.bus.errors import BusError, ErrorCode
from ggl.jobsd.assignment import JOB
from ggl.jobsd.courier import Parcel
from ggl.jobsd.outcome import job_details, shadow_details
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
        """``done``: AWS IoT has it, and will answer. ``settle`` (with why it was not sent): no answer will come."""
        topic, message = message_of(parcel, Topics(self._link.thing), version)
        source = parcel.assignment.source_endpoint
        if not source:
            self._link.publish(topic, message, 1, done, failed)
            return

        def send_to(present: str) -> None:
            if present == source:
                self._link.publish(topic, message, 1, done, failed)
            elif present:
                settle("the device has moved to another endpoint")
            else:
                failed(_nowhere())

        self._link.ask_endpoint(send_to, failed)

    def send_elsewhere(
        self, parcel: Parcel, stayed: Callable[[], None], failed: Failed, settle: Callable[[str], None]
    ) -> None:
        """Send the outcome of a deployment to the endpoint that it came from; ``stayed``: that is the present one.
        ``settle`` (with why it was not sent, or nothing): it is done with."""
        # What is known of a shadow is the version of another one now.
        topic, message = message_of(parcel, Topics(self._link.thing), 0)
        source, token = parcel.assignment.source_endpoint, parcel.report.token

        def send_to(present: str) -> None:
            if present == source:
                stayed()
            elif present:
                self._link.publish_once(source, topic, message, sent, missed)
            else:
                failed(_nowhere())

        def sent() -> None:
            self._tries.pop(token, None)
            settle("")

        def missed(error: BusError) -> None:
            self._tries[token] = self._tries.get(token, 0) + 1
            if self._tries[token] >= MAX_TRIES:
                del self._tries[token]
                settle(f"{source} cannot be reached: {error.message}")
            else:
                failed(error)

        self._link.ask_endpoint(send_to, failed)


def _nowhere() -> BusError:
    return BusError(ErrorCode.NOCONN, "it is not known to which endpoint the device is connected")


def message_of(parcel: Parcel, topics: Topics, version: int) -> tuple[str, dict[str, Any]]:
    """Topic and message of a report. ``version``: of the shadow, if it is one's (0: any)."""
    outcome, token = parcel.report.outcome, parcel.report.token
    key = parcel.assignment.key
    if parcel.assignment.type == JOB:
        details = job_details(outcome)
        more = {"statusDetails": details} if details else {}
        return topics.update(key), {"status": outcome.status, **more, "clientToken": token}
    return topics.shadow_update, shadow_report(key, outcome.status, shadow_details(outcome), version, token)
