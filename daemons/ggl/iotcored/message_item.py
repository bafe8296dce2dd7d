"""A message in the form that components get it: its members are those of the IPC model."""

from __future__ import annotations

from binascii import b2a_base64
from typing import Any

_SAME = {
    "message_expiry": "messageExpiryIntervalSeconds",
    "response_topic": "responseTopic",
    "content_type": "contentType",
}


def for_component(item: dict[str, Any]) -> dict[str, Any]:
    """The event ``IoTCoreMessage`` for a message as it goes over the bus."""
    message: dict[str, Any] = {
        "topicName": item["topic"],
        "payload": b2a_base64(item["payload"], newline=False).decode("ascii"),
        "retain": item["retain"],
        "payloadFormat": str(item.get("payload_format", 0)),
    }
    for name, theirs in _SAME.items():
        if name in item:
            message[theirs] = item[name]
    if "correlation_data" in item:
        message["correlationData"] = b2a_base64(item["correlation_data"], newline=False).decode("ascii")
    if "user_properties" in item:
        message["userProperties"] = [{"key": key, "value": value} for key, value in item["user_properties"]]
    return {"message": message}
