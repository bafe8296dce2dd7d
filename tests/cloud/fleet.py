"""What devices tell of their components: the fleet status messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.cloud.mqtt import PATIENCE, Mqtt


class Fleet:
    """Messages about the status of devices, each as the object that was sent."""

    def __init__(self, mqtt: Mqtt) -> None:
        self._mqtt = mqtt

    def updates(self, thing: str = "Thing1") -> list[dict[str, Any]]:
        """All so far, oldest first."""
        return [message.json() for message in self._mqtt.messages(_topic(thing))]

    def wait(
        self,
        trigger: str = "",
        accept: Callable[[dict[str, Any]], Any] = lambda _: True,
        thing: str = "Thing1",
        seconds: float = PATIENCE,
    ) -> dict[str, Any]:
        """The first one, new or old, with this trigger that is accepted."""
        message = self._mqtt.wait_for(
            _topic(thing),
            lambda m: (not trigger or m.json()["trigger"] == trigger) and accept(m.json()),
            seconds,
        )
        found: dict[str, Any] = message.json()
        return found


def _topic(thing: str) -> str:
    return f"$aws/things/{thing}/greengrassv2/health/json"
