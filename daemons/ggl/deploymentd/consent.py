"""Asking the components: whether an update may begin now, and whether they can live with their new configuration.

The questions go through consentd. How often they are asked, how long is waited, and what an answer means for the
deployment is decided here. A component that says nothing agrees to an update, and refuses a configuration.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ggl.deploymentd.errors import DeploymentError
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.deploymentd.journal import Journal
    from ggl.deploymentd.runtime import Runtime

INTERFACE = "gg_consent"
LONGEST_DEFERRAL = 24 * 3600.0
"""Seconds for which components may put an update off, all in all. Then the deployment fails: a device whose update
waits for ever cannot be helped by any further one."""

_log = get_logger("deployment")


def ask_for_update(runtime: Runtime, journal: Journal, deployment_id: str, timeout: float, *, restarting: bool) -> None:
    """Wait until no component puts the update off any more. ``timeout``: seconds a component has for its answer.

    Raises ``DeploymentError`` after ``LONGEST_DEFERRAL``, and what ``Journal.check`` raises.
    """
    timeout = min(timeout, LONGEST_DEFERRAL)
    params = {"deployment_id": deployment_id, "is_ggc_restarting": restarting, "timeout": timeout}
    give_up = time.monotonic() + LONGEST_DEFERRAL
    while True:
        begun = time.monotonic()
        answer = runtime.ask(INTERFACE, "pre_update", params, journal.check)
        wait = int(answer["recheck_after_ms"]) / 1000
        if not wait:
            return
        by = ", ".join(name for name, reply in answer["replies"].items() if reply.get("recheck_after_ms"))
        now = time.monotonic()
        if begun + wait > give_up:
            hours = LONGEST_DEFERRAL / 3600
            text = f"{by} would put the update off until more than {hours:g} hours have passed since it was first asked"
            raise DeploymentError(text, "COMPONENT_UPDATE_ERROR")
        _log.info("deployment %s: put off by %s for %g s", deployment_id, by, wait)
        journal.note(message=f"put off by {by} for {wait:g} s")
        # The time counts from the question, whenever the answer came.
        journal.sleep(max(0.0, begun + wait - now))


def tell_updated(runtime: Runtime, deployment_id: str) -> None:
    runtime.tell(INTERFACE, "post_update", {"deployment_id": deployment_id})


def validate(
    runtime: Runtime,
    check: Callable[[], None],
    deployment_id: str,
    timeout: float,
    configurations: Mapping[str, Mapping[str, Any]],
) -> None:
    """Let the components that want to know look at their new configuration. Raises ``DeploymentError``."""
    timeout = min(timeout, LONGEST_DEFERRAL)
    params = {"deployment_id": deployment_id, "timeout": timeout, "configurations": configurations}
    answer = runtime.ask(INTERFACE, "validate", params, check)
    reasons = [f"{name} refuses it{f': {why}' if why else ''}" for name, why in sorted(answer["rejected"].items())]
    reasons += [f"{name} has not answered within {timeout:g} s" for name in sorted(answer["silent"])]
    if reasons:
        text = f"the new configuration is not accepted: {'; '.join(reasons)}"
        raise DeploymentError(text, "COMPONENT_CONFIGURATION_NOT_VALID")
