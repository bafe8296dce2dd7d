"""A runtime to talk to: the real bus, served by a thread, with interfaces that hold canned answers."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ggl.bus import BusError, ErrorCode, Loop, Method, Server
from ggl.bus.request import Request
from ggl.paths import Root, find_root
from gglcli.__main__ import run
from tests.cli_result import Result

HELLO = {
    "component": "com.example.Hello",
    "version": "1.2.0",
    "state": "RUNNING",
    "status_code": "NONE",
    "reason": "",
    "since": 1_795_315_200_000,
    "restarts": 0,
    "pid": 4711,
}
BROKEN = {
    **HELLO,
    "component": "com.example.Broken",
    "state": "BROKEN",
    "status_code": "RUN_ERROR",
    "reason": "exit code 3",
    "pid": 0,
    "restarts": 2,
}


def unit(name: str, **facts: Any) -> dict[str, Any]:
    return {"name": name, "active_state": "inactive", "sub_state": "dead", **facts}


@dataclass
class Runtime:
    """What the interfaces answer; tests change it."""

    root: Root
    components: list[dict[str, Any]] = field(default_factory=lambda: [dict(HELLO)])
    units: list[dict[str, Any]] = field(
        default_factory=lambda: [
            unit("ggl.core.configd", active_state="active", sub_state="running", main_pid=12, since=1_795_315_200_000),
            unit("ggl.core.deploymentd"),
            unit("ggl.com.example.Hello", component="com.example.Hello", phase="main", active_state="active"),
        ]
    )
    config: dict[str, Any] = field(default_factory=dict)
    deployments: list[dict[str, Any]] = field(default_factory=list)
    progress: list[dict[str, Any]] = field(default_factory=list)
    """What a deployment does after it was created: each replaces part of it."""
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    difference: dict[str, Any] = field(default_factory=dict)
    """What a deployment or a rollback would change."""
    generations: list[dict[str, Any]] = field(default_factory=list)
    canceled: dict[str, Any] = field(default_factory=dict)
    """What an attempt to cancel comes to."""
    records: dict[str, Any] = field(default_factory=dict)
    """What the configuration store keeps for other daemons, by table."""
    jobs: list[dict[str, Any]] = field(default_factory=list)
    """What the cloud has assigned to the device."""
    mqtt: dict[str, Any] = field(default_factory=dict)
    """What the daemon that holds the connection to AWS IoT Core says of it."""
    fold_case: bool = False
    """Whether configuration keys may be asked for in any letter case, as in the real store."""
    fail_preview: str = ""
    """Why a dry run finds that the deployment is not possible."""
    on_create: Callable[[dict[str, Any]], None] = lambda _request: None

    def break_component(self) -> None:
        self.components.append(dict(BROKEN))

    def add_unit(self, name: str, **facts: Any) -> None:
        self.units.append(unit(name, **facts))

    def interfaces(self) -> dict[str, dict[str, Method]]:
        return {
            "gg_host": {
                "info": Method(lambda *_: {"version": "0.1.0", "pid": 99, "started_ms": 1_795_315_200_000}),
                "list": Method(lambda *_: self.units),
                **{name: Method(self._note) for name in ("start", "stop", "restart", "reset", "pause", "resume")},
            },
            "gg_health": {
                "list": Method(lambda *_: self.components),
                "subscribe": Method(self._health_stream),
            },
            "gg_config": {
                "read": Method(lambda _r, p: self._config(p["key_path"])),
                "list": Method(lambda _r, p: list(self._config(p["key_path"]))),
                "write": Method(self._write),
                "delete": Method(self._note),
                "subscribe": Method(self._config_stream),
                "get": Method(lambda _r, p: self._record(p["table"])),
            },
            "gg_deployment": {
                **{name: Method(self._create) for name in ("create_local_deployment", "create_deployment", "rollback")},
                "preview": Method(self._preview),
                "generations": Method(lambda *_: self.generations),
                "cancel": Method(self._cancel),
                "list": Method(lambda *_: self.deployments),
                "get": Method(lambda *_: self.deployments[-1]),
                "subscribe": Method(self._deployment_stream),
            },
            "gg_jobs": {"list": Method(lambda *_: self.jobs)},
            "aws_iot_mqtt": {"status": Method(lambda *_: self.mqtt)},
            "gg_odd": {
                name.lower(): Method(lambda _r, _p, name=name: _fail(ErrorCode(name)))  # type: ignore[misc]
                for name in ErrorCode
            },
        }

    def _note(self, request: Request, params: dict[str, Any]) -> None:
        self.calls.append((request.method, params))

    def _config(self, path: list[str]) -> Any:
        value: Any = self.config
        for key in path:
            if self.fold_case and isinstance(value, dict):
                key = next((name for name in value if name.casefold() == key.casefold()), key)
            if not isinstance(value, dict) or key not in value:
                raise BusError(ErrorCode.NOENTRY, f"no key {path}")
            value = value[key]
        return value

    def _record(self, table: str) -> Any:
        if table not in self.records:
            raise BusError(ErrorCode.NOENTRY, f"no record in {table}")
        return self.records[table]

    def _write(self, request: Request, params: dict[str, Any]) -> None:
        self._note(request, params)
        place = self.config
        for key in params["key_path"][:-1]:
            place = place.setdefault(key, {})
        if "timestamp" not in params:
            place[params["key_path"][-1]] = params["value"]

    def _health_stream(self, request: Request, _params: dict[str, Any]) -> Any:
        request.stream()
        return self.components

    def _config_stream(self, request: Request, params: dict[str, Any]) -> None:
        stream = request.stream()
        stream.send(params["key_path"])
        stream.send([*params["key_path"], "gone"])

    def _create(self, request: Request, params: dict[str, Any]) -> dict[str, Any]:
        if params.get("dry_run"):
            return {**self._preview(request, params), "to": 4}
        self.calls.append((request.method, params))
        self.on_create(params)
        self.deployments.append(deployment(type="ROLLBACK" if request.method == "rollback" else "LOCAL"))
        return {"deployment_id": self.deployments[-1]["deployment_id"], "to": 4}

    def _preview(self, request: Request, params: dict[str, Any]) -> dict[str, Any]:
        self._note(request, params)
        if self.fail_preview:
            raise BusError(ErrorCode.FAILURE, f"{request.method}: {self.fail_preview}")
        return self.difference

    def _cancel(self, request: Request, params: dict[str, Any]) -> dict[str, Any]:
        self._note(request, params)
        return self.canceled

    def _deployment_stream(self, request: Request, _params: dict[str, Any]) -> Any:
        first = dict(self.deployments[-1])
        stream = request.stream()
        for change in self.progress:
            self.deployments[-1].update(change)
            stream.send(dict(self.deployments[-1]))
        if self.progress:
            stream.end()
        return first


def deployment(**changes: Any) -> dict[str, Any]:
    return {
        "deployment_id": "3f9a0000-0000-4000-8000-000000000001",
        "status": "QUEUED",
        "detailed_status": "",
        "created": 1_795_315_200_000,
        "finished": 0,
        "step": "",
        "message": "waiting for its turn",
        "cause": "",
        "error_stack": [],
        "error_types": [],
        "broken": [],
        "components": {"com.example.Hello": "1.2.0"},
        "changed": ["com.example.Hello"],
        "removed": [],
        "roots": {"com.example.Hello": "1.2.0"},
        "group": "LOCAL_DEPLOYMENT",
        "requested_by": "me",
        "states": {},
        **changes,
    }


def _fail(code: ErrorCode) -> None:
    raise BusError(code, "it did not work")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Root:
    """A runtime that is not running."""
    monkeypatch.setenv("GGL_ROOT", str(tmp_path / "root"))
    for name in ("GGL_RUN", "GGL_ETC", "GGL_DEBUG", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return find_root()


@pytest.fixture
def runtime(root: Root) -> Iterator[Runtime]:
    """A runtime that runs."""
    runtime = Runtime(root)
    root.bus_dir.mkdir(parents=True)
    loop = Loop()
    servers, sockets = [], []
    for name, methods in runtime.interfaces().items():
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.bind(str(root.bus_socket(name)))
        sock.listen()
        sockets.append(sock)
        servers.append(Server(loop, name, methods, sock))
    thread = threading.Thread(target=loop.run, daemon=True)
    thread.start()
    yield runtime
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    for server in servers:
        server.close()
    for sock in sockets:
        sock.close()
    loop.close()


@pytest.fixture
def ggl(root: Root, capfd: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run a command line in this process, with its output in a pipe."""

    def invoke(*arguments: str) -> Result:
        capfd.readouterr()
        code = run(arguments)
        sys.stdout.flush()
        captured = capfd.readouterr()
        return Result(code, captured.out, captured.err)

    return invoke
