"""The thread that works off the queue: takes up a deployment, runs it, records how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ggl.bus.errors import BusError, ErrorCode
from ggl.bus.trail import current, new_trail
from ggl.deploymentd.engine import Engine
from ggl.deploymentd.errors import (
    FAILED_NO_STATE_CHANGE,
    FAILED_ROLLBACK_NOT_REQUESTED,
    SUCCESSFUL,
    DeploymentError,
    error_stack,
    error_types,
)
from ggl.deploymentd.record import FAILED, SUCCEEDED, Deployment
from ggl.deploymentd.runtime import Runtime
from ggl.deploymentd.staging import remove_orphans, staging_of
from ggl.log import get_logger
from ggl.values import InvalidValue

if TYPE_CHECKING:
    from ggl.deploymentd.queue import Queue
    from ggl.paths import Root

RETRY_SECONDS = 5.0
"""After the store could not be reached at all."""

_log = get_logger("deployment")


def work(root: Root, queue: Queue, loaded: Callable[[], None]) -> None:
    """Load the queue, call ``loaded``, then run deployments until the queue is closed."""
    runtime = Runtime(root, lambda: queue.closed)
    while not _load(root, queue, runtime):
        if queue.closed:
            return
        time.sleep(RETRY_SECONDS)
    loaded()
    while (deployment := queue.wait()) is not None:
        try:
            _run(root, queue, runtime, deployment)
        except BusError as error:
            if queue.closed:
                return
            # Its record could not be written: it is still under way, and is taken up again.
            _log.error("deployment %s is interrupted: %s", deployment.deployment_id, error)
            time.sleep(RETRY_SECONDS)


def _load(root: Root, queue: Queue, runtime: Runtime) -> bool:
    try:
        queue.load(runtime)
    except BusError as error:
        _log.error("the deployments cannot be read: %s", error)
        return False
    remove_orphans(root, {known.deployment_id for known in queue.everything() if not known.is_over})
    return True


def _run(root: Root, queue: Queue, runtime: Runtime, deployment: Deployment) -> None:
    name = deployment.deployment_id
    current.trail = runtime.trail = deployment.trail or new_trail()
    _log.info("deployment %s: %s", name, "begins" if not deployment.document else "is taken up again")

    def progress(durable: bool, changes: Mapping[str, Any]) -> None:
        queue.update(runtime if durable else None, name, **changes)

    engine = Engine(root, runtime, deployment, progress, lambda: queue.closed)
    try:
        engine.run()
        outcome = {"status": SUCCEEDED, "detailed_status": SUCCESSFUL, "message": "every component is up"}
    except InterruptedError:
        return
    except Exception as error:
        if queue.closed:
            return  # whatever it was: the next process takes it up
        outcome = _failure(error, changed=engine.changing)
        _log.error("deployment %s failed: %s", name, outcome["cause"])
    queue.update(runtime, name, finished=time.time_ns() // 1_000_000, **outcome)
    _log.info("deployment %s: %s", name, outcome["status"])
    staging_of(root, name).remove()
    queue.prune(runtime)


def _failure(error: Exception, *, changed: bool) -> dict[str, Any]:
    broken: tuple[str, ...] = ()
    if isinstance(error, DeploymentError):
        codes, cause, broken = error.codes, error.message, error.broken
    elif isinstance(error, InvalidValue):
        codes, cause = ("DEPLOYMENT_DOCUMENT_NOT_VALID",), f"the deployment document is not valid: {error}"
    elif isinstance(error, OSError):
        codes, cause = _disk_failure(error)
    elif isinstance(error, BusError):
        code = "IO_WRITE_ERROR" if error.code == ErrorCode.NOMEM else "COMPONENT_UPDATE_ERROR"
        codes, cause = (code,), f"the runtime could not do it: {error.message}"
    else:
        _log.exception("a deployment failed for a reason that should not exist")
        codes, cause = (), f"internal error: {type(error).__name__}: {error}"
    return {
        "status": FAILED,
        "detailed_status": FAILED_ROLLBACK_NOT_REQUESTED if changed else FAILED_NO_STATE_CHANGE,
        "message": "failed" if changed else "failed; nothing was changed",
        "cause": cause,
        "error_stack": error_stack(codes),
        "error_types": error_types(codes),
        "broken": broken,
    }


def _disk_failure(error: OSError) -> tuple[tuple[str, ...], str]:
    import errno

    where = f" ({error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ("IO_ERROR", "DISK_SPACE_CRITICAL"), f"no space is left on the device{where}"
    return ("IO_ERROR", "IO_WRITE_ERROR"), f"{error.strerror or error}{where}"
