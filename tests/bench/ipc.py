"""GG IPC, as components see it: the official SDK, and a client that is as lean as Python allows."""

from __future__ import annotations

import queue
from collections.abc import Iterator

from ggl.paths import Root
from tests.bench import PATIENCE
from tests.bench.rate import Baseline, Figure
from tests.lean import ALL, Lean, install

COMPONENT = "com.example.Bench"


def figures(baseline: Baseline, root: Root) -> Iterator[Figure]:
    token = install(root, COMPONENT, {"value": 1, "accessControl": {"aws.greengrass.ipc.pubsub": ALL}})
    with Lean(root, token) as lean:

        def get_configuration() -> None:
            lean.request("GetConfiguration", b'{"keyPath":["value"]}')
            while not (answers := lean.receive()):
                pass
            (answer,) = answers
            assert answer.text("service-model-type") == "aws.greengrass#GetConfigurationResponse"

        yield baseline.measure("IPC GetConfiguration, lean client", get_configuration, 0.15)

    import awsiot.greengrasscoreipc
    from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2
    from awsiot.greengrasscoreipc.model import JsonMessage, PublishMessage

    sdk, other = (
        GreengrassCoreIPCClientV2(
            client=awsiot.greengrasscoreipc.connect(ipc_socket=str(root.ipc_socket), authtoken=token, timeout=PATIENCE)
        )
        for _ in range(2)
    )
    try:
        yield baseline.measure(
            "IPC GetConfiguration, official SDK", lambda: sdk.get_configuration(key_path=["value"]), 0.06
        )
        arrived: queue.SimpleQueue[object] = queue.SimpleQueue()
        other.subscribe_to_topic(topic="bench/topic", on_stream_event=arrived.put)
        message = PublishMessage(json_message=JsonMessage(message={"n": 1}))

        def publish() -> None:
            sdk.publish_to_topic(topic="bench/topic", publish_message=message)
            arrived.get(timeout=PATIENCE)

        yield baseline.measure("IPC publish to subscribe, official SDK at both ends", publish, 0.05)
    finally:
        sdk.close()
        other.close()
