"""What a message may have, before it is taken in."""

from __future__ import annotations

from typing import Any

import pytest

from ggl.iotcored.message import MAX_PROPERTIES, from_bus
from ggl.values import InvalidValue


def test_all_that_a_message_can_have() -> None:
    properties = {
        "message_expiry": 60,
        "correlation_data": b"\0\1",
        "response_topic": "r/é",
        "payload_format": 1,
        "content_type": "text/plain",
        "user_properties": [["k", "v"], ["k", ""]],
    }
    message = from_bus({"topic": "t", "payload": "é", "qos": 1, "retain": True, **properties})
    assert (message.payload, message.qos, message.retain, message.properties) == ("é".encode(), 1, True, properties)
    assert message.size == 2 + 4 + 2 + 10 + 3 + 2 * 5
    assert from_bus({"topic": "t"}).properties is None


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"payload": 7}, "'payload' must be bytes"),
        ({"qos": 2}, "'qos' must be 0 or 1"),
        ({"message_expiry": -1}, "'message_expiry' must be from 0"),
        ({"payload_format": 2}, "'payload_format' must be from 0 to 1"),
        ({"correlation_data": "x"}, "'correlation_data' must be bytes"),
        ({"user_properties": [["k"]]}, "pairs of strings"),
        ({"user_properties": [["k", "v"]] * 129}, "more than 128 pairs"),
        ({"user_properties": [["k", "x" * 1000]] * 100}, f"{MAX_PROPERTIES} is the most"),
        # For these, a broker ends the connection of all.
        ({"user_properties": [["k", "a\nb"]]}, "'user_properties' cannot hold control characters"),
        ({"content_type": "text\0"}, "'content_type' cannot hold control characters"),
        ({"response_topic": "a\x7f"}, "'response_topic' cannot hold control characters"),
        ({"response_topic": "a/+"}, "'response_topic' holds a wildcard"),
        ({"content_type": "x" * 70_000}, f"{MAX_PROPERTIES} is the most"),
    ],
)
def test_what_it_cannot_have(params: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidValue, match=why):
        from_bus({"topic": "t", **params})
