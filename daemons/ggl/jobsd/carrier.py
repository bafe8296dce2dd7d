"""Hands assignments over to deploymentd, one after another, and follows what becomes of them.

That is safe to do twice: deploymentd knows a deployment that it was given before by its id and that of the request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ggl.bus.errors import BusError, ErrorCode
from ggl.jobsd import assignment as life
from ggl.jobsd.assignment import TAKEN, WAITING, Assignment
from ggl.jobsd.outcome import Outcome, not_begun, unusable
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.bus.calls import Subscription
    from ggl.bus.loop import Loop, Timer
    from ggl.bus.remote import Remote

CREATE_SECONDS = 120.0
AGAIN_SECONDS = 1.0
"""After the connection to deploymentd was lost."""
BUSY_SECONDS = 10.0
"""While deploymentd has no room, or still has an earlier deployment of that id."""
FAILURE_SECONDS = 30.0
MAX_FAILURES = 5
"""How often deploymentd may fail to take a deployment, before that counts as the deployment's failure."""

_INVALID = (ErrorCode.INVALID, ErrorCode.RANGE, ErrorCode.PARSE)
_AWAY = (ErrorCode.NOCONN, ErrorCode.TIMEOUT)
_LATER = (ErrorCode.BUSY, ErrorCode.RETRY, ErrorCode.NODATA)
_log = get_logger("jobsd")


class _Pursuit:
    """What goes on about one assignment: at most one call, one stream, one pause."""

    __slots__ = ("busy", "canceled", "failures", "stream", "timer")

    def __init__(self) -> None:
        self.busy = False
        self.canceled = False
        self.failures = 0
        self.stream: Subscription | None = None
        self.timer: Timer | None = None


class Carrier:
    """``present`` are the assignments by number; ``change`` is told what one of them has become."""

    def __init__(
        self,
        loop: Loop,
        deployments: Remote,
        present: Callable[[], Mapping[int, Assignment]],
        change: Callable[[Assignment], None],
        tokens: life.Tokens,
    ) -> None:
        self._loop = loop
        self._deployments = deployments
        self._present = present
        self._change = change
        self._tokens = tokens
        self._pursuits: dict[int, _Pursuit] = {}

    def look(self) -> None:
        """Do what is to be done next about each assignment. To be called whenever one has changed."""
        present = self._present()
        open_ones = [each for each in present.values() if not each.is_over]
        for number in [number for number in self._pursuits if number not in {each.number for each in open_ones}]:
            self._leave(self._pursuits.pop(number))
        first = min((each.number for each in open_ones if each.stage == WAITING and not each.withdrawn), default=0)
        for each in open_ones:
            pursuit = self._pursuits.setdefault(each.number, _Pursuit())
            if pursuit.busy or pursuit.timer is not None:
                continue
            if each.stage == TAKEN and pursuit.stream is None:
                self._follow(each, pursuit)
            elif each.stage == TAKEN and each.withdrawn and not pursuit.canceled:
                self._cancel(each, pursuit)
            elif each.stage == WAITING and each.withdrawn:
                self._find(each, pursuit)
            elif each.stage == WAITING and each.number == first:
                self._create(each, pursuit)
        if not open_ones:
            self._deployments.close()

    def _create(self, assignment: Assignment, pursuit: _Pursuit) -> None:
        params = {
            "document": dict(assignment.document),
            "type": assignment.type,
            "request_id": assignment.request_id,
            "requested_by": "AWS IoT",
        }

        def created(_answer: Any) -> None:
            pursuit.failures = 0
            self._update(assignment.number, life.taken)

        def failed(error: BusError) -> None:
            message = error.message.removeprefix("create_deployment: ")
            if error.code in _INVALID:
                text = f"the deployment document is not valid: {message}"
                self._end(assignment.number, unusable(text))
            elif error.code in _AWAY:
                self._pause(pursuit, AGAIN_SECONDS)
            elif error.code in _LATER:
                _log.info("%s has to wait: %s", assignment.label, message)
                self._pause(pursuit, BUSY_SECONDS)
            else:
                pursuit.failures += 1
                _log.warning("%s cannot be begun yet: %s", assignment.label, message)
                if pursuit.failures >= MAX_FAILURES:
                    self._end(assignment.number, not_begun(message))
                else:
                    self._pause(pursuit, FAILURE_SECONDS)

        self._call(assignment, pursuit, "create_deployment", params, created, failed, CREATE_SECONDS)

    def _find(self, assignment: Assignment, pursuit: _Pursuit) -> None:
        """It was withdrawn: does deploymentd have it at all?"""

        def found(record: Any) -> None:
            if _is_of(record, assignment):
                self._observe(assignment.number, record)
            else:
                self._update(assignment.number, lambda each: life.called_off(each, self._tokens))

        def failed(error: BusError) -> None:
            if error.code == ErrorCode.NOENTRY:
                self._update(assignment.number, lambda each: life.called_off(each, self._tokens))
            else:
                self._pause(pursuit, AGAIN_SECONDS)

        self._call(assignment, pursuit, "get", {"deployment_id": assignment.deployment_id}, found, failed)

    def _cancel(self, assignment: Assignment, pursuit: _Pursuit) -> None:
        def answered(answer: Any) -> None:
            pursuit.canceled = True
            message = answer.get("message") if isinstance(answer, dict) else ""
            _log.info("%s was withdrawn, its deployment %s: %s", assignment.label, assignment.deployment_id, message)

        def failed(_error: BusError) -> None:
            self._pause(pursuit, AGAIN_SECONDS)

        self._call(assignment, pursuit, "cancel", {"deployment_id": assignment.deployment_id}, answered, failed)

    def _follow(self, assignment: Assignment, pursuit: _Pursuit) -> None:
        def begun(record: Any) -> None:
            if _is_of(record, assignment):
                self._observe(assignment.number, record)
            else:
                missed()

        def missed() -> None:
            self._leave(pursuit)
            self._pause(pursuit, AGAIN_SECONDS)
            self._update(assignment.number, life.missed)

        def ended(error: BusError | None) -> None:
            pursuit.stream = None
            if error is not None and error.code == ErrorCode.NOENTRY:
                missed()
            else:
                self._pause(pursuit, AGAIN_SECONDS)

        trail, params = assignment.trail, {"deployment_id": assignment.deployment_id}
        pursuit.stream = self._deployments.subscribe(
            "subscribe", params, begun, lambda record: self._observe(assignment.number, record), ended, trail
        )

    # -- what all of them need ---------------------------------------------------------------------------------------

    def _call(
        self,
        assignment: Assignment,
        pursuit: _Pursuit,
        method: str,
        params: dict[str, Any],
        replied: Callable[[Any], None],
        failed: Callable[[BusError], None],
        timeout: float = 30.0,
    ) -> None:
        pursuit.busy = True

        def finish(callback: Callable[[Any], None], value: Any) -> None:
            pursuit.busy = False
            callback(value)
            self._loop.call_soon(self.look)

        self._deployments.call(
            *(method, params, lambda result: finish(replied, result), lambda error: finish(failed, error)),
            *(assignment.trail, timeout),
        )

    def _pause(self, pursuit: _Pursuit, seconds: float) -> None:
        def go_on() -> None:
            pursuit.timer = None
            self.look()

        if pursuit.timer is None:
            pursuit.timer = self._loop.call_later(seconds, go_on)

    def _leave(self, pursuit: _Pursuit) -> None:
        stream, pursuit.stream = pursuit.stream, None
        if stream is not None:
            stream.close()
        if pursuit.timer is not None:
            pursuit.timer.cancel()
            pursuit.timer = None

    def _observe(self, number: int, record: Any) -> None:
        if isinstance(record, dict):
            self._update(number, lambda each: life.observed(each, record, self._tokens))

    def _end(self, number: int, outcome: Outcome) -> None:
        self._update(number, lambda each: life.over(each, outcome, self._tokens))

    def _update(self, number: int, become: Callable[[Assignment], Assignment]) -> None:
        assignment = self._present().get(number)
        if assignment is not None:
            self._change(become(assignment))


def _is_of(record: Any, assignment: Assignment) -> bool:
    """Whether what deploymentd has is this assignment, and not another deployment with the same id."""
    return isinstance(record, dict) and record.get("request_id") == assignment.request_id
