"""The deployment under way, as whoever runs it reads and writes it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ggl.deploymentd.queue import Canceled, GivesWay
from ggl.deploymentd.record import ACTIVATING
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.deploymentd.queue import Queue, Records
    from ggl.deploymentd.record import Deployment

_log = get_logger("deployment-queue")


class Journal:
    """Of one deployment."""

    def __init__(self, queue: Queue, records: Records, deployment_id: str) -> None:
        self._queue = queue
        self._records = records
        self._id = deployment_id

    @property
    def deployment(self) -> Deployment:
        deployment = self._queue.get(self._id)
        assert deployment is not None, "a deployment that runs is known"
        return deployment

    @property
    def closing(self) -> bool:
        """This process is about to end."""
        return self._queue.closed

    def note(self, **changes: Any) -> None:
        """For those who watch; not kept."""
        self._queue.update(None, self._id, **changes)

    def write(self, operations: Iterable[Mapping[str, Any]] = (), **changes: Any) -> Deployment:
        """Durable, together with ``operations``; what it has become. Raises ``BusError`` or ``Canceled``."""
        return self._queue.update(self._records, self._id, operations, **changes)

    def enter(self, step: str, message: str, operations: Iterable[Mapping[str, Any]] = (), **changes: Any) -> None:
        """Begin a step: what is written before anything of it is done."""
        _log.info("deployment %s: %s%s: %s", self._id, step, " (back)" if self._is_back(changes) else "", message)
        # What only prepares begins anew each time, so all its attempts count; a step that was done once is done.
        done = {"attempts": 0} if step in ACTIVATING else {}
        self.write(operations, step=step, message=message, **done, **changes)

    def check(self) -> None:
        """Raises ``Canceled`` when the deployment is to be canceled, ``InterruptedError`` when the daemon ends."""
        if self._queue.closed:
            raise InterruptedError("the daemon is about to end")
        if self.deployment.canceling and not self.deployment.is_activating:
            raise Canceled

    def sleep(self, seconds: float, *, patiently: bool = False) -> None:
        """Wait, with an eye on what ``check`` looks for. ``patiently``: raises ``GivesWay`` for local deployments."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.check()
            if patiently and self._queue.give_way(self._id):
                raise GivesWay
            self._queue.sleep(min(left, 1.0))
        self.check()

    def _is_back(self, changes: Mapping[str, Any]) -> bool:
        return bool(changes.get("rolling_back", self.deployment.rolling_back))
