"""Which rung comes next. Pure: what was done so far, what is configured, and what time it is decide.

The order: the component's own response, as often as its limit allows; the previous generation, if that is configured;
each hook in the order of their names. A core daemon has no response of its own. ``next_move`` is asked when no rung is
being climbed; its answer is recorded before anything is done, so that asking again goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ggl.recoveryd.policy import NONE, RESPONSES, STOP, Policy, Response
from ggl.recoveryd.record import GENERATION, HOOK, LIMP_HOME, SKIPPED, Recovery, Rung


@dataclass(frozen=True)
class Climb:
    """Do it. ``attempt``: which one it is within the limit, 0 if there is none; ``delay``: seconds to wait before."""

    name: str
    detail: str = ""
    attempt: int = 0
    delay: float = 0.0


@dataclass(frozen=True)
class Skip:
    """Leave the rung out, for a reason that is worth recording."""

    name: str
    why: str


@dataclass(frozen=True)
class Close:
    """The recovery is over."""

    outcome: str
    message: str


Move = Climb | Skip | Close


def next_move(recovery: Recovery, policy: Policy, past: Sequence[Recovery], hooks: Sequence[str], now: int) -> Move:
    """``past``: all other recoveries that are known; ``hooks``: names of the scripts there are; ``now``: ms."""
    failure = recovery.failure
    if not failure.is_core:
        response = policy.response(failure.component)
        move = _own_response(recovery, response, past, now)
        if move is not None:
            return move
        if not response.escalate:
            return Close(LIMP_HOME, "its failures are not to escalate; it stays down, everything else goes on")
    move = _generation(recovery, policy) or _hook(recovery, policy, past, hooks, now)
    if move is not None:
        return move
    if not recovery.rungs:
        return Close(LIMP_HOME, "no response is configured and there are no hooks; everything else goes on")
    return Close(LIMP_HOME, "nothing helped; everything else goes on")


def _own_response(recovery: Recovery, response: Response, past: Sequence[Recovery], now: int) -> Move | None:
    kind = response.kind
    if kind == NONE or any(rung.name in (GENERATION, HOOK) for rung in recovery.rungs):
        return None
    own = [rung for rung in recovery.rungs if rung.name in RESPONSES]
    if own and own[-1].outcome == SKIPPED:
        return None
    if kind == STOP:
        return None if own else Climb(STOP)
    used = attempts([*past, recovery], recovery.subject, kind, response.interval, now)
    if used >= response.attempts:
        return None if own else Skip(kind, limit_reached(used, response.interval))
    return Climb(kind, attempt=used + 1, delay=response.delay if own else 0.0)


def _generation(recovery: Recovery, policy: Policy) -> Move | None:
    wanted = policy.generation
    if not wanted.enabled or any(rung.name in (GENERATION, HOOK) for rung in recovery.rungs):
        return None
    failure = recovery.failure
    if failure.is_core:
        return Climb(GENERATION) if wanted.core else None
    if wanted.components is not None and failure.component not in wanted.components:
        return None
    return Climb(GENERATION)


def _hook(
    recovery: Recovery, policy: Policy, past: Sequence[Recovery], hooks: Sequence[str], now: int
) -> Climb | Skip | None:
    climbed = [rung for rung in recovery.rungs if rung.name == HOOK]
    if climbed and climbed[-1].outcome == SKIPPED:
        return None
    left = [hook for hook in sorted(hooks) if not climbed or hook > climbed[-1].detail]
    if not left:
        return None
    limit = policy.hooks
    used = sum(
        attempts([each], recovery.subject, HOOK, limit.interval, now) > 0 for each in past if each.id != recovery.id
    )
    if not climbed and used >= limit.attempts:
        return Skip(HOOK, limit_reached(used, limit.interval))
    return Climb(HOOK, left[0], attempt=used + 1)


def attempts(recoveries: Iterable[Recovery], subject: str, name: str, interval: float, now: int) -> int:
    """How often the rung ``name`` was climbed for ``subject`` in the last ``interval`` seconds.

    What lies in the future, after the clock was set back, counts as well.
    """
    since = now - interval * 1000
    return sum(
        rung.name == name and rung.outcome != SKIPPED and rung.begun > since
        for recovery in recoveries
        if recovery.subject == subject
        for rung in recovery.rungs
    )


def limit_reached(used: int, interval: float) -> str:
    return f"the limit is reached: {used} in the last {interval:g} s"


def left_before(recoveries: Iterable[Recovery], name: str, subject: str = "") -> set[str]:
    """The generations (or versions of the component ``subject``) that were left for another one by the rung ``name``.

    None of them is gone back to, and none is left twice: recovery never goes in a circle.
    """
    return {
        rung.origin
        for recovery in recoveries
        if subject in ("", recovery.subject)
        for rung in recovery.rungs
        if rung.name == name and rung.origin and rung.deployment_id
    }


def leads_nowhere(recovery: Recovery, past: Sequence[Recovery]) -> bool:
    """Whether nothing could be tried, and the recovery of the same before it ended no better: it is that one again."""
    before = last_of(past, recovery.subject)
    return (
        recovery.outcome == LIMP_HOME
        and before is not None
        and before.outcome == LIMP_HOME
        and (before.failure.unit, before.failure.version) == (recovery.failure.unit, recovery.failure.version)
        and all(rung.outcome == SKIPPED for rung in recovery.rungs)
    )


def last_of(past: Sequence[Recovery], subject: str) -> Recovery | None:
    return next((each for each in reversed(past) if each.subject == subject and each.is_over), None)


def tried(rungs: Iterable[Rung]) -> str:
    """What was tried so far, for hooks: ``restart:failed generation:skipped``."""
    return " ".join(f"{rung.detail or rung.name}:{rung.outcome}" for rung in rungs if rung.is_over)
