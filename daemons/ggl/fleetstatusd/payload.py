"""Updates as they go over the wire. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ggl.fleetstatusd.components import Entry
from ggl.version import NUCLEUS_VERSION

TOPIC = "$aws/things/{thing}/greengrassv2/health/json"
MAX_CHUNK = 128_000
"""Bytes of one message."""

LAUNCH, RECONNECT, CADENCE = "NUCLEUS_LAUNCH", "RECONNECT", "CADENCE"
RECONFIGURE, STATUS_CHANGE = "NETWORK_RECONFIGURE", "COMPONENT_STATUS_CHANGE"
WITH_ALL = (LAUNCH, RECONFIGURE, CADENCE)
"""Updates that tell of all components; the others tell of those that changed."""

_RUNTIME = "aws_nucleus_lite"
_MANY = 999_999


@dataclass(frozen=True)
class Device:
    """Who tells. ``platform`` and ``architecture`` as recipes name them."""

    thing: str
    platform: str = "linux"
    architecture: str = ""

    @property
    def topic(self) -> str:
        return TOPIC.format(thing=self.thing)


@dataclass(frozen=True)
class Update:
    """What is told. ``timestamp`` is milliseconds since the epoch."""

    trigger: str
    sequence: int
    timestamp: int
    healthy: bool
    components: Sequence[Entry]
    deployment: Mapping[str, Any] | None = None


def messages(device: Device, update: Update) -> tuple[list[bytes], list[str]]:
    """The messages that ``update`` takes, and the names of components that are too large for any."""
    whole = _encode(_message(device, update, update.components))
    if len(whole) <= MAX_CHUNK:
        return [whole], []
    room = MAX_CHUNK - len(_encode(_message(device, update, [], _MANY, _MANY)))
    chunks: list[tuple[int, list[Entry]]] = []
    too_large = []
    for component in update.components:
        size = len(_encode(component)) + 1  # and a comma
        if size > room:
            too_large.append(component["componentName"])
            continue
        index = next((index for index, (used, _) in enumerate(chunks) if used + size <= room), None)
        if index is None:
            chunks.append((size, [component]))
        else:
            used, inside = chunks[index]
            chunks[index] = used + size, [*inside, component]
    if len(chunks) <= 1:
        return [_encode(_message(device, update, chunks[0][1] if chunks else []))], too_large
    total = len(chunks)
    return [
        _encode(_message(device, update, inside, number, total)) for number, (_, inside) in enumerate(chunks, 1)
    ], too_large


def _message(
    device: Device, update: Update, components: Sequence[Entry], number: int = 0, total: int = 0
) -> dict[str, Any]:
    message: dict[str, Any] = {
        "ggcVersion": NUCLEUS_VERSION,
        "platform": device.platform,
        "architecture": device.architecture,
        "runtime": _RUNTIME,
        "thing": device.thing,
        "sequenceNumber": update.sequence,
        "timestamp": update.timestamp,
        "messageType": "COMPLETE" if update.trigger in WITH_ALL else "PARTIAL",
        "trigger": update.trigger,
        "overallDeviceStatus": "HEALTHY" if update.healthy else "UNHEALTHY",
        "components": list(components),
    }
    if total:
        message["chunkInfo"] = {"chunkId": number, "totalChunks": total}
    if update.deployment is not None:
        message["deploymentInformation"] = dict(update.deployment)
    return message


def _encode(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
