"""Running bootstrap steps: one after another, each to its end, over restarts of the runtime and of the device.

What has begun and what is done is on the disk (``Deployment.tasks``), so an interruption runs at most the step again in
the middle of which it came. Exit code 100 asks for a restart of the runtime, 101 for a reboot of the device; the rest
of the steps follows afterwards. That a restart has happened is seen by the host's run: every start of it is another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ggl.bus.errors import BusError
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.outcome import is_passing
from ggl.deploymentd.steps import run_once, why_failed
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.deploymentd.activation import Activation
    from ggl.deploymentd.journal import Journal
    from ggl.deploymentd.runtime import Runtime
    from ggl.host.unit import Unit

RESTART = 100
REBOOT = 101
RUNNING = "RUNNING"
DONE = "DONE"
PATIENCE = 300.0
"""Seconds until a restart that was asked for must have ended this process."""

_log = get_logger("deployment")


def run(runtime: Runtime, journal: Journal, activation: Activation) -> None:
    """Run what has not been run. Raises ``DeploymentError``; ``InterruptedError`` when a restart comes."""
    instance = runtime.instance()
    waiting = journal.deployment.restarting
    if waiting:
        if waiting.get("instance") == instance:
            _ask_for_restart(runtime, journal, int(waiting["code"]), instance)
        journal.write(restarting={})
    for unit in activation.bootstrap:
        tasks = journal.deployment.tasks
        if tasks.get(unit.component, {}).get("status") != DONE:
            _run(runtime, journal, unit, instance)
    runtime.unload(unit.name for unit in activation.bootstrap)


def _run(runtime: Runtime, journal: Journal, unit: Unit, instance: str) -> None:
    tasks = journal.deployment.tasks
    begun = tasks.get(unit.component) == {"status": RUNNING, "instance": instance}
    running = {**tasks, unit.component: {"status": RUNNING, "instance": instance}}
    journal.write(tasks=running, message=f"running the bootstrap step of {unit.component}")
    status = run_once(runtime, journal, unit, begun=begun)
    if status.result == "timeout":
        raise _failure(unit, why_failed(status), "COMPONENT_BOOTSTRAP_TIMEOUT")
    restart = status.result == "exit-code" and status.exit_status in (RESTART, REBOOT)
    if status.active_state == "failed" and not restart:
        raise _failure(unit, why_failed(status), "COMPONENT_BOOTSTRAP_ERROR")
    code = status.exit_status if restart else 0
    done = {**tasks, unit.component: {"status": DONE, "code": code}}
    journal.write(tasks=done, restarting={"code": code, "instance": instance} if restart else {})
    if restart:
        _ask_for_restart(runtime, journal, code, instance)


def _ask_for_restart(runtime: Runtime, journal: Journal, code: int, instance: str) -> None:
    what = "the device" if code == REBOOT else "the runtime"
    _log.info("a bootstrap step asks to restart %s", what)
    journal.note(message=f"restarting {what}, which must happen within {PATIENCE:g} s")
    try:
        if code == REBOOT:
            runtime.reboot()
        else:
            runtime.restart_runtime()
    except BusError as error:
        if is_passing(error):
            raise  # nobody knows whether it comes: it will be seen, or asked for again
        text = f"a bootstrap step asks to restart {what} (exit code {code}), which failed: {error.message}"
        raise DeploymentError(text, "COMPONENT_UPDATE_ERROR", "COMPONENT_BOOTSTRAP_ERROR") from None
    journal.sleep(PATIENCE)
    text = f"a bootstrap step asked to restart {what} (exit code {code}), which did not happen within {PATIENCE:g} s"
    raise DeploymentError(text, "COMPONENT_UPDATE_ERROR", "COMPONENT_BOOTSTRAP_ERROR")


def _failure(unit: Unit, why: str, code: str) -> DeploymentError:
    text = f"the bootstrap step of {unit.component} {unit.version} failed: {why}"
    return DeploymentError(text, "COMPONENT_UPDATE_ERROR", code, broken=[unit.component])
