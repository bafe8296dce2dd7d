"""One recovery from its first look to its end: the state machine between the ladder and the rungs.

*looking* (is it still down? is a deployment at work?) → *deciding* (``ladder``) → *climbing* (``rungs``) → *watching*
(does it come up and stay up?) → deciding again, until something helped or nothing is left. Every change is on the disk
before what follows from it is done. What a predecessor of this process had begun is not begun again: it is waited for
if it still runs, and then only what has come of it counts.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace

from ggl.bus.errors import BusError
from ggl.host.status import UnitStatus
from ggl.log import get_logger
from ggl.recoveryd import deployments, hooks, rungs, script, watch
from ggl.recoveryd.ladder import Climb, Close, Skip, leads_nowhere, next_move
from ggl.recoveryd.policy import RESPONSES, ROLLBACK, SCRIPT, STOP, Policy, parse
from ggl.recoveryd.record import (
    DEPLOYMENT,
    FAILED,
    GENERATION,
    HOOK,
    INTERRUPTED,
    LIMP_HOME,
    OVER,
    RECOVERED,
    SKIPPED,
    STOPPED,
    Failure,
    Recovery,
    Rung,
)
from ggl.recoveryd.rungs import Tools, now
from ggl.recoveryd.store import Store
from ggl.recoveryd.watch import Watch, Word

POLL = 0.5
"""Seconds between two looks at what something has come to."""
PATIENCE = 300.0
"""Seconds to come up in, after a rung that has no limit of its own."""
MAX_FAULTS = 3
"""Unexpected errors in a row after which a rung is given up, or the recovery itself."""

_log = get_logger("recoveryd")


class Climber:
    """``step`` again and again until it returns ``None``."""

    def __init__(self, recovery: Recovery, tools: Tools, store: Store) -> None:
        self.recovery = recovery
        self._tools = tools
        self._store = store
        self._policy: Policy | None = None
        self._looked = False
        self._own = False
        """The current rung was begun by this process."""
        self._cut_off = False
        """It is a script that a predecessor began; how that ended nobody knows."""
        self._delayed = False
        self._watch: Watch | None = None
        self._word = Word()
        self._deadline = 0.0
        self._faults = 0
        self._units: list[UnitStatus] = []

    def failed_again(self, failure: Failure) -> None:
        """The host gave up on it once more."""
        self._keep(replace(self.recovery, failure=replace(failure, unit=self.recovery.failure.unit)))

    def step(self) -> float | None:
        """Go on; returns the seconds after which to call again, or ``None`` when the recovery is over."""
        try:
            wait = self._step()
            self._faults = 0
            return wait
        except InterruptedError:
            raise
        except Exception as error:
            self._faults += 1
            if isinstance(error, BusError):
                self._say("the runtime does not answer: %s", error.message)
            else:
                _log.exception("the recovery of %s met an error that should not exist", self.recovery.subject)
            if self._faults >= MAX_FAULTS:
                self._faults = 0
                return self._give_up(str(error))
            return POLL * (1 << self._faults)

    def _step(self) -> float | None:
        rung = self.recovery.current
        if rung is not None:
            return self._follow(rung)
        if not self._looked:
            return self._look()
        return self._decide()

    def _give_up(self, why: str) -> float | None:
        rung = self.recovery.current
        if rung is not None:
            return self._end(rungs.end(rung, FAILED, why))
        if not self._looked:
            self._looked = True
            return 0.0
        return self._close(LIMP_HOME, f"it cannot go on: {why}")

    # -- looking -----------------------------------------------------------------------------------------------------

    def _look(self) -> float | None:
        if not self.recovery.rungs:
            verdict = self._verdict()
            if verdict == watch.FAILED or (verdict == watch.PENDING and self.recovery.failure.is_core):
                self._looked = True
                return 0.0
            return self._close(OVER, _RESTORED.get(verdict, "it is not given up any more"))
        found = self._watched(self._configured().settle, PATIENCE)
        if found == watch.PENDING:
            return POLL
        self._looked = True
        if found == watch.UP:
            return self._close(RECOVERED, "it is up")
        return 0.0 if found == watch.FAILED else self._close(OVER, _RESTORED[found])

    def _verdict(self) -> str:
        device, failure = self._tools.device, self.recovery.failure
        self._units = units = device.units()
        if failure.is_core and any(unit.name == failure.unit and not unit.started for unit in units):
            device.start([failure.unit])  # it would wait for a connection, and nobody would know
        verdict = watch.judge(failure, units)
        if verdict in (watch.STOPPED, watch.GONE) and device.is_stopping():
            raise InterruptedError  # the whole runtime goes down; when it is up again there will be another look
        return verdict

    def _told_verdict(self, answered: bool = False) -> str:
        """As ``_verdict``; what has failed has left word of it, so that this failure is known.

        ``answered``: what is known was answered; only another failure counts.
        """
        verdict, failure = self._verdict(), self.recovery.failure
        is_due = answered or watch.failed_at(failure, self._units) > failure.time
        return self._word.look(verdict, is_due, time.monotonic())

    def _watched(self, settle: float, timeout: float, answered: bool = False) -> str:
        if self._watch is None:
            self._watch = Watch(settle, timeout, time.monotonic())
        verdict = self._told_verdict(answered)
        return self._watch.look(verdict, watch.pid_of(self.recovery.failure, self._units), time.monotonic())

    # -- deciding ----------------------------------------------------------------------------------------------------

    def _decide(self) -> float | None:
        recovery = self.recovery
        first = not recovery.rungs
        policy = self._configured()
        if first and not recovery.failure.is_core:
            self._note_generation()
            deployment = self._deployment_at_work()
            if deployment:
                return self._begin(Rung(DEPLOYMENT, now(), deployment_id=deployment))
        names, problems = hooks.find(self._tools.root.config, os.geteuid())
        if first:
            for problem in problems:
                self._say("%s", problem)
        move = next_move(recovery, policy, self._tools.others(), names, now())
        if isinstance(move, Close):
            return self._close(move.outcome, move.message)
        if isinstance(move, Skip):
            return self._end(rungs.end(Rung(move.name, now()), SKIPPED, move.why))
        if move.delay and not self._delayed:
            self._delayed = True
            return move.delay
        self._delayed = False
        return self._begin(self._rung(move))

    def _rung(self, climb: Climb) -> Rung:
        return Rung(climb.name, now(), climb.detail, climb.attempt, self.recovery.failure.time)

    def _configured(self) -> Policy:
        if self._policy is None:
            try:
                # When it is configd that fails, it is not worth waiting for.
                data = self._tools.device.policy(*((1,) if self.recovery.failure.is_core else ()))
                self._policy, problems = parse(data)
            except BusError as error:
                self._policy, problems = (
                    Policy(),
                    [f"the configuration cannot be read, defaults apply: {error.message}"],
                )
            for problem in problems:
                self._say("%s", problem)
        return self._policy

    def _note_generation(self) -> None:
        """For the record and for hooks; none is worth waiting for."""
        try:
            number = deployments.current_generation(self._tools.device.generations(tries=1))[0]
        except BusError:
            return
        if number:
            self._keep(replace(self.recovery, generation=number))

    def _deployment_at_work(self) -> str:
        try:
            return deployments.concerning(self._tools.device.deployments(), self.recovery.failure.component)
        except BusError as error:
            self._say("the deployments cannot be read, going on without: %s", error.message)
            return ""

    # -- climbing ----------------------------------------------------------------------------------------------------

    def _begin(self, rung: Rung) -> float | None:
        self._own, self._cut_off, self._watch, self._word = True, False, None, Word()
        self._deadline = time.monotonic() + self._limit(rung)
        self._keep(self.recovery.with_rung(rung))
        self._say("%s begins (%s)", _title(rung), self._reason(), info=True)
        return self._act(rung)

    def _act(self, rung: Rung) -> float | None:
        acted = rungs.act(self._tools, self.recovery, rung, self._configured())
        if acted.is_over:
            return self._end(acted)
        if acted != rung:
            self._keep(self.recovery.with_rung(acted))
        return POLL

    def _follow(self, rung: Rung) -> float | None:
        if not self._own:
            self._own = self._looked = True
            self._deadline = time.monotonic() + self._limit(rung)
            self._cut_off = rung.name in (SCRIPT, HOOK)
            self._say("%s is taken up again", _title(rung), info=True)
            if rung.name == STOP or (rung.name in (ROLLBACK, GENERATION) and not rung.deployment_id):
                return self._act(rung)  # done twice it is the same, or it is found to have been asked for
        if self._cut_off and script.running(self.recovery.id):
            if time.monotonic() < self._deadline:
                return POLL
            script.end(self.recovery.id)
        if rung.name == DEPLOYMENT:
            return self._wait_for_deployment(rung)
        if rung.deployment_id and self._watch is None:
            deployment = self._tools.device.deployment(rung.deployment_id)
            if not deployments.is_over(deployment):
                late = time.monotonic() >= self._deadline
                return self._end(rungs.end(rung, FAILED, "it takes too long")) if late else POLL
            if not deployments.has_succeeded(deployment):
                cause = deployment.get("cause") or deployment.get("message") or deployment.get("status")
                return self._end(rungs.end(rung, FAILED, f"deployment {rung.deployment_id}: {cause}"))
        return self._watch_rung(rung)

    def _wait_for_deployment(self, rung: Rung) -> float | None:
        if self._deployment_at_work() and time.monotonic() < self._deadline:
            return POLL
        verdict = self._told_verdict()
        if verdict == watch.UNTOLD:
            return POLL
        if verdict != watch.FAILED:
            return self._end(rungs.end(rung, RECOVERED, _RESTORED.get(verdict, "it is not given up any more")))
        return self._end(rungs.end(rung, FAILED, "it is as it was"))

    def _watch_rung(self, rung: Rung) -> float | None:
        policy = self._configured()
        response = policy.response(self.recovery.failure.component)
        timeout = response.timeout if rung.name in RESPONSES else PATIENCE
        # A hook is not known to have started anything: how things are is how they stay.
        found = self._watched(policy.settle, timeout, answered=rung.name != HOOK)
        if rung.name != HOOK and self._failed_after(rung):
            found = watch.FAILED  # it was up for a moment and the host has given up again
        if found == watch.PENDING:
            return POLL
        if found == watch.FAILED:
            self._tools.take_reports()  # of this very failure, lest it counts as another one later
            what = "it was interrupted, and what failed is not up" if self._cut_off else "it is not up"
            return self._end(rungs.end(rung, INTERRUPTED if self._cut_off else FAILED, what))
        return self._end(rungs.end(rung, RECOVERED, _RESTORED[found]))

    def _failed_after(self, rung: Rung) -> bool:
        """The host has given up once more since ``rung`` was begun, and not only told of it since then."""
        failed = self.recovery.failure.time
        return failed != rung.failure_time and failed >= rung.begun

    def _end(self, rung: Rung) -> float | None:
        """The rung is over."""
        self._own, self._cut_off, self._watch, self._word = False, False, None, Word()
        self._keep(self.recovery.with_rung(rung))
        self._say("%s: %s: %s", _title(rung), rung.outcome, rung.message, info=rung.outcome == RECOVERED)
        if rung.outcome != RECOVERED:
            return 0.0
        if rung.name == DEPLOYMENT:
            return self._close(OVER, rung.message)
        return self._close(STOPPED if rung.name == STOP else RECOVERED, f"by {_title(rung)}")

    def _close(self, outcome: str, message: str) -> float | None:
        over = replace(self.recovery, closed=now(), outcome=outcome, message=message)
        if leads_nowhere(over, self._tools.others()):
            # Nothing new happened: the one before counts it, see ``Recoveries``.
            self.recovery = over
        else:
            self._keep(over)
            self._say("%s: %s", outcome, message, info=outcome != LIMP_HOME)
        return None

    # -- common ------------------------------------------------------------------------------------------------------

    def _limit(self, rung: Rung) -> float:
        policy = self._configured()
        if rung.name == HOOK:
            return policy.hooks.timeout
        if rung.name == SCRIPT:
            return policy.response(self.recovery.failure.component).timeout
        return policy.generation.timeout

    def _reason(self) -> str:
        failure = self.recovery.failure
        how = f"{failure.result or 'failure'} {failure.exit_status or ''}".strip()
        return f"{failure.unit} was given up: {how}"

    def _keep(self, recovery: Recovery) -> None:
        self.recovery = recovery
        self._store.save(recovery)

    def _say(self, message: str, *arguments: object, info: bool = False) -> None:
        say = _log.info if info else _log.warning
        say("recovery of %s: " + message, self.recovery.subject, *arguments)


def _title(rung: Rung) -> str:
    what = f"{rung.name} {rung.detail or rung.deployment_id}".strip()
    return f"{what} (attempt {rung.attempt})" if rung.attempt else what


_RESTORED = {
    watch.UP: "it is up",
    watch.DONE: "it is done",
    watch.STOPPED: "somebody stopped it",
    watch.GONE: "it is not there any more",
}
