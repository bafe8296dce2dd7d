"""What ``ggl status`` says about AWS: connection, thing, certificate, the last deployment.

On the way of a command that scripts poll: nothing here imports ``ssl``, or starts a daemon that is not running.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ggl.bus import BusError, ErrorCode
from gglcli.client import connect
from gglcli.output import Cell, State, age, duration

if TYPE_CHECKING:
    from ggl.bus import Client

MQTT = "aws_iot_mqtt"
DAEMON = "iotcored"
CONFIG = "gg_config"
LAST = "last-deployment"
"""Table of the record that the deployment daemon keeps of the deployment whose status changed last."""
SOON = 30 * 86400
"""Seconds before the end of the certificate from which on people are warned."""


def read_cloud(daemons: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """``cloud``: the connection to AWS IoT Core, ``None`` when the device has none. ``last_deployment``: the one whose
    status changed last, ``None`` when there was none yet. Both are ``None`` when the configuration daemon, who knows,
    is not well."""
    state = next((entry["state"] for entry in daemons if entry["daemon"] == DAEMON), "idle")
    thing = last = None
    try:
        with connect(CONFIG) as config:
            last = _ask(config, "get", {"table": LAST, "key": LAST})
            if state != "idle":
                thing = _ask(config, "read", {"key_path": ["system", "thingName"]})
    except BusError:
        pass
    # Without a thing the daemon is about to leave, which a question would keep it from.
    return {"cloud": _connection_of(state) if thing else None, "last_deployment": last}


def _ask(config: Client, method: str, params: dict[str, Any]) -> Any:
    try:
        return config.call(method, params)
    except BusError as error:
        if error.code == ErrorCode.NOENTRY:
            return None
        raise


def _connection_of(state: str) -> dict[str, Any] | None:
    """``state`` is that of the daemon which holds the connection."""
    if state != "running":
        return _cloud({"last_error": f"{DAEMON} is {state}"})
    try:
        with connect(MQTT) as client:
            status = client.call("status")
    except BusError as error:
        return _cloud({"last_error": error.message})
    return None if status.get("missing") else _cloud(status)


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


def cloud_rows(status: Mapping[str, Any]) -> list[tuple[str, Cell]]:
    """The lines about AWS, and none for a device that has nothing to do with it."""
    rows: list[tuple[str, Cell]] = []
    if cloud := status.get("cloud"):
        rows += [
            ("cloud", connection({**cloud, "connected": cloud["state"] == "connected"})),
            ("thing", cloud["thing"]),
            ("endpoint", cloud["endpoint"]),
        ]
        if cloud["certificate_expires"]:
            rows.append(("certificate", expiry(cloud["certificate_expires"])))
    if last := status.get("last_deployment"):
        rows.append(("deployment", _deployment(last)))
    return rows


def connection(cloud: Mapping[str, Any]) -> Cell:
    """The state of the connection, since when or until when, and why; ``cloud`` is what ``aws_iot_mqtt`` says of it."""
    now = time.time()
    if cloud["connected"]:
        return State(
            f"connected, for {duration(max(0.0, now - cloud['since'] / 1000))}" if cloud["since"] else "connected"
        )
    words = ["offline"]
    if cloud["next_try"]:
        words.append(f"next try in {duration(max(0.0, cloud['next_try'] / 1000 - now))}")
    if cloud["last_error"]:
        words.append(str(cloud["last_error"]))
    return State(", ".join(words))


def expiry(milliseconds: int) -> Cell:
    """Until when the certificate is valid; ``milliseconds`` since the epoch."""
    left = milliseconds / 1000 - time.time()
    day = time.strftime("%Y-%m-%d", time.gmtime(milliseconds / 1000))
    if left <= 0:
        return State(f"expired, on {day}")
    return State(f"expires soon, on {day}") if left < SOON else f"valid until {day}"


def _deployment(last: Mapping[str, Any]) -> Cell:
    when = int(last.get("finished") or last.get("created") or 0)
    words = [str(last.get("status", "")), str(last.get("deployment_id", ""))]
    return State(", ".join([*words, f"{age(when)} ago"] if when else words))
