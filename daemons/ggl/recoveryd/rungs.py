"""Climbing one rung: what each does, and what is known when it cannot be done.

``act`` is called when the rung has been recorded. It returns the rung, either over (with its outcome) or to be watched:
whether the component comes up decides then.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ggl.bus.errors import BusError, ErrorCode
from ggl.host.unit import install_unit, main_unit
from ggl.paths import Root
from ggl.recoveryd import deployments, script, watch
from ggl.recoveryd.device import Device
from ggl.recoveryd.hooks import DIRECTORY, environment
from ggl.recoveryd.ladder import left_before
from ggl.recoveryd.policy import REINSTALL, RESTART, ROLLBACK, SCRIPT, STOP, Policy
from ggl.recoveryd.record import FAILED, GENERATION, HOOK, RECOVERED, SKIPPED, Failure, Recovery, Rung
from ggl.recoveryd.watch import judge, own_units

REQUESTS = 3
"""How often a rollback is asked for when no answer comes."""
REQUEST_PAUSE = 5.0
"""Seconds between."""


@dataclass(frozen=True)
class Tools:
    """What rungs are climbed with. ``pause(seconds)`` waits and says whether this daemon leaves; ``others`` are all
    other recoveries that are known; ``take_reports`` takes note of what the host has reported by now."""

    root: Root
    device: Device
    pause: Callable[[float], bool]
    others: Callable[[], Sequence[Recovery]]
    take_reports: Callable[[], None]


def now() -> int:
    return time.time_ns() // 1_000_000


def end(rung: Rung, outcome: str, message: str) -> Rung:
    return replace(rung, ended=now(), outcome=outcome, message=message)


def act(tools: Tools, recovery: Recovery, rung: Rung, policy: Policy) -> Rung:
    """Raises ``InterruptedError`` when this daemon leaves meanwhile."""
    failure = recovery.failure
    try:
        if rung.name == RESTART:
            _restart(tools.device, failure)
        elif rung.name == REINSTALL:
            _reinstall(tools.device, failure)
        elif rung.name == STOP:
            tools.device.stop([unit.name for unit in own_units(failure, tools.device.units())])
            return end(rung, RECOVERED, "it was stopped")
        elif rung.name == SCRIPT:
            return _run_script(tools, recovery, rung, policy)
        elif rung.name == HOOK:
            return _run_hook(tools, recovery, rung, policy)
        elif rung.name == GENERATION:
            return _leave_generation(tools, recovery, rung, policy)
        elif rung.name == ROLLBACK:
            return _roll_component_back(tools, recovery, rung)
    except BusError as error:
        return end(rung, FAILED, f"it could not be done: {error.message}")
    return rung


def request_name(recovery: Recovery) -> str:
    """Under which name the current rung asks for a rollback: a request that was interrupted is found again by it."""
    return f"recovery {recovery.id} rung {len(recovery.rungs)}"


def _restart(device: Device, failure: Failure) -> None:
    known = {unit.name for unit in own_units(failure, device.units())}
    main = main_unit(failure.component)
    device.restart([main if main in known else failure.unit])


def _reinstall(device: Device, failure: Failure) -> None:
    known = {unit.name for unit in own_units(failure, device.units())}
    main, install = main_unit(failure.component), install_unit(failure.component)
    if install not in known or main not in known:
        _restart(device, failure)
        return
    device.stop([main])
    device.restart([install])
    device.start([main])


def _run_script(tools: Tools, recovery: Recovery, rung: Rung, policy: Policy) -> Rung:
    response = policy.response(recovery.failure.component)
    variables = environment(recovery, rung, tools.root, os.environ)
    arguments = ["/bin/sh", "-c", response.script]
    succeeded, how = script.run(arguments, variables, response.timeout, lambda: tools.pause(0))
    if not succeeded:
        return end(rung, FAILED, how)
    _restart(tools.device, recovery.failure)
    return rung


def _run_hook(tools: Tools, recovery: Recovery, rung: Rung, policy: Policy) -> Rung:
    path = tools.root.config / DIRECTORY / rung.detail
    variables = environment(recovery, rung, tools.root, os.environ)
    succeeded, how = script.run([str(path)], variables, policy.hooks.timeout, lambda: tools.pause(0))
    if succeeded:
        how += _start_what_is_down(tools.device, recovery.failure)
    return end(rung, RECOVERED if succeeded else FAILED, how)


def _start_what_is_down(device: Device, failure: Failure) -> str:
    """The cause is mended: what the hook has not started itself is started. What comes of it is another matter."""
    try:
        if judge(failure, device.units()) != watch.FAILED:
            return ""
        if failure.is_core:
            device.start([failure.unit])
        else:
            _restart(device, failure)
    except BusError as error:
        return f"; what failed could not be started: {error.message}"
    return "; what failed was started"


def _leave_generation(tools: Tools, recovery: Recovery, rung: Rung, policy: Policy) -> Rung:
    requested = _requested_before(tools, recovery)
    if requested:
        return replace(rung, deployment_id=requested)
    current, created = deployments.current_generation(tools.device.generations())
    within = policy.generation.within
    if within is not None and not 0 <= now() - created <= within * 1000:
        return end(rung, SKIPPED, f"generation {current} was made more than {within:g} s ago")
    left = left_before([*tools.others(), recovery], GENERATION)
    if str(current) in left:
        return end(rung, SKIPPED, f"generation {current} was left for an older one before")
    try:
        target = tools.device.preview_rollback().get("to")
    except BusError as error:
        return _nowhere(rung, error)
    if not isinstance(target, int):
        return end(rung, FAILED, "the generation to go back to is not known")
    if str(target) in left:
        return end(rung, SKIPPED, f"generation {target} was left for an older one before")
    rung = replace(rung, origin=str(current), target=str(target))
    return _request(tools, recovery, rung, to=target)


def _roll_component_back(tools: Tools, recovery: Recovery, rung: Rung) -> Rung:
    requested = _requested_before(tools, recovery)
    if requested:
        return replace(rung, deployment_id=requested)
    component = recovery.failure.component
    try:
        difference = tools.device.preview_rollback(component)
    except BusError as error:
        return _nowhere(rung, error)
    origin, target = deployments.version_change(difference, component)
    if target in left_before([*tools.others(), recovery], ROLLBACK, component):
        return end(rung, SKIPPED, f"version {target} was left for an older one before")
    rung = replace(rung, origin=origin or recovery.failure.version, target=target)
    return _request(tools, recovery, rung, component=component)


def _nowhere(rung: Rung, error: BusError) -> Rung:
    if error.code in (ErrorCode.NOENTRY, ErrorCode.UNSUPPORTED):
        return end(rung, SKIPPED, error.message)
    raise error


def _requested_before(tools: Tools, recovery: Recovery) -> str:
    return deployments.asked_for_by(tools.device.deployments(), request_name(recovery))


def _request(tools: Tools, recovery: Recovery, rung: Rung, component: str = "", to: int = 0) -> Rung:
    name = request_name(recovery)
    for number in range(REQUESTS):
        try:
            return replace(rung, deployment_id=tools.device.roll_back(name, component, to))
        except BusError as error:
            # It may have been heard all the same: asking again without a look would go back twice.
            requested = "" if error.code == ErrorCode.NOENTRY else _requested_before(tools, recovery)
            if requested:
                return replace(rung, deployment_id=requested)
            if error.code not in (ErrorCode.NOCONN, ErrorCode.BUSY, ErrorCode.RETRY, ErrorCode.TIMEOUT):
                raise
            if number == REQUESTS - 1:
                raise
            if tools.pause(REQUEST_PAUSE):
                raise InterruptedError from None
    return rung
