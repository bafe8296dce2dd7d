"""Updates on the wire: keys, and messages within the limit of AWS IoT Core."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ggl.fleetstatusd.payload import MAX_CHUNK, Device, Update, messages

DEVICE = Device("Thing1", "linux", "aarch64")


def update(components: list[dict[str, Any]], trigger: str = "CADENCE", **more: Any) -> Update:
    return Update(trigger, 7, 1_700_000_000_000, True, components, **more)


def component(name: str, size: int = 0) -> dict[str, Any]:
    return {"componentName": name, "status": "BROKEN", "reason": "x" * size}


def test_a_message_has_the_keys_of_greengrass() -> None:
    (payload,), _ = messages(DEVICE, update([component("App")]))
    assert DEVICE.topic == "$aws/things/Thing1/greengrassv2/health/json"
    assert json.loads(payload) == {
        "ggcVersion": "2.18.0",
        "platform": "linux",
        "architecture": "aarch64",
        "runtime": "aws_nucleus_lite",
        "thing": "Thing1",
        "sequenceNumber": 7,
        "timestamp": 1_700_000_000_000,
        "messageType": "COMPLETE",
        "trigger": "CADENCE",
        "overallDeviceStatus": "HEALTHY",
        "components": [component("App")],
    }


@pytest.mark.parametrize(
    ("trigger", "kind"),
    [
        ("NUCLEUS_LAUNCH", "COMPLETE"),
        ("NETWORK_RECONFIGURE", "COMPLETE"),
        ("RECONNECT", "PARTIAL"),
        ("COMPONENT_STATUS_CHANGE", "PARTIAL"),
        ("LOCAL_DEPLOYMENT", "PARTIAL"),
    ],
)
def test_the_trigger_says_whether_all_is_told(trigger: str, kind: str) -> None:
    (payload,), _ = messages(DEVICE, update([], trigger))
    assert json.loads(payload)["messageType"] == kind


def test_what_is_too_much_for_one_message_is_told_in_chunks_of_one_number() -> None:
    many = [component(f"Component{number}", 900 + number % 7) for number in range(500)]
    payloads, too_large = messages(DEVICE, update(many, deployment={"deploymentId": "d"}))
    assert not too_large
    assert max(map(len, payloads)) <= MAX_CHUNK
    chunks = [json.loads(payload) for payload in payloads]
    assert [chunk["chunkInfo"] for chunk in chunks] == [
        {"chunkId": number, "totalChunks": len(chunks)} for number in range(1, len(chunks) + 1)
    ]
    assert {(chunk["sequenceNumber"], chunk["timestamp"]) for chunk in chunks} == {(7, 1_700_000_000_000)}
    assert all(chunk["deploymentInformation"] == {"deploymentId": "d"} for chunk in chunks)
    told = [each["componentName"] for chunk in chunks for each in chunk["components"]]
    assert sorted(told) == sorted(each["componentName"] for each in many)
    # First-fit: no two chunks would fit into one.
    assert len(payloads) == -(-sum(len(json.dumps(each, separators=(",", ":"))) for each in many) // MAX_CHUNK)


def test_a_component_that_fits_into_no_message_is_left_out() -> None:
    (payload,), too_large = messages(DEVICE, update([component("Huge", MAX_CHUNK), component("Small")]))
    assert too_large == ["Huge"]
    assert json.loads(payload)["components"] == [component("Small")]
    assert "chunkInfo" not in json.loads(payload)


def test_characters_count_as_the_bytes_that_they_take() -> None:
    payloads, _ = messages(DEVICE, update([component("Ü" * 100, 60_000), component("Ö" * 20_000)]))
    assert len(payloads) == 2
    assert max(map(len, payloads)) <= MAX_CHUNK
