"""Messages from AWS IoT Core as the command line shows them."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

from gglcli.messages import Message, clock

if TYPE_CHECKING:
    from gglcli.line import Columns, Line

_PROPERTIES = ("content_type", "response_topic", "message_expiry", "payload_format")


class CloudMessage(Message):
    """One that was received now; its content is bytes."""

    def __init__(self, item: dict[str, Any]) -> None:
        super().__init__({"topic": item["topic"], "payload": {"binaryMessage": {}}})
        self.content = item["payload"]
        self._item = item

    def to_dict(self) -> dict[str, Any]:
        item = self._item
        data: dict[str, Any] = {"time": self.time, "topic": self.topic, "qos": item["qos"], "retain": item["retain"]}
        data |= {"binary": b64encode(self.content).decode(), "text": self.text}
        data |= {name: item[name] for name in _PROPERTIES if name in item}
        if "correlation_data" in item:
            data["correlation_data"] = b64encode(item["correlation_data"]).decode()
        if "user_properties" in item:
            data["user_properties"] = item["user_properties"]
        return data

    def line(self, columns: Columns) -> Line:
        return columns.line((clock(self.time), "dim"), (self.topic, "name"), (self.shown(), ""))
