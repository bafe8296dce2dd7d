"""The deployments of this device: those that wait, the one that runs, and the last ones that ended.

Every one is a durable record that is written before what it says is acted on. So a restarted daemon finds the queue as
it was, and takes up again what was under way. The class is used by the daemon's loop and by threads: the worker that
runs deployments, and requests that add and cancel them; records are written by whoever calls.

What a deployment is made from (``INPUTS``) and what it will do (``ACTIVATIONS``) may be large and changes rarely. These
are records of their own, which go when the deployment is over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from threading import Condition, RLock
from typing import Any, Protocol

from ggl.deploymentd.record import CANCELED, IN_PROGRESS, QUEUED, Deployment
from ggl.log import get_logger
from ggl.values import InvalidValue

TABLE = "deployments"
INPUTS = "deployment-inputs"
ACTIVATIONS = "deployment-activations"
LAST = "last-deployment"
"""Table, and key, of what ``ggl status`` says of the deployment whose status changed last."""

SHOWN = ("deployment_id", "name", "type", "status", "created", "finished")
HISTORY = 100
"""Deployments that are over and still known."""
MAX_QUEUED = 100

_log = get_logger("deployment-queue")


class Records(Protocol):
    """Durable documents by table and key."""

    def transaction(self, operations: Sequence[Mapping[str, Any]], is_done: Callable[[], bool] | None = None) -> None:
        """All of ``operations`` or nothing. ``is_done`` tells whether they were done, when the answer was lost."""

    def scan(self, table: str) -> list[tuple[str, Any]]: ...

    def get(self, table: str, key: str) -> Any: ...


class QueueFull(Exception):
    """Too many deployments wait already."""


class AlreadyKnown(Exception):
    """A deployment with this id waits or runs already."""


class Canceled(Exception):
    """The deployment was canceled before it changed anything."""


class GivesWay(Exception):
    """The deployment waits for the network, and one that was made on this device is to go first."""


class Queue:
    """``on_change`` is told every new state of a deployment, on the thread that made it."""

    def __init__(self, on_change: Callable[[Deployment], None] = lambda _deployment: None) -> None:
        self._on_change = on_change
        self._all: dict[str, Deployment] = {}
        self._changed = Condition()
        # Held from reading a deployment to writing it: two threads may change the same one. The loop only reads.
        self._writing = RLock()
        self._closed = False
        self._last_sequence = 0
        self._reserved: set[str] = set()
        self._giving_way = ""

    def load(self, records: Records) -> None:
        """Take over what is stored; once, before anything else. A record that cannot be read is left out."""
        found = []
        for key, value in records.scan(TABLE):
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

    def add(self, records: Records, deployment: Deployment, inputs: Mapping[str, Any]) -> Deployment:
        """Put ``deployment`` at the end of the queue; it is durable when this returns.

        Raises ``QueueFull``, or ``AlreadyKnown`` when one of that id is not over.
        """
        name = deployment.deployment_id
        with self._writing:
            known = self._all.get(name)
            if known is not None and not known.is_over:
                raise AlreadyKnown(f"deployment {name} is {known.status} already")
            if sum(not known.is_over for known in self._all.values()) >= MAX_QUEUED:
                raise QueueFull(f"{MAX_QUEUED} deployments are waiting already")
            self._last_sequence += 1
            deployment = replace(deployment, sequence=self._last_sequence)
            return self._keep(records, deployment, [put(INPUTS, name, inputs)])

    @contextmanager
    def reserved(self, deployment_id: str) -> Iterator[None]:
        """Nobody else adds a deployment with this id, or clears up after one, in the meantime."""
        with self._changed:
            while deployment_id in self._reserved:
                self._changed.wait()
            self._reserved.add(deployment_id)
        try:
            yield
        finally:
            with self._changed:
                self._reserved.remove(deployment_id)
                self._changed.notify_all()

    def update(
        self,
        records: Records | None,
        deployment_id: str,
        operations: Iterable[Mapping[str, Any]] = (),
        **changes: Any,
    ) -> Deployment:
        """Change a deployment, and do ``operations`` in the same transaction. Without ``records`` the change is for
        watchers only and not kept.

        Raises ``Canceled`` for the step that begins to change the device, when somebody has asked to cancel; and when
        it is over, which it stays.
        """
        with self._writing:
            before = self._all[deployment_id]
            if before.is_over:
                raise Canceled
            deployment = replace(before, **changes)
            if before.canceling and deployment.is_activating and not before.is_activating:
                raise Canceled
            operations = list(operations)
            if deployment != before or operations:
                deployment = self._keep(records, deployment, operations)
        return deployment

    def refresh(self, records: Records, deployment_id: str) -> None:
        """Take over what is stored of a deployment: after a write of which nobody knows whether it happened."""
        with self._writing:
            value = records.get(TABLE, deployment_id)
            deployment = Deployment.from_dict(value) if isinstance(value, dict) else None
            with self._changed:
                if deployment is None:
                    self._all.pop(deployment_id, None)
                else:
                    self._all[deployment_id] = deployment
                self._changed.notify_all()
            if deployment is not None:
                self._on_change(deployment)

    def cancel(self, records: Records, deployment_id: str) -> bool:
        """Cancel a deployment that has changed nothing yet; whether it will be. Raises ``KeyError``."""
        with self._writing:
            deployment = self._all[deployment_id]
            if deployment.status == QUEUED:
                over = {"status": CANCELED, "finished": now(), "message": "canceled before it began"}
                self.update(records, deployment_id, forget(deployment_id), **over)
                return True
            if deployment.is_over or deployment.is_activating:
                return False
            self.update(records, deployment_id, canceling=True)
            return True

    def prune(self, records: Records) -> None:
        """Forget the oldest of those that are over, beyond ``HISTORY``."""
        with self._writing:
            over = [deployment for deployment in self.everything() if deployment.is_over]
            old = over[: max(0, len(over) - HISTORY)]
            records.transaction([drop(TABLE, deployment.deployment_id) for deployment in old])
            with self._changed:
                for deployment in old:
                    del self._all[deployment.deployment_id]

    def next(self) -> Deployment | None:
        """The one to work on: one that was interrupted, else the first that waits.

        Of several that were interrupted, one that changes the device; else a local one, to which another gave way.
        """
        with self._changed:
            waiting = [deployment for deployment in self._ordered() if deployment.status in (QUEUED, IN_PROGRESS)]
        begun = [deployment for deployment in waiting if deployment.status == IN_PROGRESS]
        if not begun:
            return waiting[0] if waiting else None
        found = min(begun, key=lambda deployment: (not deployment.is_activating, not deployment.is_local))
        if found.deployment_id == self._giving_way:
            return next((deployment for deployment in waiting if deployment.is_local), found)
        return found

    def give_way(self, deployment_id: str) -> bool:
        """Let local deployments go before this one, which waits for the network; whether there is any."""
        with self._changed:
            local = any(each.status == QUEUED and each.is_local for each in self._all.values())
            self._giving_way = deployment_id if local else ""
        return local

    def wait(self) -> Deployment | None:
        """Like ``next``, but waits for one; ``None`` when the queue was closed."""
        with self._changed:
            while not self._closed:
                if (deployment := self.next()) is not None:
                    return deployment
                self._changed.wait()
        return None

    def sleep(self, seconds: float) -> None:
        """Wait until something about a deployment changes, or the queue is closed; no longer than ``seconds``."""
        with self._changed:
            if not self._closed:
                self._changed.wait(seconds)

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

    def _keep(self, records: Records | None, deployment: Deployment, operations: list[Mapping[str, Any]]) -> Deployment:
        if records is not None:
            name = deployment.deployment_id
            deployment = replace(deployment, writes=deployment.writes + 1)
            value = deployment.to_dict()
            known = self._all.get(name)
            if known is None or known.status != deployment.status:
                operations = [*operations, put(LAST, LAST, {key: value[key] for key in SHOWN})]
            records.transaction([*operations, put(TABLE, name, value)], lambda: bool(records.get(TABLE, name) == value))
        with self._changed:
            self._all[deployment.deployment_id] = deployment
            self._changed.notify_all()
        self._on_change(deployment)
        return deployment

    def _ordered(self) -> list[Deployment]:
        return sorted(self._all.values(), key=lambda deployment: (deployment.sequence, deployment.created))


def put(table: str, key: str, value: Mapping[str, Any]) -> dict[str, Any]:
    return {"op": "put", "table": table, "key": key, "value": value}


def drop(table: str, key: str) -> dict[str, Any]:
    return {"op": "drop", "table": table, "key": key}


def forget(deployment_id: str) -> list[dict[str, Any]]:
    """The operations that remove what only a deployment that is not over needs."""
    return [drop(INPUTS, deployment_id), drop(ACTIVATIONS, deployment_id)]


def now() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000
