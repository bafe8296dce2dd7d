"""The steps that change the device. Each can be done again after an interruption, from wherever it had got to."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from ggl.deploymentd import placing
from ggl.deploymentd.activation import by_component
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.plan import make_plan
from ggl.deploymentd.settling import Settling
from ggl.host.unit import ONCE_PHASES
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.deploymentd.activation import Activation
    from ggl.deploymentd.journal import Journal
    from ggl.deploymentd.runtime import Runtime
    from ggl.deploymentd.staging import Staging
    from ggl.host.status import UnitStatus
    from ggl.host.unit import Unit
    from ggl.paths import Root

_POLL = 1.0
"""Seconds after which a wait looks whether it should go on."""
_LEAST = 0.05
"""Seconds that it waits at least."""
_ONCE_GRACE = 30.0
"""Seconds beyond its own time limit after which a step that runs once is taken for lost."""

_log = get_logger("deployment")


def stop(runtime: Runtime, activation: Activation, *, early: bool) -> None:
    """Stop what is started anew. ``early``: what goes is stopped now as well, so that it is in nobody's way."""
    plan = make_plan(activation.units, runtime.units())
    runtime.stop((*plan.stop, *(plan.gone if early else ())))


def place(root: Root, activation: Activation, staging: Staging) -> None:
    placing.place(root, staging, activation.contents)


def start(runtime: Runtime, activation: Activation, changed: Collection[str]) -> None:
    """Load every unit, and start those of ``changed`` components and whatever else is not as it should be."""
    statuses = runtime.units()
    plan = make_plan(activation.units, statuses)
    down = {unit.name for unit in activation.units if unit.component in changed and not _is_wanted(unit, statuses)}
    names = [unit.name for unit in _install_first(activation.units) if unit.name in down or unit.name in plan.start]
    runtime.load(activation.units, names)


def start_again(runtime: Runtime, components: Collection[str]) -> None:
    """Start the units that the host has of ``components``: the last that can be done when nothing else is known."""
    statuses = runtime.units().values()
    down = (each for each in statuses if each.component in components and each.phase == "main" and not each.wanted)
    runtime.load((), [each.name for each in down])


def wait(runtime: Runtime, journal: Journal, activation: Activation, timeout: float) -> None:
    """Until every component is up. Raises ``DeploymentError`` when one is broken, or after ``timeout`` seconds."""
    changed = set(journal.deployment.changed)
    probation = {unit.component for unit in activation.units if unit.component in changed and _has_run(unit)}
    expected = [name for name in activation.versions if name not in activation.excused]
    settling = Settling(expected, probation)
    deadline = time.monotonic() + timeout
    with runtime.watch_health() as watch:
        while True:
            journal.check()
            now = time.monotonic()
            remaining = settling.remaining(now)
            # The word of an error may be on its way, on a device that is slow.
            if remaining is not None and remaining <= 0 and watch.is_up_to_date():
                runtime.check_not_stopping()
                return
            if now >= deadline:
                raise _too_late(settling, timeout)
            pause = _POLL if remaining is None else min(_POLL, max(remaining, _LEAST))
            settling.tell(watch.next(min(pause, deadline - now)), time.monotonic())
            journal.note(states=settling.states)
            if settling.broken:
                raise _broken(settling, journal.deployment.broken_before)


def remove(runtime: Runtime, journal: Journal, activation: Activation) -> None:
    """Stop and forget what is not wanted any more. Raises ``DeploymentError`` when an uninstall script fails; then
    everything else has been done."""
    plan = make_plan(activation.units, runtime.units())
    runtime.unload((*plan.unload, *plan.gone))
    failures = []
    for unit in activation.uninstall:
        journal.note(message=f"uninstalling {unit.component}")
        status = run_once(runtime, journal, unit)
        if status.active_state == "failed":
            failures.append(f"{unit.component}: {why_failed(status)}")
    runtime.unload(name for name, status in runtime.units().items() if status.phase in ONCE_PHASES)
    if failures:
        text = f"an uninstall script failed: {'; '.join(failures)}"
        raise DeploymentError(text, "COMPONENT_UPDATE_ERROR", "REMOVE_COMPONENT_ERROR")


def run_once(runtime: Runtime, journal: Journal, unit: Unit, *, begun: bool = False) -> UnitStatus:
    """Run ``unit`` to its end. ``begun``: it may be running, or have ended, already; otherwise it is begun anew."""
    if not begun or unit.name not in runtime.units():
        runtime.unload([unit.name])
        runtime.load([unit], [unit.name])
    limit = max((start.command.timeout or 0.0 for start in unit.start), default=0.0) + _ONCE_GRACE
    deadline = time.monotonic() + limit
    delay = 0.02
    while True:
        journal.check()
        status = runtime.units().get(unit.name)
        if status is None:
            raise DeploymentError(f"{unit.name} was removed while it ran", "COMPONENT_UPDATE_ERROR")
        if status.active_state == "failed" or (status.active_state in ("active", "inactive") and status.started):
            return status
        if time.monotonic() > deadline:
            raise DeploymentError(f"{unit.name} did not end within {limit:g} s", "COMPONENT_UPDATE_ERROR")
        journal.sleep(delay)
        delay = min(delay * 1.5, 0.5)


def why_failed(status: UnitStatus) -> str:
    """How a unit that ran once ended, in words."""
    if status.result == "exit-code":
        return f"exit code {status.exit_status}"
    if status.result == "timeout":
        return "it took longer than its time limit"
    if status.result == "signal":
        return f"ended by signal {status.exit_status}"
    return status.status_text or status.result


def _is_wanted(unit: Unit, statuses: dict[str, UnitStatus]) -> bool:
    status = statuses.get(unit.name)
    return status is not None and status.wanted


def _install_first(units: Iterable[Unit]) -> list[Unit]:
    found = []
    for each in by_component(tuple(units)).values():
        found += sorted(each, key=lambda unit: unit.phase != "install")
    return found


def _has_run(unit: Unit) -> bool:
    return unit.phase == "main" and any(start.kind == "run" for start in unit.start[:1])


def _broken(settling: Settling, before: Collection[str]) -> DeploymentError:
    """``before``: those that were broken when the deployment began."""
    broken = settling.broken
    texts = [f"{component} is broken: {reason}" for component, reason in sorted(broken.items())]
    texts += [f"{name} was so before this deployment: mend or remove it" for name in sorted(broken) if name in before]
    text = "; ".join(texts)
    return DeploymentError(text, "COMPONENT_UPDATE_ERROR", "COMPONENT_BROKEN", broken=sorted(broken))


def _too_late(settling: Settling, timeout: float) -> DeploymentError:
    waiting = ", ".join(f"{component} is {state}" for component, state in sorted(settling.waiting.items()))
    text = f"not every component is up within {timeout:g} s: {waiting or 'one keeps failing'}"
    return DeploymentError(text, "COMPONENT_UPDATE_ERROR")
