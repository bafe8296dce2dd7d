"""What the C component SDK finds in the payloads of responses and events, or misses."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any

from tests.compat.clients import Broken

ARENA = 255 * 11
"""Bytes for what a payload is decoded into: 21 a member of a map, 11 an element of a list."""


class OutOfMemory(Broken):
    """The payload does not fit into the arena."""


def decode_map(payload: bytes) -> dict[str, Any]:
    def number(text: str) -> int:
        value = int(text)
        if not -(2**63) <= value < 2**63:
            raise Broken("JSON integer out of range of int64_t")
        return value

    try:
        value = json.loads(payload, parse_int=number)
    except ValueError as error:
        raise Broken(f"failed to decode the payload {payload[:200]!r}: {error}") from None
    if _cost(value) > ARENA:
        raise OutOfMemory("insufficient memory to decode JSON")
    decoded: dict[str, Any] = require(value, dict, "the payload")
    return decoded


def _cost(value: Any) -> int:
    if isinstance(value, dict):
        return 21 * len(value) + sum(map(_cost, value.values()))
    if isinstance(value, list):
        return 11 * len(value) + sum(map(_cost, value))
    return 0


def require(value: Any, kind: type[Any], what: str) -> Any:
    if type(value) is not kind:
        raise Broken(f"{what} is of the wrong type: {value!r}")
    return value


def member(data: dict[str, Any], key: str, kind: type[Any]) -> Any:
    if key not in data:
        raise Broken(f"map missing required key {key}")
    return require(data[key], kind, key)


def _base64(text: str) -> None:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        raise Broken(f"failed to decode the base64 {text!r}") from None


def _check_topic_event(event: dict[str, Any]) -> None:
    if ("jsonMessage" in event) == ("binaryMessage" in event):
        raise Broken("received invalid pubsub subscription response")
    is_json = "jsonMessage" in event
    message = member(event, "jsonMessage" if is_json else "binaryMessage", dict)
    content = member(message, "message", dict if is_json else str)
    member(member(message, "context", dict), "topic", str)
    if not is_json:
        _base64(content)


def _check_configuration_event(event: dict[str, Any]) -> None:
    update = member(event, "configurationUpdateEvent", dict)
    member(update, "componentName", str)
    for key in member(update, "keyPath", list):
        require(key, str, "a key of keyPath")


def _check_iot_core_event(event: dict[str, Any]) -> None:
    message = member(event, "message", dict)
    member(message, "topicName", str)
    _base64(member(message, "payload", str))


def _check_connection_event(event: dict[str, Any]) -> None:
    member(member(event, "connectionStatusEvent", dict), "status", str)


EVENT_CHECKS: dict[str, Callable[[dict[str, Any]], None]] = {
    "SubscribeToTopic": _check_topic_event,
    "SubscribeToConfigurationUpdate": _check_configuration_event,
    "SubscribeToIoTCore": _check_iot_core_event,
    "SubscribeToIoTCoreConnectionStatus": _check_connection_event,
}


def _check_listed_shadows(response: dict[str, Any]) -> None:
    for name in member(response, "results", list):
        require(name, str, "a name of results")
    member(response, "timestamp", float)


RESPONSE_CHECKS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "GetConfiguration": lambda response: member(response, "value", dict),
    "RestartComponent": lambda response: member(response, "restartStatus", str),
    "CreateLocalDeployment": lambda response: member(response, "deploymentId", str),
    "GetThingShadow": lambda response: _base64(member(response, "payload", str)),
    "UpdateThingShadow": lambda response: _base64(member(response, "payload", str)),
    "ListNamedShadowsForThing": _check_listed_shadows,
}
