"""What ``ggl status`` says about AWS: connection, thing, certificate, the last deployment.

On the way of a command that scripts poll: nothing here imports ``ssl``, or starts a daemon that is not running.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from ggl.bus import BusError
from gglcli.client import connect
from gglcli.output import Cell, State, age, duration

MQTT = "aws_iot_mqtt"
DAEMON = "iotcored"
CONFIG = "gg_config"
LAST = "last-deployment"
"""Table of the record that the deployment daemon keeps of the deployment whose status changed last."""
SOON = 30 * 86400
"""Seconds before the end of the certificate from which on people are warned."""


def cloud_of(daemons: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The connection to AWS IoT Core; ``None`` when the device has none, of which the daemon that is to hold it makes
    sure at its start by leaving."""
    state = next((entry["state"] for entry in daemons if entry["daemon"] == DAEMON), "idle")
    if state == "idle":
        return None
    if state != "running":
        return _cloud({"last_error": f"{DAEMON} is {state}"})
    try:
        with connect(MQTT) as client:
            status = client.call("status")
    except BusError as error:
        return _cloud({"last_error": error.message})
    return _cloud(status) if status.get("configured") else None


def _cloud(status: Mapping[str, Any]) -> dict[str, Any]:
    ids = status.get("client_ids") or [""]
    return {
        "state": "connected" if status.get("connected") else "offline",
        "thing": status.get("thing") or ids[0],
        "endpoint": status.get("endpoint", ""),
        "since": status.get("since", 0),
        "next_try": status.get("next_try", 0),
        "last_error": status.get("last_error") or "",
        "certificate_expires": status.get("certificate_expires", 0),
    }


def last_deployment() -> dict[str, Any] | None:
    """The deployment whose status changed last; ``None``: there was none yet, or the one who knows is not well."""
    try:
        with connect(CONFIG) as client:
            found = client.call("get", {"table": LAST, "key": LAST})
    except BusError:
        return None
    return found if isinstance(found, dict) else None


def cloud_rows(status: Mapping[str, Any]) -> list[tuple[str, Cell]]:
    """The lines about AWS, and none for a device that has nothing to do with it."""
    rows: list[tuple[str, Cell]] = []
    if cloud := status.get("cloud"):
        rows += [
            ("cloud", _connection(cloud)),
            ("thing", cloud["thing"]),
            ("endpoint", cloud["endpoint"]),
        ]
        if cloud["certificate_expires"]:
            rows.append(("certificate", _expiry(cloud["certificate_expires"])))
    if last := status.get("last_deployment"):
        rows.append(("deployment", _deployment(last)))
    return rows


def _connection(cloud: Mapping[str, Any]) -> Cell:
    now = time.time()
    if cloud["state"] == "connected":
        return State(
            f"connected, for {duration(max(0.0, now - cloud['since'] / 1000))}" if cloud["since"] else "connected"
        )
    words = ["offline"]
    if cloud["next_try"]:
        words.append(f"next try in {duration(max(0.0, cloud['next_try'] / 1000 - now))}")
    if cloud["last_error"]:
        words.append(str(cloud["last_error"]))
    return State(", ".join(words))


def _expiry(milliseconds: int) -> Cell:
    left = milliseconds / 1000 - time.time()
    day = time.strftime("%Y-%m-%d", time.gmtime(milliseconds / 1000))
    if left <= 0:
        return State(f"expired, on {day}")
    return State(f"expires soon, on {day}") if left < SOON else f"valid until {day}"


def _deployment(last: Mapping[str, Any]) -> Cell:
    when = int(last.get("finished") or last.get("created") or 0)
    words = [str(last.get("status", "")), str(last.get("deployment_id", ""))]
    return State(", ".join([*words, f"{age(when)} ago"] if when else words))
