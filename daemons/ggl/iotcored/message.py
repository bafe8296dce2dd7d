"""A message: what is to be published, and what has arrived."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ggl.iotcored.library import PUBLISH, properties_for
from ggl.iotcored.topics import is_text
from ggl.values import InvalidValue, get_bool, get_int, get_list, get_str

if TYPE_CHECKING:
    from ggl.iotcored.library import MQTTMessage, Properties

MAX_PROPERTIES = 65535
"""Bytes of all properties of a message; MQTT has no room for more in one."""
PAIR = 5
"""Bytes that a user property takes besides its texts."""
MAX_EXPIRY = 2**32 - 1
MAX_USER_PROPERTIES = 128

_TEXTS = {"response_topic": "ResponseTopic", "content_type": "ContentType"}
_NUMBERS = {"message_expiry": "MessageExpiryInterval", "payload_format": "PayloadFormatIndicator"}
_NAMES = {**_TEXTS, **_NUMBERS, "correlation_data": "CorrelationData"}
"""What a property is called on the bus, and in the library."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message to publish. ``properties`` are those of MQTT 5, by their names on the bus; ``None``: it has none."""

    topic: str
    payload: bytes
    qos: int
    retain: bool = False
    properties: Mapping[str, Any] | None = None

    @property
    def size(self) -> int:
        """Bytes of payload and properties."""
        return len(self.payload) + (_size_of(self.properties) if self.properties else 0)


def from_bus(params: dict[str, Any]) -> Message:
    """The message in the parameters of ``publish``. Raises ``InvalidValue``; the topic is looked at by others."""
    payload = params.get("payload", b"")
    if isinstance(payload, str):
        payload = payload.encode()
    if not isinstance(payload, bytes):
        raise InvalidValue("'payload' must be bytes or a string")
    qos = get_int(params, "qos", 0)
    if qos not in (0, 1):
        raise InvalidValue(f"'qos' must be 0 or 1, not {qos}: AWS IoT Core has no other")
    return Message(
        get_str(params, "topic"), payload, qos, get_bool(params, "retain", False), _checked_properties(params)
    )


def _checked_properties(params: Mapping[str, Any]) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    for name in _TEXTS:
        if text := get_str(params, name, ""):
            found[name] = _checked_text(name, text)
    if wildcards := {"+", "#"} & {*found.get("response_topic", "")}:
        raise InvalidValue(f"'response_topic' holds a wildcard ('{min(wildcards)}'): an answer goes to one topic")
    for name, most in (("message_expiry", MAX_EXPIRY), ("payload_format", 1)):
        number = get_int(params, name, None)
        if number is not None and not 0 <= number <= most:
            raise InvalidValue(f"'{name}' must be from 0 to {most}, not {number}")
        if number is not None:
            found[name] = number
    correlation = params.get("correlation_data")
    if correlation is not None:
        if not isinstance(correlation, bytes):
            raise InvalidValue("'correlation_data' must be bytes")
        found["correlation_data"] = correlation
    if pairs := get_list(params, "user_properties", []):
        found["user_properties"] = _checked_pairs(pairs)
    if (size := _size_of(found)) > MAX_PROPERTIES:
        raise InvalidValue(f"the properties of the message have {size} bytes; {MAX_PROPERTIES} is the most")
    return found or None


def _checked_text(name: str, text: str) -> str:
    if not is_text(text):
        raise InvalidValue(f"'{name}' cannot hold control characters, or what is no character: {text[:100]!a}")
    return text


def _size_of(properties: Mapping[str, Any]) -> int:
    size = sum(len(properties[name].encode()) for name in _TEXTS if name in properties)
    size += len(properties.get("correlation_data", b""))
    pairs = properties.get("user_properties", ())
    return size + sum(len(key.encode()) + len(value.encode()) + PAIR for key, value in pairs)


def _checked_pairs(pairs: list[Any]) -> list[list[str]]:
    if len(pairs) > MAX_USER_PROPERTIES:
        raise InvalidValue(f"'user_properties' has more than {MAX_USER_PROPERTIES} pairs")
    for pair in pairs:
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(text, str) for text in pair)):
            raise InvalidValue("'user_properties' must be a list of pairs of strings")
        for text in pair:
            _checked_text("user_properties", text)
    return pairs


def library_properties(found: Mapping[str, Any] | None) -> Properties | None:
    """What the library sends for ``Message.properties``."""
    if not found:
        return None
    made = properties_for(PUBLISH)
    for name, value in found.items():
        if name == "user_properties":
            made.UserProperty = [tuple(pair) for pair in value]
        else:
            setattr(made, _NAMES[name], value)
    return made


def arrived(message: MQTTMessage) -> dict[str, Any]:
    """A message that has arrived, as it goes over the bus. Raises ``UnicodeDecodeError`` for a topic that is none."""
    item: dict[str, Any] = {
        "topic": message.topic,
        "payload": bytes(message.payload),
        "qos": message.qos,
        "retain": message.retain,
    }
    if message.dup:
        item["duplicate"] = True
    values = vars(message.properties) if message.properties is not None else {}
    if len(values) > _EMPTY_PROPERTIES:
        for name, theirs in _NAMES.items():
            if theirs in values:
                item[name] = values[theirs]
        if "UserProperty" in values:
            item["user_properties"] = [list(pair) for pair in values["UserProperty"]]
    return item


_EMPTY_PROPERTIES = len(vars(properties_for(PUBLISH)))
