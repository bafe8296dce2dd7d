"""AWS IoT Jobs in the namespace of Greengrass: the executions of each thing, and the topics about them."""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from tests.cloud.documents import Components, document
from tests.cloud.executions import Execution, Rejection, check_details, decode
from tests.cloud.mqtt import PATIENCE, Message, Mqtt

NAMESPACE = "namespace-aws-gg-deployment"
PENDING = ("QUEUED", "IN_PROGRESS")
TERMINAL = ("SUCCEEDED", "FAILED", "TIMED_OUT", "REJECTED", "REMOVED", "CANCELED")
REPORTED = ("IN_PROGRESS", "SUCCEEDED", "FAILED", "REJECTED")
"""What a device may say."""
MAX_DOCUMENT = 32_768
_REQUEST = re.compile(rf"\$aws/things/([^/]+)/jobs/([^/]+)/{NAMESPACE}/(get|update)")


class Jobs:
    """``create``, ``cancel`` and so on are what an operator does; the rest is what the device asks for by MQTT."""

    def __init__(self, mqtt: Mqtt, joined: Callable[[str, str], None]) -> None:
        self._mqtt = mqtt
        self._joined = joined
        self._executions: list[Execution] = []
        self._changed = threading.Condition(threading.RLock())
        self._next: dict[str, str] = {}
        self._refuse: dict[str, list[str]] = {"get": [], "update": []}
        self._ignore = {"get": 0, "update": 0}
        self._silent = {"get": 0, "update": 0}
        self.requests: list[tuple[str, str, dict[str, Any]]] = []
        """Every request that came, also those that were refused or ignored: ``get`` or ``update``, job, content."""
        mqtt.on("$aws/things/+/jobs/#", self._take)

    # -- the operator ------------------------------------------------------------------------------------------------

    def create(self, document: Mapping[str, Any], job_id: str | None = None, thing: str = "Thing1") -> str:
        """Queue a job for a thing; returns its id."""
        content = json.loads(json.dumps(document))
        assert len(json.dumps(content)) <= MAX_DOCUMENT, "a job document of AWS has no more than 32 KiB"
        now = int(time.time())
        execution = Execution(job_id or str(uuid.uuid4()), thing, content, now, updated_at=now)
        with self._changed:
            assert not any(each.job_id == execution.job_id and each.thing == thing for each in self._executions)
            self._executions.append(execution)
            self._tell(thing)
        return execution.job_id

    def deploy(self, components: Components, group: str = "heaters", thing: str = "Thing1", **more: Any) -> str:
        """Deploy to a thing group, of which the thing is a member from now on; returns the job's id. ``more``: keys of
        the deployment document."""
        self._joined(thing, group)
        return self.create(document(components, f"thinggroup/{group}", **more), thing=thing)

    def cancel(self, job_id: str, thing: str = "Thing1", status: str = "CANCELED") -> None:
        """Cancel it, also while it is in progress. ``status="TIMED_OUT"``: its time is over instead."""
        with self._changed:
            execution = self._find(thing, job_id)
            if execution.status in PENDING:
                self._set(execution, status, None)

    def delete(self, job_id: str, thing: str = "Thing1") -> None:
        """The job is not known any more."""
        with self._changed:
            self._executions.remove(self._find(thing, job_id))
            self._tell(thing)

    def execution(self, job_id: str, thing: str = "Thing1") -> dict[str, Any]:
        """As AWS describes it: ``status``, ``statusDetails``, ``versionNumber`` and so on."""
        with self._changed:
            return {"statusDetails": {}, **self._find(thing, job_id).described(with_document=True)}

    def history(self, job_id: str, thing: str = "Thing1") -> list[tuple[str, dict[str, str]]]:
        """Status and details after each change, in order."""
        with self._changed:
            return list(self._find(thing, job_id).history)

    def updates(self, job_id: str) -> list[dict[str, Any]]:
        """Every update that the device has sent for the job, whatever became of it."""
        with self._changed:
            return [content for kind, job, content in self.requests if kind == "update" and job == job_id]

    def wait(self, job_id: str, *statuses: str, thing: str = "Thing1", seconds: float = PATIENCE) -> dict[str, Any]:
        """The execution once it has one of ``statuses``; none given: once it is over. Raises ``AssertionError``."""
        wanted = statuses or TERMINAL
        with self._changed:
            self._changed.wait_for(lambda: self._find(thing, job_id).status in wanted, seconds)
            found = self.execution(job_id, thing)
        assert found["status"] in wanted, f"job {job_id} is {found['status']} after {seconds:g} s: {found}"
        return found

    def tell_again(self, thing: str = "Thing1") -> None:
        """Send the notifications another time, as the cloud may."""
        with self._changed:
            self._next.pop(thing, None)
            self._tell(thing)

    # -- faults ------------------------------------------------------------------------------------------------------

    def reject_next(self, code: str, count: int = 1, operation: str = "update") -> None:
        """Refuse the next requests: ``InternalError``, ``RequestThrottled``, ``VersionMismatch`` and so on."""
        with self._changed:
            self._refuse[operation] += [code] * count

    def ignore_next(self, count: int = 1, operation: str = "update") -> None:
        """The next requests get lost."""
        with self._changed:
            self._ignore[operation] += count

    def lose_next_reply(self, count: int = 1, operation: str = "update") -> None:
        """The next requests are carried out, but the answers get lost."""
        with self._changed:
            self._silent[operation] += count

    # -- the device --------------------------------------------------------------------------------------------------

    def _take(self, message: Message) -> None:
        asked = _REQUEST.fullmatch(message.topic)
        if asked is None:
            return
        thing, job_id, operation = asked.groups()
        with self._changed:
            content: dict[str, Any] = {}
            token = {}
            try:
                content = decode(message.payload)
                token = {"clientToken": content["clientToken"]} if "clientToken" in content else {}
                if self._gets_lost(operation, job_id, content):
                    return
                if self._refuse[operation]:
                    raise Rejection(self._refuse[operation].pop(0), "told to")
                answer = (self._get if operation == "get" else self._update)(thing, job_id, content)
                result = "accepted"
            except Rejection as rejection:
                answer = {"code": rejection.code, "message": str(rejection)}
                if rejection.state is not None:
                    answer["executionState"] = rejection.state
                result = "rejected"
            if self._silent[operation] and result == "accepted":
                self._silent[operation] -= 1
                return
            self._mqtt.send(f"{message.topic}/{result}", {**answer, **token, "timestamp": int(time.time())})

    def _gets_lost(self, operation: str, job_id: str, content: dict[str, Any]) -> bool:
        self.requests.append((operation, job_id, content))
        if self._ignore[operation]:
            self._ignore[operation] -= 1
            return True
        return False

    def _get(self, thing: str, job_id: str, content: dict[str, Any]) -> dict[str, Any]:
        if job_id == "$next":
            execution = self._pending(thing)
            if execution is None:
                return {}
        else:
            execution = self._find_for_device(thing, job_id)
            if execution.status in TERMINAL:
                raise Rejection("TerminalStateReached", f"{job_id} is {execution.status}")
        return {"execution": execution.described(with_document=content.get("includeJobDocument", True))}

    def _update(self, thing: str, job_id: str, content: dict[str, Any]) -> dict[str, Any]:
        execution = self._find_for_device(thing, job_id)
        status, details = content.get("status"), content.get("statusDetails")
        if status not in REPORTED:
            raise Rejection("InvalidRequest", f"status must be one of {', '.join(REPORTED)}, not {status!r}")
        check_details(details)
        if content.get("executionNumber", 1) != 1:
            raise Rejection("ResourceNotFound", f"there is no such execution of {job_id}")
        if content.get("expectedVersion", execution.version) != execution.version:
            raise Rejection("VersionMismatch", f"the version is {execution.version}", execution.state())
        if execution.status in TERMINAL:
            raise Rejection("InvalidStateTransition", f"{job_id} is {execution.status}", execution.state())
        self._set(execution, status, details)
        answer: dict[str, Any] = {}
        if content.get("includeJobExecutionState"):
            answer["executionState"] = execution.state()
        if content.get("includeJobDocument"):
            answer["jobDocument"] = execution.document
        return answer

    # -- what both do ------------------------------------------------------------------------------------------------

    def _set(self, execution: Execution, status: str, details: dict[str, str] | None) -> None:
        execution.status = status
        execution.version += 1
        execution.updated_at = int(time.time())
        if status == "IN_PROGRESS" and execution.started_at is None:
            execution.started_at = execution.updated_at
        if details is not None:
            execution.details = details
        execution.history.append((status, dict(execution.details)))
        if status in TERMINAL:
            self._tell(execution.thing)
        self._changed.notify_all()

    def _tell(self, thing: str) -> None:
        """The list of what is pending has changed."""
        now = int(time.time())
        lists: dict[str, list[dict[str, Any]]] = {}
        for each in self._executions:
            if each.thing == thing and each.status in PENDING:
                lists.setdefault(each.status, []).append(each.summary())
        self._mqtt.send(f"$aws/things/{thing}/jobs/notify-{NAMESPACE}", {"timestamp": now, "jobs": lists})
        first = self._pending(thing)
        identifier = first.job_id if first else ""
        if self._next.get(thing, "") != identifier:
            self._next[thing] = identifier
            execution = {"execution": first.described(with_document=True)} if first else {}
            self._mqtt.send(f"$aws/things/{thing}/jobs/notify-next-{NAMESPACE}", {"timestamp": now, **execution})

    def _pending(self, thing: str) -> Execution | None:
        mine = [each for each in self._executions if each.thing == thing]
        for status in ("IN_PROGRESS", "QUEUED"):
            for each in mine:
                if each.status == status:
                    return each
        return None

    def _find(self, thing: str, job_id: str) -> Execution:
        for each in self._executions:
            if each.thing == thing and each.job_id == job_id:
                return each
        raise KeyError(f"there is no job {job_id} for {thing}")

    def _find_for_device(self, thing: str, job_id: str) -> Execution:
        try:
            return self._find(thing, job_id)
        except KeyError as error:
            raise Rejection("ResourceNotFound", str(error)) from None
