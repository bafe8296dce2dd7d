"""The components that take part, each a function for a process of its own. ``stopped()`` ends them in good order."""

from __future__ import annotations

import json
import select
import time
from collections.abc import Callable
from collections.abc import Sequence as Numbers
from dataclasses import dataclass, field

from ggl.ipcd import eventstream as es
from ggl.paths import Root
from tests.lean import IpcFailure, Lean
from tests.soak.sequence import Latencies, Sequence

Stopped = Callable[[], bool]
MAX_UNANSWERED = 1000
FINISH_SECONDS = 90.0


@dataclass
class Published:
    """``behind``: the most seconds that a message was sent later than it should have been."""

    count: int = 0
    behind: float = 0.0
    failures: list[str] = field(default_factory=list)


@dataclass
class Received:
    """By publisher; ``latency``: median, 99th percentile and maximum in milliseconds."""

    sequences: dict[str, Sequence] = field(default_factory=dict)
    latency: tuple[float, float, float] = (0.0, 0.0, 0.0)
    failures: list[str] = field(default_factory=list)


@dataclass
class Done:
    """Of those that do one thing again and again."""

    count: int = 0
    failures: list[str] = field(default_factory=list)


def publish(root: Root, token: str, name: str, rate: float, stopped: Stopped) -> Published:
    """Publish ``rate`` messages a second on ``soak/<name>``, whether or not the answers come."""
    result, answered, pause = Published(), 0, 1.0 / rate
    try:
        with Lean(root, token) as lean:
            due = time.monotonic()
            while not stopped() or (answered < result.count and time.monotonic() < due + FINISH_SECONDS):
                now = time.monotonic()
                if now >= due and not stopped() and result.count - answered < MAX_UNANSWERED:
                    result.behind = max(result.behind, now - due)
                    due += pause
                    result.count += 1
                    lean.request("PublishToTopic", _message(name, result.count))
                    continue
                if select.select([lean], [], [], max(0.001, min(due - now, 0.5)))[0]:
                    for message in lean.receive():
                        answered += 1
                        if message.type != es.APPLICATION_MESSAGE and len(result.failures) < 10:
                            result.failures.append(f"publishing: {message!r}")
    except (IpcFailure, OSError) as error:
        result.failures.append(f"publisher {name}: {error!r}")
    if answered != result.count:
        result.failures.append(f"publisher {name}: {result.count} requests, {answered} answers")
    return result


def _message(name: str, number: int) -> bytes:
    return b'{"topic":"soak/%s","publishMessage":{"jsonMessage":{"message":{"p":"%s","n":%d,"t":%d}}}}' % (
        name.encode(),
        name.encode(),
        number,
        time.monotonic_ns(),
    )


def receive(root: Root, token: str, names: Numbers[str], goals: Numbers[int], ready: Callable[[], None]) -> Received:
    """Take all messages of the publishers ``names``; ``goals`` has how many each has sent, as soon as it is known."""
    result, latencies = Received({name: Sequence() for name in names}), Latencies()
    deadline = 0.0
    try:
        with Lean(root, token) as lean:
            lean.call("SubscribeToTopic", {"topic": "soak/+", "receiveMode": "RECEIVE_ALL_MESSAGES"})
            ready()
            while True:
                if all(goals):
                    deadline = deadline or time.monotonic() + FINISH_SECONDS
                    reached = all(result.sequences[name].highest >= goals[n] for n, name in enumerate(names))
                    if reached or time.monotonic() > deadline:
                        break
                if select.select([lean], [], [], 0.2)[0]:
                    now = time.monotonic_ns()
                    for event in lean.receive():
                        message = json.loads(event.payload)["jsonMessage"]["message"]
                        result.sequences[message["p"]].take(message["n"])
                        latencies.add(now - message["t"])
    except (IpcFailure, OSError, KeyError) as error:
        result.failures.append(f"subscriber: {error!r}")
    result.latency = latencies.summary()
    return result


def official_pair(root: Root, token: str, rate: float, stopped: Stopped) -> tuple[Published, Received]:
    """Publisher and subscriber on the official SDK."""
    import awsiot.greengrasscoreipc
    from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2
    from awsiot.greengrasscoreipc.model import JsonMessage, PublishMessage, SubscriptionResponseMessage

    published, latencies, sequence = Published(), Latencies(), Sequence()
    received = Received({"sdk": sequence})
    clients = [
        GreengrassCoreIPCClientV2(
            client=awsiot.greengrasscoreipc.connect(ipc_socket=str(root.ipc_socket), authtoken=token, timeout=30)
        )
        for _ in range(2)
    ]

    def arrived(event: SubscriptionResponseMessage) -> None:
        message = event.json_message.message
        sequence.take(message["n"])
        latencies.add(time.monotonic_ns() - message["t"])

    def failed(error: Exception) -> bool:
        received.failures.append(f"subscriber on the SDK: {error!r}")
        return False

    clients[1].subscribe_to_topic(topic="official", on_stream_event=arrived, on_stream_error=failed)
    due = time.monotonic()
    while not stopped():
        published.count += 1
        message = {"n": published.count, "t": time.monotonic_ns()}
        try:
            clients[0].publish_to_topic(
                topic="official", publish_message=PublishMessage(json_message=JsonMessage(message=message))
            )
        except Exception as error:
            published.failures.append(f"publisher on the SDK: {error!r}")
        due += 1.0 / rate
        late = time.monotonic() - due
        published.behind = max(published.behind, late)
        time.sleep(max(0.0, -late))
    deadline = time.monotonic() + FINISH_SECONDS
    while sequence.highest < published.count and time.monotonic() < deadline:
        time.sleep(0.05)
    received.latency = latencies.summary()
    for client in clients:
        client.close()
    return published, received


def watch_configuration(root: Root, token: str, component: str, stopped: Stopped) -> Done:
    """Change a value every second, be told of each change, and read it back."""
    result = Done()
    try:
        with Lean(root, token) as writer, Lean(root, token) as watcher:
            watcher.call("SubscribeToConfigurationUpdate", {"componentName": component, "keyPath": ["counter"]})
            while not stopped():
                result.count += 1
                change = {"keyPath": [], "timestamp": time.time(), "valueToMerge": {"counter": result.count}}
                writer.call("UpdateConfiguration", change)
                _, event = watcher.event()
                if event["configurationUpdateEvent"]["keyPath"] != ["counter"]:
                    result.failures.append(f"change {result.count} was reported as {event}")
                _, found = writer.call("GetConfiguration", {"keyPath": ["counter"]})
                if found["value"] != {"counter": result.count}:
                    result.failures.append(f"change {result.count} reads back as {found}")
                time.sleep(1.0)
            if watcher.events:
                result.failures.append(f"{len(watcher.events)} changes were reported that nobody made")
    except (IpcFailure, OSError, KeyError) as error:
        result.failures.append(f"configuration watcher, change {result.count}: {error!r}")
    return result


def come_and_go(root: Root, token: str, rate: float, stopped: Stopped) -> Done:
    """Connect, ask something, subscribe, and leave, with or without a goodbye."""
    result = Done()
    while not stopped():
        result.count += 1
        try:
            with Lean(root, token) as lean:
                lean.call("SubscribeToTopic", {"topic": "soak/+"})
                lean.call("GetConfiguration", {})
                if result.count % 2:
                    lean.request("GetConfiguration", b"{}")
        except (IpcFailure, OSError) as error:
            if len(result.failures) < 10:
                result.failures.append(f"visit {result.count}: {error!r}")
        time.sleep(1.0 / rate)
    return result
