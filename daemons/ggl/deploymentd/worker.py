"""The thread that works off the queue: takes up a deployment, runs it, clears up after it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ggl.bus.errors import BusError
from ggl.bus.trail import current, new_trail
from ggl.deploymentd import cleanup
from ggl.deploymentd.engine import Engine
from ggl.deploymentd.journal import Journal
from ggl.deploymentd.queue import GivesWay
from ggl.deploymentd.runtime import Runtime
from ggl.deploymentd.staging import orphans, staging_of
from ggl.log import get_logger
from ggl.values import InvalidValue

if TYPE_CHECKING:
    from ggl.deploymentd.queue import Queue
    from ggl.deploymentd.record import Deployment
    from ggl.paths import Root

RETRY_SECONDS = 5.0
"""After a part of the runtime could not be reached."""

_log = get_logger("deployment")


def work(root: Root, queue: Queue, loaded: Callable[[], None]) -> None:
    """Load the queue, call ``loaded``, then run deployments until the queue is closed."""
    runtime = Runtime(root, lambda: queue.closed)
    while not _load(root, queue, runtime):
        if queue.closed:
            return
        _pause(queue)
    loaded()
    while (deployment := queue.wait()) is not None:
        try:
            _run(root, queue, runtime, deployment)
        except InterruptedError:
            return
        except GivesWay:
            _log.info("deployment %s: waits for the network; a local one goes first", deployment.deployment_id)
        except Exception as error:
            if queue.closed:
                return
            # It is still under way, and is taken up again: so often, and then it is given up.
            if isinstance(error, BusError):
                _log.error("deployment %s is interrupted: %s", deployment.deployment_id, error)
            else:
                _log.exception("deployment %s is interrupted", deployment.deployment_id)
            _pause(queue)
            _refresh(root, queue, runtime, deployment.deployment_id)


def _refresh(root: Root, queue: Queue, runtime: Runtime, deployment_id: str) -> None:
    """What is known of the deployment may be older than what is on the disk: go on with that only."""
    while not queue.closed:
        try:
            queue.refresh(runtime, deployment_id)
            deployment = queue.get(deployment_id)
            if deployment is None or deployment.is_over:
                _finish(root, queue, runtime, deployment_id)
            return
        except (BusError, InvalidValue) as error:
            _log.error("deployment %s cannot be read: %s", deployment_id, error)
            _pause(queue)


def _pause(queue: Queue) -> None:
    end = time.monotonic() + RETRY_SECONDS
    while not queue.closed and (left := end - time.monotonic()) > 0:
        queue.sleep(left)


def _load(root: Root, queue: Queue, runtime: Runtime) -> bool:
    try:
        queue.load(runtime)
    except BusError as error:
        _log.error("the deployments cannot be read: %s", error)
        return False
    known = {deployment.deployment_id for deployment in queue.everything() if not deployment.is_over}
    left = orphans(root, known)
    if left and not known:
        _clean(root, runtime)  # the deployment they belonged to was over, and not yet cleared up after
    for staging in left:
        staging.remove()  # after the store: they are what says that it still has to be cleared up
    return True


def _run(root: Root, queue: Queue, runtime: Runtime, deployment: Deployment) -> None:
    name = deployment.deployment_id
    current.trail = runtime.trail = deployment.trail or new_trail()
    _log.info("deployment %s: %s", name, "is taken up again" if deployment.step else "begins")
    Engine(root, runtime, Journal(queue, runtime, name)).run()
    _finish(root, queue, runtime, name)


def _finish(root: Root, queue: Queue, runtime: Runtime, deployment_id: str) -> None:
    """Remove what nobody needs any more when a deployment is over."""
    _clean(root, runtime)
    clear_up(root, queue, deployment_id)
    queue.prune(runtime)


def clear_up(root: Root, queue: Queue, deployment_id: str) -> None:
    """Remove what was staged for a deployment that is over; but it may have been requested again already."""
    with queue.reserved(deployment_id):
        deployment = queue.get(deployment_id)
        if deployment is None or deployment.is_over:
            staging_of(root, deployment_id).remove()


def _clean(root: Root, runtime: Runtime) -> None:
    """Remove from the store what no generation needs."""
    try:
        generations = runtime.generations()
        known = generations.known
        current = known.get(generations.current)
        if current is None or runtime.current().versions != dict(current.components):
            # What runs is not what the current generation says: nobody knows what it needs.
            return
        images = {number: image for number in known if (image := runtime.image(number)) is not None}
        if lost := known.keys() - images.keys():
            _log.warning("the component store is not cleared up: what generation %s needs is not known", min(lost))
            return
        cleanup.clean(root, [images[number].contents for number in sorted(images)], images[current.number].contents)
    except (BusError, InvalidValue, OSError, shutil.Error) as error:
        _log.warning("the component store could not be cleared up: %s", error)
