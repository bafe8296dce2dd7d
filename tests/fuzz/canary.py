"""Well-behaved components on the official SDK, which must not notice anything of what goes on around them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COMPONENT = "com.example.Canary"
TOPIC = "canary/numbers"
CONFIGURATION = {
    "marker": "still the same",
    "accessControl": {"aws.greengrass.ipc.pubsub": {"all": {"operations": ["*"], "resources": [TOPIC]}}},
}
PAUSE = 0.02
"""Seconds between two rounds: a message and a configuration read each."""


@dataclass
class Song:
    """What the canaries did, and what went wrong. ``slowest``: seconds of the slowest round."""

    published: int = 0
    received: int = 0
    reads: int = 0
    slowest: float = 0.0
    failures: list[str] = field(default_factory=list)


def sing(path: Path, token: str, stopped: Callable[[], bool]) -> Song:
    """Publish numbers, receive them, and read the configuration, until ``stopped()``."""
    import awsiot.greengrasscoreipc
    from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2
    from awsiot.greengrasscoreipc.model import JsonMessage, PublishMessage

    def connect() -> GreengrassCoreIPCClientV2:
        ipc = awsiot.greengrasscoreipc.connect(ipc_socket=str(path), authtoken=token, timeout=60)
        return GreengrassCoreIPCClientV2(client=ipc)

    song, arrived = Song(), threading.Event()
    publisher, subscriber = connect(), connect()

    def received(event: Any) -> None:
        number = event.json_message.message["n"]
        if number != song.received + 1:
            song.failures.append(f"message {number} came after message {song.received}")
        song.received = number
        arrived.set()

    def failed(error: Exception) -> bool:
        song.failures.append(f"the subscription failed: {error!r}")
        return True

    _, subscription = subscriber.subscribe_to_topic(
        topic=TOPIC,
        on_stream_event=received,
        on_stream_error=failed,
        on_stream_closed=lambda: None if stopped() else song.failures.append("the subscription was closed"),
    )
    while not stopped() and len(song.failures) < 20:
        began = time.monotonic()
        song.published += 1
        message = PublishMessage(json_message=JsonMessage(message={"n": song.published}))
        try:
            publisher.publish_to_topic(topic=TOPIC, publish_message=message)
            found = publisher.get_configuration(key_path=["marker"])
            song.reads += 1
            if found.value != CONFIGURATION["marker"] and found.value != {"marker": CONFIGURATION["marker"]}:
                song.failures.append(f"the configuration reads {found.value!r}")
        except Exception as error:
            song.failures.append(f"round {song.published}: {error!r}")
        song.slowest = max(song.slowest, time.monotonic() - began)
        time.sleep(PAUSE)
    deadline = time.monotonic() + 60
    while song.received < song.published and time.monotonic() < deadline:
        arrived.wait(1.0)
        arrived.clear()
    if song.received != song.published:
        song.failures.append(f"{song.published} messages were published, {song.received} received")
    subscription.close().result(60)
    publisher.close()
    subscriber.close()
    return song
