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
from ggl.jobsd.outcome import IN_PROGRESS, job_details, shadow_details
from ggl.jobsd.shadow import report as shadow_report
from ggl.jobsd.topics import Topics
from ggl.values import InvalidValue

if TYPE_CHECKING:
    from ggl.bus.loop import Loop
    from ggl.jobsd.link import Done, Failed, Link
    from ggl.paths import Root

MAX_TRIES = 60
"""How often a report to the endpoint of before is tried, once a minute; it may be gone for good."""


class Sending:
    def __init__(self, loop: Loop, link: Link, root: Root) -> None:
        self._loop = loop
        self._link = link
        self._root = root
        self._tries: dict[str, int] = {}

    def send(self, parcel: Parcel, version: int, done: Done, failed: Failed, settle: Callable[[str], None]) -> None:
        """``done``: AWS IoT has it, and will answer. ``settle`` (with why it was not sent, or nothing): no answer
        will come."""
        topic, message = message_of(parcel, Topics(self._link.thing), version)
        source = parcel.assignment.source_endpoint
        if not source:
            self._link.publish(topic, message, 1, done, failed)
            return

        def read(endpoint: Any, error: BaseException | None) -> None:
            if error is not None:
                failed(error if isinstance(error, BusError) else BusError(ErrorCode.CONFIG, str(error)))
            elif endpoint == source:
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

        self._loop.run_blocking(self._endpoint, read)

    def _endpoint(self) -> str:
        """The present endpoint. Raises ``BusError``."""
        from ggl.cloud.settings import load

        try:
            return load(self._root).data_endpoint
        except InvalidValue as error:
            raise BusError(ErrorCode.CONFIG, str(error)) from None


def message_of(parcel: Parcel, topics: Topics, version: int) -> tuple[str, dict[str, Any]]:
    """Topic and message of a report. ``version``: of the shadow, if it is one's."""
    outcome, token = parcel.report.outcome, parcel.report.token
    key = parcel.assignment.key
    if parcel.assignment.type == JOB:
        details = job_details(outcome)
        more = {"statusDetails": details} if details else {}
        return topics.update(key), {"status": outcome.status, **more, "clientToken": token}
    return topics.shadow_update, shadow_report(key, outcome.status, shadow_details(outcome), version, token)
