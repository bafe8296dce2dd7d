"""Local messages: what somebody else publishes and hears."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from typing import Any

from tests.compat.actions.world import bus
from tests.compat.case import Action, fits
from tests.compat.clients import TIMEOUT
from tests.compat.scene import Scene
from tests.integration.conftest import wait_until


def json_message(message: Any) -> dict[str, Any]:
    return {"jsonMessage": {"message": message}}


def json_event(topic: str, message: Any) -> dict[str, Any]:
    return {"jsonMessage": {"message": message, "context": {"topic": topic}}}


def binary_message(base64: str) -> dict[str, Any]:
    return {"binaryMessage": {"message": base64}}


def binary_event(topic: str, base64: str) -> dict[str, Any]:
    return {"binaryMessage": {"message": base64, "context": {"topic": topic}}}


def publish(topic: str, message: Mapping[str, Any]) -> Action:
    """Somebody else publishes."""
    return bus("gg_pubsub", "publish", topic=topic, payload=message)


def publish_to_somebody(topic: str, message: Mapping[str, Any]) -> Action:
    """The same, again and again until there is somebody who gets it."""
    return lambda scene: wait_until(lambda: scene.bus("gg_pubsub", "publish", topic=scene.fill(topic), payload=message))


def listen(topic: str) -> Action:
    """Somebody else subscribes; what it got is looked at with ``heard``."""

    def do(scene: Scene) -> None:
        client = scene.stack.enter_context(scene.runtime.client("gg_pubsub"))
        scene.values["listener"] = client.subscribe("subscribe", {"topic": scene.fill(topic)})

    return do


def heard(topic: str, payload: Any) -> Action:
    def do(scene: Scene) -> None:
        item = scene.values["listener"].next(TIMEOUT)
        expected = scene.fill({"topic": topic, "payload": payload, "publisher": "{me}"})
        assert fits(expected, item, scene.client.exact_numbers), str(item)[:1000]

    return do


def flood(topic: str) -> Action:
    """Somebody publishes numbers to the topic all the time, from now on until the case is over."""

    def do(scene: Scene) -> None:
        over = threading.Event()

        def publish_all() -> None:
            with scene.runtime.client("gg_pubsub") as client:
                for number in itertools.count():
                    if over.is_set():
                        return
                    client.call("publish", {"topic": scene.fill(topic), "payload": json_message({"n": number})})

        thread = threading.Thread(target=publish_all, name="flood")
        thread.start()
        scene.stack.callback(thread.join, TIMEOUT)
        scene.stack.callback(over.set)
        scene.values["over"] = over

    return do


def gets_numbers(count: int) -> Action:
    """The subscription has got so many messages of the flood, none of them missing or in another place."""

    def do(scene: Scene) -> None:
        got = [scene.subscriptions[0].event()["jsonMessage"]["message"]["n"] for _ in range(count)]
        assert got == list(range(got[0], got[0] + count))
        scene.values["over"].set()

    return do
