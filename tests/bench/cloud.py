"""The connection to AWS IoT Core: messages there and back, set against a bare MQTT client, and what memory it costs.

The stand-in of ``tests.cloud`` is AWS. The runtime sends at most 100 messages a second, as AWS IoT Core allows, but as
many at once after a second of rest; so both sides are measured in bursts of that many.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from ggl.bus import connect
from ggl.host import client as host
from ggl.host.process import launch
from ggl.host.unit import CORE_PREFIX
from ggl.paths import Root, find_root
from tests.bench import PATIENCE, footprint, realistic
from tests.cloud.aws import Cloud, cloud
from tests.cloud.mqtt import leave
from tests.lean import ALL, Lean, install

BURST = 100
ROUNDS = 7
REST_SECONDS = 1.3
PAYLOAD = b"x" * 100
GOAL = 0.5
LEAVING = ("configd", "deploymentd", "fleetstatusd", "healthd", "jobsd", "tesd", "tesserverd")
"""What leaves by itself within two minutes without work; it is sent away, and comes back if somebody needs it."""
LONGEST_WAIT = 150.0


@contextmanager
def connected(directory: Path) -> Iterator[tuple[Root, Cloud]]:
    """A runtime that is connected to a stand-in."""
    root = find_root(f"{directory}/connected")
    before = dict(os.environ)
    with cloud(directory / "aws") as aws:
        os.environ.update(aws.environment())
        aws.write_boot_file(root)
        launch.start(root, PATIENCE)
        try:
            with connect("aws_iot_mqtt", root, PATIENCE) as client:
                status = client.subscribe("connection_status")
                while not status.next(PATIENCE):
                    pass
            yield root, aws
        finally:
            launch.stop(root, PATIENCE)
            os.environ.clear()
            os.environ.update(before)


def messages(root: Root, aws: Cloud) -> tuple[float, float, float]:
    """Messages a second of a component by way of the runtime, of a bare client, and the ratio: medians."""
    token = install(root, "com.example.Bench", {"accessControl": {"aws.greengrass.ipc.mqttproxy": ALL}})
    ours, bare = [], []
    with Lean(root, token, PATIENCE) as component, _Bare(aws) as client:
        component.call("SubscribeToIoTCore", {"topicName": "bench/ipc", "qos": "1"})
        for _ in range(ROUNDS):
            time.sleep(REST_SECONDS)
            ours.append(_rate(lambda: _by_component(component)))
            time.sleep(REST_SECONDS)
            bare.append(_rate(client.burst))
    ratio = statistics.median(one / other for one, other in zip(ours, bare, strict=True))
    return statistics.median(ours), statistics.median(bare), ratio


def _rate(burst: Callable[[], None]) -> float:
    began = time.perf_counter()
    burst()
    return BURST / (time.perf_counter() - began)


def _by_component(component: Lean) -> None:
    request = json.dumps({"topicName": "bench/ipc", "qos": "1", "payload": b64encode(PAYLOAD).decode()}).encode()
    sent = {component.request("PublishToIoTCore", request) for _ in range(BURST)}
    answered, back = 0, 0
    while answered < BURST or back < BURST:
        for message in component.receive():
            if message.stream_id in sent:
                answered += 1
                assert message.type == 0, message
            else:
                back += 1


class _Bare:
    """A client of its own, with the same certificate."""

    def __init__(self, aws: Cloud) -> None:
        self._left = 0
        self._done = Event()
        device = aws.device("Bare")
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, "Bare", protocol=mqtt.MQTTv5)
        self._client.tls_set(str(aws.ca), str(device.certificate), str(device.key))
        self._client.on_message = self._on_message
        subscribed = Event()
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.connect("localhost", aws.network.gates["mqtt"].port)
        self._client.loop_start()
        self._client.subscribe("bench/bare", 1)
        if not subscribed.wait(PATIENCE):
            raise TimeoutError("the bare client has no subscription")

    def __enter__(self) -> _Bare:
        return self

    def __exit__(self, *_: object) -> None:
        leave(self._client)

    def burst(self) -> None:
        self._left = BURST
        self._done.clear()
        for _ in range(BURST):
            self._client.publish("bench/bare", PAYLOAD, 1)
        if not self._done.wait(PATIENCE):
            raise TimeoutError(f"{self._left} messages of the bare client did not come back")

    def _on_message(self, *_: object) -> None:
        self._left -= 1
        if not self._left:
            self._done.set()


def memory(root: Root, aws: Cloud) -> tuple[list[tuple[str, int, int]], list[tuple[str, int, int]]]:
    """The processes of a connected runtime without components, and under the cloud's realistic load."""
    aws.s3.client.create_bucket(Bucket=realistic.BUCKET)
    idle = _settled(root, "ipcd")  # which earlier figures have used
    names = realistic.start(root, realistic.CLOUD_ROLES)
    loaded = _settled(root)
    realistic.stop(root, names)
    return idle, loaded


def _settled(root: Root, *others: str) -> list[tuple[str, int, int]]:
    """What is there when the daemons that leave have left, and ``others`` too."""
    with connect(host.INTERFACE, root, PATIENCE) as client:
        daemons = {name: name.removeprefix(CORE_PREFIX).partition("@")[0] for name in host.list_units(client)}
        host.stop(client, [name for name, daemon in daemons.items() if daemon in LEAVING])
    deadline = time.monotonic() + LONGEST_WAIT
    while True:
        time.sleep(2.0)
        rows = footprint.pss(root)
        if {name for name, _, _ in rows}.isdisjoint((*LEAVING, "logwriter", *others)) or time.monotonic() > deadline:
            return rows
