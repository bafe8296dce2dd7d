"""Brings reports to AWS IoT, one at a time, in order: the next one goes when the one before was answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ggl.bus.errors import BusError
from ggl.jobsd.assignment import Assignment, Report
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.bus.loop import Loop, Timer
    from ggl.jobsd.link import Done, Failed

ANSWER_SECONDS = 30.0
"""From when AWS IoT has the report to its answer."""
RETRY_SECONDS = 60.0
SETTLING_SECONDS = 5.0

_log = get_logger("jobsd")


@dataclass(frozen=True)
class Parcel:
    """A report, and what it is of."""

    assignment: Assignment
    report: Report


class Courier:
    """``choose`` gives the next report that may go, if any; ``send`` sends it."""

    def __init__(
        self,
        loop: Loop,
        choose: Callable[[], Parcel | None],
        send: Callable[[Parcel, Done, Failed], None],
        is_connected: Callable[[], bool],
    ) -> None:
        self._loop = loop
        self._choose = choose
        self._send = send
        self._is_connected = is_connected
        self._parcel: Parcel | None = None
        self._delivered = False
        self._timer: Timer | None = None

    def poke(self) -> None:
        """Something may have to be sent."""
        if self._parcel is not None or self._timer is not None:
            return
        parcel = self._choose()
        if parcel is None:
            return
        self._parcel, self._delivered = parcel, False

        def done() -> None:
            if self._parcel is parcel:
                self._delivered = True
                self._in(ANSWER_SECONDS, self._unanswered)

        def failed(error: BusError) -> None:
            if self._parcel is parcel:
                _log.warning("%s of %s cannot be reported yet: %s", _status(parcel), _label(parcel), error)
                self.retry(parcel.report.token)

        self._in(RETRY_SECONDS, self._overdue)
        self._send(parcel, done, failed)

    def settled(self, token: str) -> None:
        """The report ``token`` needs no sending any more, or anew."""
        if self._parcel is not None and self._parcel.report.token == token:
            self._clear()

    def retry(self, token: str) -> None:
        """The report ``token`` was not taken: send it again after a while."""
        if self._parcel is not None and self._parcel.report.token == token:
            self._parcel = None
            self._in(RETRY_SECONDS, self._again)

    def connected(self, resumed: bool) -> None:
        """There is a new connection. What AWS IoT had not got is still on its way; to what it had got an answer may
        come right now. If not, and this is not the session of before, none will any more."""
        if self._parcel is None:
            self._again()
        elif not self._delivered:
            self._in(RETRY_SECONDS, self._overdue)
        elif not resumed:
            self._in(SETTLING_SECONDS, self._again)

    def _again(self) -> None:
        self._clear()
        self.poke()

    def _overdue(self) -> None:
        """It should be there by now. Without a connection it need not: the next one is when it will be sent."""
        self._timer = None
        if self._is_connected() and self._parcel is not None:
            _log.warning("the report %s of %s was lost on its way", _status(self._parcel), _label(self._parcel))
            self._again()

    def _unanswered(self) -> None:
        if self._parcel is not None:
            _log.warning("AWS IoT has not answered the report %s of %s", _status(self._parcel), _label(self._parcel))
            self._parcel = None
        self._in(RETRY_SECONDS - ANSWER_SECONDS, self._again)

    def _in(self, seconds: float, callback: Callable[[], None]) -> None:
        """The one thing that time will bring."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, callback)

    def _clear(self) -> None:
        self._parcel = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _status(parcel: Parcel) -> str:
    return parcel.report.outcome.status


def _label(parcel: Parcel) -> str:
    return parcel.assignment.label
