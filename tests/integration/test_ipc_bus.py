"""What anybody who may use the databus can ask of the daemons: wrong requests are refused, and all daemons live on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ggl.bus import BusError, Client, ErrorCode
from tests.integration.ipc_runtime import Runtime

METHODS = {
    "gg_config": (
        *("read", "list", "write", "delete", "transaction", "subscribe", "read_with_timestamps"),
        *("put", "get", "scan", "drop", "aws.greengrass#GetConfiguration", "aws.greengrass#UpdateConfiguration"),
        "aws.greengrass#SubscribeToConfigurationUpdate",
    ),
    "gg_pubsub": ("publish", "subscribe", "aws.greengrass#PublishToTopic", "aws.greengrass#SubscribeToTopic"),
    "gg_ipc": ("token", "register"),
    "gg_telemetry": ("put", "list", "subscribe", "aws.greengrass#PutComponentMetric"),
    "gg_health": ("status", "subscribe", "update_state", "aws.greengrass#UpdateState"),
}
GOOD: dict[str, Any] = {
    "key_path": ["services", "com.a"],
    "value": {"k": 1},
    "timestamp": 5,
    "operations": [{"op": "write", "key_path": ["a"], "value": 1}],
    "missing_ok": True,
    "table": "t",
    "key": "k",
    "limit": 1,
    "reverse": True,
    "topic": "a/b",
    "payload": {"jsonMessage": {"message": {}}},
    "publisher": "p",
    "subscriber": "s",
    "receive_mode": "RECEIVE_ALL_MESSAGES",
    "component": "com.a",
    "state": "RUNNING",
    "operation": "x#Y",
    "namespace": "n",
    "metrics": [{"name": "n", "unit": "Count", "value": 1}],
    "interface": "gg_x",
    "request": {
        "topic": "a",
        "publishMessage": {"binaryMessage": {"message": ""}},
        "keyPath": ["k"],
        "timestamp": 1.0,
        "valueToMerge": {"v": 1},
        "state": "ERRORED",
        "metrics": [{"name": "n", "unit": "Count", "value": 1}],
    },
}
"""Parameters with which every method does something."""
ODD: list[Any] = [7, -1, True, 1e300, float("nan"), b"\xff", [], [1], [[]], {"a": 1}, "\ud800", "\0", "x" * 70_000]
EXPECTED = (
    *(ErrorCode.INVALID, ErrorCode.RANGE, ErrorCode.NOENTRY, ErrorCode.UNSUPPORTED, ErrorCode.NOCONN),
    *(ErrorCode.RETRY, ErrorCode.TIMEOUT),
)


def error_code(client: Client, method: str, request: dict[str, Any]) -> ErrorCode | None:
    try:
        client.call(method, request, timeout=60)
    except BusError as error:
        return error.code
    return None


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    daemons = ("configd", "pubsubd", "ipcd", "healthd", "telemetryd")
    with Runtime(tmp_path_factory.mktemp("root"), daemons) as runtime:
        yield runtime


@pytest.mark.parametrize(
    ("interface", "method"),
    [(interface, method) for interface in METHODS for method in METHODS[interface]],
)
def test_odd_parameters_are_refused_for_what_they_are(runtime: Runtime, interface: str, method: str) -> None:
    requests = [{**GOOD, key: odd} for key in GOOD for odd in ODD]
    requests += [{**GOOD, "request": {**GOOD["request"], key: odd}} for key in GOOD["request"] for odd in ODD]
    with runtime.bus(interface) as client:
        for request in requests:
            assert error_code(client, method, request) in (None, *EXPECTED), request
    assert {name: process.poll() for name, process in runtime.processes.items()} == dict.fromkeys(runtime.processes)
