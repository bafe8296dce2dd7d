"""A subscriber that now and then stops reading, and what is published for it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ggl.ipcd.transport import MAX_QUEUED
from ggl.logs.reader import Query, read
from ggl.paths import Root
from tests.lean import IpcFailure, Lean, connections

MESSAGE = 64 * 1024
"""Bytes of each message that it does not read."""
MOST = 4 * MAX_QUEUED
"""Bytes that are published for it at most, until it must be gone."""
LOG_SECONDS = 30.0
"""How far the log may be behind."""


@dataclass
class Cut:
    """How often it was disconnected, and the most bytes that were seen waiting for it."""

    count: int = 0
    queued: int = 0
    failures: list[str] = field(default_factory=list)


def stop_reading(
    root: Root,
    slow: str,
    slow_token: str,
    token: str,
    pause: float,
    stopped: Callable[[], bool],
    first: Callable[[], None],
) -> Cut:
    """Every ``pause`` seconds the component ``slow`` subscribes and reads nothing, until it is disconnected; ``token``
    is that of who publishes for it. ``first`` is called when this was done once."""
    result = Cut()
    request = {"topic": "bulk", "publishMessage": {"jsonMessage": {"message": {"x": "y" * MESSAGE}}}}
    try:
        with Lean(root, token) as publisher:
            while not stopped():
                with Lean(root, slow_token) as subscriber:
                    subscriber.call("SubscribeToTopic", {"topic": "bulk"})
                    _fill(root, slow, publisher, request, result)
                first()
                ends = time.monotonic() + pause
                while time.monotonic() < ends and not stopped():
                    time.sleep(0.2)
        ends = time.monotonic() + LOG_SECONDS
        while (told := len(complaints(root, slow))) < result.count and time.monotonic() < ends:
            time.sleep(0.2)
        if told < result.count:
            result.failures.append(f"{slow} was disconnected {result.count} times, the log has it {told} times")
    except (IpcFailure, OSError) as error:
        result.failures.append(f"who publishes for {slow}: {error!r}")
    return result


def _fill(root: Root, slow: str, publisher: Lean, request: dict[str, Any], result: Cut) -> None:
    for number in range(MOST // MESSAGE):
        publisher.call("PublishToTopic", request)
        if number % 8 == 0:
            queued = [each["queued"] for each in connections(root) if each["component"] == slow]
            if not queued:
                result.count += 1
                return
            result.queued = max(result.queued, *queued)
            time.sleep(0.005)
    result.failures.append(f"{slow} has not read {json.dumps(result.queued)} bytes and is connected still")


def complaints(root: Root, component: str) -> list[str]:
    """What ipcd's log says about ``component`` not reading."""
    grep = re.compile(rf"{re.escape(component)} .*does not read")
    return [record.message for record in read(root.logs, ["ggl.core.ipcd"], Query(grep=grep))]
