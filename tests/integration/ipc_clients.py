"""The official device SDK as the IPC tests use it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from queue import Queue
from typing import Any, Protocol

import awsiot.greengrasscoreipc
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2
from awsiot.greengrasscoreipc.model import JsonMessage, PublishMessage, SubscriptionResponseMessage

from ggl.bus import connect
from ggl.paths import Root
from tests.integration.conftest import PATIENCE, wait_until


class Rooted(Protocol):
    """A runtime of either kind."""

    root: Root


class Components:
    """Clients of the SDK, each connected with a component's token; a context manager that closes them."""

    def __init__(self, runtime: Rooted) -> None:
        self._runtime = runtime
        self._clients: list[GreengrassCoreIPCClientV2] = []

    def connect(self, token: str) -> GreengrassCoreIPCClientV2:
        ipc = awsiot.greengrasscoreipc.connect(
            ipc_socket=str(self._runtime.root.ipc_socket), authtoken=token, timeout=PATIENCE
        )
        # One thread for the callbacks: several, as the SDK has them by default, may overtake each other.
        client = GreengrassCoreIPCClientV2(client=ipc, executor=ThreadPoolExecutor(max_workers=1))
        self._clients.append(client)
        return client

    def __enter__(self) -> Components:
        return self

    def __exit__(self, *_: object) -> None:
        wait([client.close() for client in self._clients], PATIENCE)


def wait_until_left(runtime: Rooted) -> None:
    """Wait until the runtime has taken notice that all clients of this process are gone."""

    def ours() -> list[Any]:
        with connect("gg_ipc", runtime.root, PATIENCE) as bus:
            return [each for each in bus.call("connections") if each["pid"] == os.getpid()]

    wait_until(ours, lambda left: not left)


class Events:
    """What came on a subscription. ``next`` waits for an event; ``closed`` is set when the stream is over."""

    def __init__(self) -> None:
        self.queue: Queue[Any] = Queue()
        self.errors: list[Exception] = []
        self.closed = threading.Event()

    def handlers(self) -> dict[str, Callable[..., Any]]:
        return {
            "on_stream_event": self.queue.put,
            "on_stream_error": self.errors.append,
            "on_stream_closed": self.closed.set,
        }

    def next(self) -> Any:
        return self.queue.get(timeout=PATIENCE)


def json_of(event: SubscriptionResponseMessage) -> Any:
    assert event.json_message is not None
    return event.json_message.message


def publish(client: GreengrassCoreIPCClientV2, topic: str, message: Any) -> None:
    client.publish_to_topic(topic=topic, publish_message=PublishMessage(json_message=JsonMessage(message=message)))


def eventually(condition: Callable[[], bool]) -> None:
    wait_until(condition)
