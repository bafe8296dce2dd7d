"""The deployments of this device: those that wait, the one that runs, and the last ones that ended.

Every one is a durable record that is written before what it says is acted on. So a restarted daemon finds the queue as
it was, and takes up again what was under way. The class is used by the daemon's loop and by its worker thread; records
are written by whoever calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from threading import Condition
from typing import Any, Protocol

from ggl.deploymentd.record import IN_PROGRESS, QUEUED, Deployment
from ggl.log import get_logger
from ggl.values import InvalidValue

HISTORY = 100
"""Deployments that are over and still known."""
MAX_QUEUED = 100

_log = get_logger("deployment-queue")


class Records(Protocol):
    """Durable documents by key."""

    def put(self, key: str, value: Mapping[str, Any]) -> None: ...

    def scan(self) -> list[tuple[str, Any]]: ...

    def drop(self, key: str) -> None: ...


class QueueFull(Exception):
    """Too many deployments wait already."""


class Queue:
    """``on_change`` is told every new state of a deployment, on the thread that made it."""

    def __init__(self, on_change: Callable[[Deployment], None] = lambda _deployment: None) -> None:
        self._on_change = on_change
        self._all: dict[str, Deployment] = {}
        self._changed = Condition()
        self._closed = False
        self._last_sequence = 0

    def load(self, records: Records) -> None:
        """Take over what is stored; once, before anything else. A record that cannot be read is left out."""
        found = []
        for key, value in records.scan():
            try:
                if not isinstance(value, dict):
                    raise InvalidValue("it is no map")
                found.append(Deployment.from_dict(value))
            except InvalidValue as error:
                _log.error("the record of deployment %s cannot be read and is ignored: %s", key, error)
        with self._changed:
            for deployment in found:
                self._all.setdefault(deployment.deployment_id, deployment)
                self._last_sequence = max(self._last_sequence, deployment.sequence)
            self._changed.notify_all()

    def add(self, records: Records, deployment: Deployment) -> Deployment:
        """Put ``deployment`` at the end of the queue; it is durable when this returns. Raises ``QueueFull``."""
        with self._changed:
            if sum(not known.is_over for known in self._all.values()) >= MAX_QUEUED:
                raise QueueFull(f"{MAX_QUEUED} deployments are waiting already")
            self._last_sequence += 1
            deployment = replace(deployment, sequence=self._last_sequence)
        self._keep(records, deployment)
        return deployment

    def update(self, records: Records | None, deployment_id: str, **changes: Any) -> Deployment:
        """Change a deployment; without ``records`` the change is for watchers only and not kept."""
        before = self._all[deployment_id]
        deployment = replace(before, **changes)
        if deployment != before:
            self._keep(records, deployment)
        return deployment

    def prune(self, records: Records) -> None:
        """Forget the oldest of those that are over, beyond ``HISTORY``."""
        with self._changed:
            over = [deployment for deployment in self._ordered() if deployment.is_over]
        for deployment in over[: max(0, len(over) - HISTORY)]:
            records.drop(deployment.deployment_id)
            with self._changed:
                del self._all[deployment.deployment_id]

    def next(self) -> Deployment | None:
        """The one to work on: one that was interrupted, else the first that waits."""
        with self._changed:
            waiting = [deployment for deployment in self._ordered() if deployment.status in (QUEUED, IN_PROGRESS)]
        return min(waiting, key=lambda deployment: deployment.status != IN_PROGRESS, default=None)

    def wait(self) -> Deployment | None:
        """Like ``next``, but waits for one; ``None`` when the queue was closed."""
        with self._changed:
            while not self._closed:
                if (deployment := self.next()) is not None:
                    return deployment
                self._changed.wait()
        return None

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        return self._closed

    def get(self, deployment_id: str) -> Deployment | None:
        return self._all.get(deployment_id)

    def everything(self) -> list[Deployment]:
        """All that are known, oldest first."""
        with self._changed:
            return self._ordered()

    @property
    def is_idle(self) -> bool:
        return self.next() is None

    def _keep(self, records: Records | None, deployment: Deployment) -> None:
        # The lock is not held while the record is written: the loop, which only reads, never waits for the disk.
        if records is not None:
            records.put(deployment.deployment_id, deployment.to_dict())
        with self._changed:
            self._all[deployment.deployment_id] = deployment
            self._changed.notify_all()
        self._on_change(deployment)

    def _ordered(self) -> list[Deployment]:
        return sorted(self._all.values(), key=lambda deployment: (deployment.sequence, deployment.created))
