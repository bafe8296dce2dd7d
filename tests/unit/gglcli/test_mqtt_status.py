"""``ggl mqtt status``, and what is said when there is nothing to publish to."""

from __future__ import annotations

import time

import pytest

from ggl.bus import BusError, ErrorCode
from gglcli.client import translate

STATUS = {
    "configured": True,
    "missing": [],
    "connected": True,
    "since": 1_795_315_200_000,
    "endpoint": "a1-ats.iot.eu-central-1.amazonaws.com",
    "port": 8883,
    "version": "5",
    "client_ids": ["Pump7", "Pump7#2"],
    "subscriptions": 51,
    "spool": {"messages": 1, "bytes": 20, "limit": 2621440, "storage": "Disk"},
    "thing": "Pump7",
    "certificate_expires": 0,
    "takeovers": 0,
    "last_error": "",
    "next_try": 0,
}


def fields(text: str) -> dict[str, str]:
    return dict(line.split(None, 1) for line in text.splitlines())  # type: ignore[misc]


def test_a_connection_is_shown_line_by_line(ggl, runtime) -> None:
    runtime.mqtt = STATUS
    shown = fields(ggl("mqtt", "status").out)
    assert shown.pop("connection").startswith("connected, for ")
    assert shown == {
        "endpoint": "a1-ats.iot.eu-central-1.amazonaws.com:8883",
        "thing": "Pump7",
        "client": "Pump7, Pump7#2",
        "mqtt": "5",
        "subscriptions": "51",
        "waiting": "1 message, 20 of 2621440 bytes (disk)",
    }
    assert ggl("mqtt", "status", "--json").json == STATUS


def test_without_a_connection_it_says_since_when_and_why(ggl, runtime) -> None:
    soon = int((time.time() + 90) * 1000)
    runtime.mqtt = {**STATUS, "connected": False, "client_ids": [], "last_error": "no answer", "next_try": soon}
    shown = fields(ggl("mqtt", "status").out)
    assert shown["connection"].startswith("offline, next try in 1m ")
    assert shown["connection"].endswith(", no answer")
    assert shown["since"].startswith("2026-11-22T")


@pytest.mark.parametrize(
    ("message", "hinted"), [("see 'ggl doctor'", False), ("the peer went away", True)], ids=["remedy", "none"]
)
def test_a_message_with_its_own_remedy_gets_no_other(ggl, runtime, message: str, hinted: bool) -> None:
    assert bool(translate(BusError(ErrorCode.BUSY, message)).hint) is hinted
