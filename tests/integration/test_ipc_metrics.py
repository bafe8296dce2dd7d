"""Metrics that components put with the official SDK: what is taken, what it adds up to, and what of it survives."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2
from awsiot.greengrasscoreipc.model import (
    InvalidArgumentsError,
    Metric,
    MetricUnitType,
    ServiceError,
    UnauthorizedError,
)

from ggl.telemetryd.ledger import KEPT_INTERVALS
from tests.integration.conftest import Runtime as WholeRuntime
from tests.integration.conftest import running, wait_until
from tests.integration.ipc_clients import Components
from tests.integration.ipc_runtime import Runtime

A, STREAMS, STRANGER = "aws.greengrass.A", "aws.greengrass.StreamManager", "com.example.A"
POLICY = {"operations": ["aws.greengrass#PutComponentMetric"], "resources": ["size*", "speed"]}
ALLOWED = {"accessControl": {"aws.greengrass.ipc.componentmetric": {"p": POLICY}}}


@pytest.fixture
def metrics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    with Runtime(tmp_path_factory.mktemp("root"), ("configd", "ipcd", "telemetryd")) as runtime:
        yield runtime


def put(client: GreengrassCoreIPCClientV2, *metrics: tuple[Any, Any, Any]) -> None:
    client.put_component_metric(metrics=[Metric(name=name, unit=unit, value=value) for name, unit, value in metrics])


def listed(runtime: Any) -> list[tuple[Any, ...]]:
    """What is known of every metric, but for times."""
    rows = runtime.call("gg_telemetry", "list")
    keys = ("namespace", "name", "unit", "sum", "count", "min", "max", "last")
    return [tuple(row[key] for key in keys) for row in rows]


def test_values_add_up_and_are_told_to_who_looks_on(metrics: Runtime) -> None:
    with Components(metrics) as components, metrics.bus("gg_telemetry") as bus:
        client = components.connect(metrics.install(A, ALLOWED))
        stream = bus.subscribe("subscribe")
        put(client, ("size", MetricUnitType.BYTES, 3.0), ("speed", MetricUnitType.BYTES_PER_SECOND, 2.5))
        put(client, ("size", "bytes", 1.0))
        assert listed(metrics) == [
            (A, "speed", "BytesPerSecond", 2.5, 1, 2.5, 2.5, 2.5),
            (A, "size", "Bytes", 4.0, 2, 1.0, 3.0, 1.0),
        ]
        seen = [stream.next() for _ in range(3)]
        assert [(item["namespace"], item["name"], item["value"]) for item in seen] == [
            (A, "size", 3.0),
            (A, "speed", 2.5),
            (A, "size", 1.0),
        ]


def test_who_may_put_what(metrics: Runtime) -> None:
    with Components(metrics) as components:
        stranger = components.connect(metrics.install(STRANGER, ALLOWED))
        with pytest.raises(UnauthorizedError) as refused:
            put(stranger)  # who asks comes first
        assert refused.value.message == (
            f"Principal {STRANGER} is not authorized to perform"
            " aws.greengrass.ipc.componentmetric:aws.greengrass#PutComponentMetric"
        )
        client = components.connect(metrics.install(A, ALLOWED))
        with pytest.raises(UnauthorizedError):
            put(client, ("size", "Count", 1.0), ("other", "Count", 1.0))
        put(components.connect(metrics.install(STREAMS)), ("anything", "Count", 1.0))
        assert [row[:2] for row in listed(metrics)] == [(STREAMS, "anything")]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([], "Null or Empty list of metrics found in PutComponentMetricRequest"),
        ([("size", "Count", 1.0), ("", "Count", 1.0)], "Invalid argument found in PutComponentMetricRequest"),
        ([("size" + "ü" * 15, "Count", 1.0)], "Invalid argument found in PutComponentMetricRequest"),
        ([(None, "Count", 1.0)], "Invalid argument found in PutComponentMetricRequest"),
        ([("size", "", 1.0)], "Invalid argument found in PutComponentMetricRequest"),
        ([("size", "Count", -0.5)], "Invalid argument found in PutComponentMetricRequest"),
        ([("size", "Furlongs", 1.0)], "Invalid telemetry unit: No matching TelemetryUnit type found"),
        # A bad one before a forbidden one is told first, and the other way round.
        ([("size", "Count", -1.0), ("other", "Count", 1.0)], "Invalid argument found in PutComponentMetricRequest"),
    ],
)
def test_bad_metrics_are_refused_as_a_whole(metrics: Runtime, bad: list[Any], message: str) -> None:
    with Components(metrics) as components:
        client = components.connect(metrics.install(A, ALLOWED))
        with pytest.raises(InvalidArgumentsError) as caught:
            put(client, *bad)
        assert caught.value.message == message
        with pytest.raises(ServiceError):
            put(client, ("size", "Count", None))
        with pytest.raises(UnauthorizedError):
            put(client, ("other", "Count", 1.0), ("size", "Count", -1.0))
        assert listed(metrics) == []


def test_the_daemon_is_there_when_needed_and_what_it_wrote_survives_its_death() -> None:
    with running() as runtime:
        assert runtime.pid_of("telemetryd") == 0, "it runs although nobody has put anything"
        values = {"namespace": A, "metrics": [{"name": "size", "unit": "Bytes", "value": 2}]}
        with runtime.client("gg_telemetry") as stays:  # as long as somebody is connected
            stays.call("put", values)
            first = runtime.pid_of("telemetryd")
            wait_until(lambda: runtime.call("gg_config", "scan", {"table": "metrics"}))
            runtime.kill(first)
        wait_until(lambda: runtime.pid_of("telemetryd") != first)
        with runtime.client("gg_telemetry") as stays:
            stays.call("put", values)
            assert listed(runtime) == [(A, "size", "Bytes", 4.0, 2, 2.0, 2.0, 2.0)]

            # An orderly stop writes what is not on the disk yet.
            pid = runtime.pid_of("telemetryd")
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda: runtime.pid_of("telemetryd") != pid)
        assert listed(runtime) == [(A, "size", "Bytes", 4.0, 2, 2.0, 2.0, 2.0)]


def test_the_interval_at_hand_goes_on_and_the_oldest_ones_are_dropped(runtime: WholeRuntime) -> None:
    now = int(time.time() * 1000)
    metric = {"name": "size", "unit": "Bytes", "sum": 5, "count": 1, "min": 5, "max": 5, "last": 5, "time": now}
    begins = [*range(1000, 1000 + KEPT_INTERVALS), now - 1000]
    for begin in begins:
        record = {"begin": begin, "namespace": A, "metrics": [metric]}
        runtime.call("gg_config", "put", {"table": "metrics", "key": f"{begin:013d} {A}", "value": record})
    runtime.call("gg_config", "put", {"table": "metrics", "key": f"{now - 1000:013d} damaged", "value": [1]})

    runtime.call("gg_telemetry", "put", {"namespace": A, "metrics": [{"name": "size", "unit": "bytes", "value": 2}]})
    rows = runtime.call("gg_telemetry", "list", {"namespace": A})
    assert [row["begin"] for row in rows] == begins
    assert (rows[-1]["sum"], rows[-1]["count"], rows[-1]["last"]) == (7, 2, 2)

    kept = wait_until(
        lambda: runtime.call("gg_config", "scan", {"table": "metrics"}),
        lambda records: f"{begins[0]:013d} {A}" not in [key for key, _value in records],
    )
    assert [value["begin"] for key, value in kept if "damaged" not in key] == begins[1:]
    assert kept[-2][1]["metrics"][0]["sum"] == 7
