"""A device with AWS IoT and deploymentd around jobsd, all of it in memory, where time passes when a test says so.

jobsd is the real one, on a real directory; it can be killed at any moment and begins anew from that directory. AWS IoT
and deploymentd are small models of what they promise.
"""

from __future__ import annotations

import heapq
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ggl.bus.errors import BusError, ErrorCode
from ggl.jobsd import service as jobs_service
from ggl.paths import Root, find_root

THING = "Thing1"
JOBS = f"$aws/things/{THING}/jobs"
SPACE = "namespace-aws-gg-deployment"
SHADOW = f"$aws/things/{THING}/shadow/name/AWSManagedGreengrassV2Deployment"
PENDING = ("QUEUED", "IN_PROGRESS")
OVER = ("SUCCEEDED", "FAILED", "CANCELED", "REJECTED")

Callback = Callable[..., Any]


class Timer:
    def __init__(self, callback: Callback) -> None:
        self.callback: Callback | None = callback

    def cancel(self) -> None:
        self.callback = None


class Loop:
    """The loop of one life of jobsd: what is left of it when it is killed never runs."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._order = itertools.count()
        self.timers: list[tuple[float, int, Timer]] = []

    def call_later(self, seconds: float, callback: Callback) -> Timer:
        timer = Timer(callback)
        heapq.heappush(self.timers, (self.world.now + seconds, next(self._order), timer))
        return timer

    def call_soon(self, callback: Callback) -> None:
        self.call_later(0, callback)

    def next_due(self) -> float | None:
        while self.timers and self.timers[0][2].callback is None:
            heapq.heappop(self.timers)
        return self.timers[0][0] if self.timers else None

    def run_due(self) -> bool:
        due = self.next_due()
        if due is None or due > self.world.now:
            return False
        callback = heapq.heappop(self.timers)[2].callback
        assert callback is not None
        callback()
        return True


class Subscription:
    def __init__(self, item: Callback, end: Callback) -> None:
        self.item = item
        self.end = end
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Remote:
    """What jobsd holds of another daemon: its answers come later, and never to a jobsd that was killed."""

    def __init__(self, loop: Loop, interface: str, _root: Root) -> None:
        self.loop = loop
        self.serve = loop.world.interfaces[interface]

    def call(
        self,
        method: str,
        params: dict[str, Any],
        on_reply: Callback,
        on_error: Callback,
        trail: str = "",
        timeout: float = 0,
    ) -> None:
        loop = self.loop

        def reply(value: Any) -> None:
            loop.call_soon(lambda: (on_error if isinstance(value, BusError) else on_reply)(value))

        self.serve(method, params, reply, None)

    def subscribe(
        self,
        method: str,
        params: dict[str, Any],
        on_result: Callback,
        on_item: Callback,
        on_end: Callback,
        trail: str = "",
    ) -> Subscription:
        loop = self.loop

        def soon(callback: Callback, value: Any) -> None:
            loop.call_soon(lambda: None if subscription.closed else callback(value))

        def end(error: BusError | None) -> None:
            soon(on_end, error)
            loop.call_soon(subscription.close)

        subscription = Subscription(lambda value: soon(on_item, value), end)

        def reply(value: Any) -> None:
            if isinstance(value, BusError):
                end(value)
            else:
                soon(on_result, value)

        self.serve(method, params, reply, subscription)
        return subscription

    def close(self) -> None:
        pass


class Context:
    def __init__(self, world: World) -> None:
        self.loop = Loop(world)
        self.root = world.root
        self.holds = 0
        self.methods: Any = {}

    def hold(self) -> None:
        self.holds += 1

    def release(self) -> None:
        self.holds -= 1

    def serve(self, _interface: str, methods: Any) -> None:
        self.methods = methods


class Cloud:
    """AWS IoT: jobs and the deployment shadow. ``say`` sends a message to the device."""

    def __init__(self, say: Callable[[str, Any], None]) -> None:
        self.say = say
        self.jobs: dict[str, dict[str, Any]] = {}
        self.shadow: dict[str, Any] = {"version": 0, "desired": {}, "reported": {}}
        self.reports: list[dict[str, Any]] = []
        self.refuse: list[str] = []
        self.lose_answers = 0
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.time = itertools.count(1000)

    def create(self, job_id: str, document: Any = None, queued_at: int | None = None) -> None:
        queued = next(self.time) if queued_at is None else queued_at
        content = {
            "deploymentId": f"d-{job_id}",
            "configurationArn": f"arn:aws:g:r:1:configuration:thinggroup/g:{job_id}",
        }
        self.jobs[job_id] = {
            "jobId": job_id,
            "queuedAt": queued,
            "status": "QUEUED",
            "jobDocument": content if document is None else document,
            "history": [],
            "details": {},
        }
        self.notify()

    def cancel(self, job_id: str, status: str = "CANCELED") -> None:
        if self.jobs[job_id]["status"] in PENDING:
            self.jobs[job_id]["status"] = status
            self.notify()

    def desire(self, arn: str, **more: Any) -> None:
        text = json.dumps({"deploymentId": f"d-{arn}", "configurationArn": arn, "components": {}})
        self.change_shadow({"desired": {"fleetConfig": text, "desiredStatus": None, **more}}, None)

    def status(self, job_id: str) -> str:
        return str(self.jobs[job_id]["status"])

    def notify(self) -> None:
        lists: dict[str, Any] = {}
        for job in self.jobs.values():
            if job["status"] in PENDING:
                lists.setdefault(job["status"], []).append({"jobId": job["jobId"], "queuedAt": job["queuedAt"]})
        self.say(f"{JOBS}/notify-{SPACE}", {"timestamp": 1, "jobs": lists})
        first = self.first()
        self.say(f"{JOBS}/notify-next-{SPACE}", {"timestamp": 1, **({"execution": _shown(first)} if first else {})})

    def first(self) -> dict[str, Any] | None:
        waiting = [job for job in self.jobs.values() if job["status"] in PENDING]
        return min(waiting, key=lambda job: (job["status"] == "QUEUED", job["queuedAt"]), default=None)

    def receive(self, topic: str, payload: bytes) -> None:
        message = json.loads(payload)
        self.requests.append((topic, message))
        token = {"clientToken": message["clientToken"]}
        answer: dict[str, Any]
        if self.refuse:
            code = self.refuse.pop(0)
            answer = {"code": int(code) if code.isdecimal() else code, "message": "told to", **token}
            self.say(f"{topic}/rejected", answer)
            return
        if topic == f"{JOBS}/$next/{SPACE}/get":
            first = self.first()
            ok, answer = True, {"execution": _shown(first)} if first else {}
        elif topic.startswith(JOBS):
            ok, answer = self.update(topic.split("/")[4], message)
        elif topic == f"{SHADOW}/get":
            ok = self.shadow["version"] > 0
            answer = _document(self.shadow) if ok else {"code": 404, "message": "none"}
        else:
            ok = message["version"] == self.shadow["version"]
            if ok:
                self.reports.append(message["state"]["reported"])
                self.change_shadow(message["state"], message["clientToken"])
                return
            answer = {"code": 409, "message": "conflict"}
        if self.lose_answers:
            self.lose_answers -= 1
            return
        self.say(f"{topic}/{'accepted' if ok else 'rejected'}", {**answer, **token})

    def update(self, job_id: str, message: dict[str, Any]) -> tuple[bool, dict[str, Any]]:
        job = self.jobs.get(job_id)
        if job is None:
            return False, {"code": "ResourceNotFound", "message": "none"}
        if job["status"] not in PENDING:
            return False, {"code": "InvalidStateTransition", "executionState": {"status": job["status"]}}
        job["status"] = message["status"]
        job["details"] = message.get("statusDetails", {})
        job["history"].append(message["status"])
        self.notify()
        return True, {}

    def change_shadow(self, state: dict[str, Any], token: str | None) -> None:
        self.shadow["version"] += 1
        for part, values in state.items():
            self.shadow[part] = {
                key: value for key, value in {**self.shadow[part], **values}.items() if value is not None
            }
        answer = {"state": state, "version": self.shadow["version"], **({"clientToken": token} if token else {})}
        if token and self.lose_answers:
            self.lose_answers -= 1
            return
        self.say(f"{SHADOW}/update/accepted", answer)


def _shown(job: dict[str, Any]) -> dict[str, Any]:
    return {key: job[key] for key in ("jobId", "queuedAt", "status", "jobDocument")}


def _document(shadow: dict[str, Any]) -> dict[str, Any]:
    state = {part: shadow[part] for part in ("desired", "reported") if shadow[part]}
    return {"state": state, "version": shadow["version"]}


class Deployments:
    """deploymentd: takes one deployment after another, and goes on with each when ``step`` is called."""

    def __init__(self) -> None:
        self.records: dict[str, dict[str, Any]] = {}
        self.fails: set[str] = set()
        self.errors: list[BusError] = []
        self.begun: list[str] = []
        """The ids of requests, in the order in which their deployments began."""
        self._streams: list[tuple[str, Subscription]] = []

    def serve(self, method: str, params: dict[str, Any], reply: Callback, stream: Subscription | None) -> None:
        reply(getattr(self, f"_{method}")(params, stream))

    def _create_deployment(self, params: dict[str, Any], _stream: None) -> Any:
        if self.errors:
            return self.errors.pop(0)
        name = params["document"]["deploymentId"]
        known = self.records.get(name)
        if known is not None and known["request_id"] == params["request_id"]:
            return {"deployment_id": name, "known": True}
        if known is not None and known["status"] not in OVER:
            return BusError(ErrorCode.BUSY, "it runs already")
        self.records.pop(name, None)
        self.records[name] = {"deployment_id": name, "request_id": params["request_id"], "status": "QUEUED", "step": 0}
        return {"deployment_id": name}

    def _get(self, params: dict[str, Any], _stream: None) -> Any:
        found = self.records.get(params["deployment_id"])
        return BusError(ErrorCode.NOENTRY, "none") if found is None else dict(found)

    def _subscribe(self, params: dict[str, Any], stream: Subscription) -> Any:
        found = self._get(params, None)
        if not isinstance(found, BusError):
            self._streams.append((params["deployment_id"], stream))
        return found

    def _cancel(self, params: dict[str, Any], _stream: None) -> Any:
        record = self.records[params["deployment_id"]]
        can = record["status"] == "QUEUED" or (record["status"] == "IN_PROGRESS" and record["step"] == 1)
        if can:
            self._set(record, status="CANCELED")
        return {"canceled": can, "status": record["status"], "message": "as asked" if can else "too late"}

    def step(self) -> bool:
        """One step of the deployment whose turn it is; whether there is one."""
        active = [record for record in self.records.values() if record["status"] not in OVER]
        running = [record for record in active if record["status"] == "IN_PROGRESS"] or active
        if not running:
            return False
        record = running[0]
        if record["step"] == 0:
            self.begun.append(record["request_id"])
            self._set(record, status="IN_PROGRESS", step=1)
        elif record["step"] == 1:
            self._set(record, step=2)
        elif record["deployment_id"] in self.fails:
            details = {"detailed_status": "FAILED_ROLLBACK_COMPLETE", "cause": "it\nbroke"}
            self._set(record, status="FAILED", error_stack=["DEPLOYMENT_FAILURE", "COMPONENT_BROKEN"], **details)
        else:
            self._set(record, status="SUCCEEDED", detailed_status="SUCCESSFUL", error_stack=[])
        return True

    def die(self) -> None:
        streams, self._streams = self._streams, []
        for _name, stream in streams:
            stream.end(BusError(ErrorCode.NOCONN, "lost"))

    def _set(self, record: dict[str, Any], **changes: Any) -> None:
        record.update(changes)
        for name, stream in self._streams:
            if name == record["deployment_id"]:
                stream.item(dict(record))


class World:
    def __init__(self, root: Root, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(jobs_service, "Remote", Remote)
        self.root = root
        self.now = 0.0
        self.cloud = Cloud(lambda topic, message: self.inbox.append((topic, json.dumps(message).encode())))
        self.deployments = Deployments()
        self.interfaces = {
            "aws_iot_mqtt": self._mqtt,
            "gg_config": lambda _method, _params, reply, _stream: reply(THING),
            "gg_deployment": self.deployments.serve,
        }
        self.inbox: list[tuple[str, bytes]] = []
        """What AWS IoT has sent, and the device has not got."""
        self.spool: list[tuple[dict[str, Any], Callback]] = []
        self.elsewhere: list[tuple[str, str, dict[str, Any]]] = []
        self.connected = False
        self.endpoint = "old.example.com"
        self.gone: set[str] = set()
        """Endpoints that cannot be reached any more."""
        self.context: Context | None = None
        self._status: list[Subscription] = []

    # -- jobsd -------------------------------------------------------------------------------------------------------

    def start(self) -> Context:
        if self.context is None:
            self.context = Context(self)
            jobs_service.setup(self.context)
        return self.context

    def kill(self) -> None:
        """It begins again when somebody calls it, or if it was not finished."""
        self.context = None
        self._status.clear()
        if any((self.root.state / "jobs").glob("*")):
            self.start()

    def call(self, method: str, **params: Any) -> Any:
        return self.start().methods[method].handler(None, params)

    def listed(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("list")
        return found

    # -- the connection ----------------------------------------------------------------------------------------------

    def connect(self, session_present: bool = False) -> None:
        self.connected = True
        if not session_present:
            self.inbox.clear()
        for stream in self._status:
            stream.item(True)
        spool, self.spool = self.spool, []
        for params, reply in spool:
            self.cloud.receive(params["topic"], params["payload"])
            reply({})
        self.call("mqtt_connected", session_present=session_present, first=False)

    def disconnect(self) -> None:
        self.connected = False
        for stream in self._status:
            stream.item(False)

    def lose_iotcored(self) -> None:
        """What it had not sent is lost."""
        error = BusError(ErrorCode.NOCONN, "lost")
        streams, self._status = self._status, []
        for stream in streams:
            stream.end(error)
        spool, self.spool = self.spool, []
        for _params, reply in spool:
            reply(error)

    def _mqtt(self, method: str, params: dict[str, Any], reply: Callback, stream: Subscription | None) -> None:
        if method == "connection_status":
            assert stream is not None
            reply(None)
            self._status.append(stream)
            stream.item(self.connected)
        elif method == "status":
            reply({"endpoint": self.endpoint, "port": 8883})
        elif method == "publish_once" and params["endpoint"] in self.gone:
            reply(BusError(ErrorCode.REMOTE, "it does not answer"))
        elif method == "publish_once":
            self.elsewhere.append((params["endpoint"], params["topic"], json.loads(params["payload"])))
            reply({})
        elif self.connected:
            self.cloud.receive(params["topic"], params["payload"])
            reply({})
        elif params["qos"]:
            self.spool.append((params, reply))
        else:
            reply(BusError(ErrorCode.NOCONN, "offline"))

    def deliver(self, position: int = 0) -> bool:
        """Hand over one message; whether there was one."""
        if not self.connected or not self.inbox:
            return False
        topic, payload = self.inbox.pop(position % len(self.inbox))
        self.call("mqtt_message", topic=topic, payload=payload)
        self.work()
        return True

    # -- time --------------------------------------------------------------------------------------------------------

    def work(self) -> None:
        """Everything that is due now."""
        for _ in range(10_000):
            if self.context is None or not self.context.loop.run_due():
                break
        else:
            raise AssertionError("jobsd goes round in circles")
        if self.context is not None and not self.context.holds:
            self.context = None  # nothing holds it: it leaves

    def run(self, *, deploy: bool = True, seconds: float = 0.0) -> None:
        """Until nothing happens any more but the passing of time; then let ``seconds`` pass."""
        end = self.now + seconds
        for _ in range(20_000):
            self.work()
            if self.deliver() or (deploy and self.deployments.step()):
                continue
            due = None if self.context is None else self.context.loop.next_due()
            if due is None or due > end:
                self.now = max(self.now, end)
                return
            self.now = max(self.now, due)
        raise AssertionError("this never comes to an end")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    root = find_root(str(tmp_path / "root"))
    root.state.mkdir()
    return World(root, monkeypatch)
