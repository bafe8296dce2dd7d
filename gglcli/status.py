"""``ggl status``: what the host and the health daemon say about everything that runs.

Kept free of Typer, because scripts poll it: see ``__main__``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ggl.bus import BusError, ErrorCode
from gglcli import errors
from gglcli.client import HOST, command, connect, is_forbidden, is_running, root, start_hint
from gglcli.output import Block, Cell, Fields, State, Table, Text, Time, duration, show

if TYPE_CHECKING:
    from ggl.bus import Client

CORE_PREFIX = "ggl.core."
HEALTH = "gg_health"
UNHEALTHY = ("BROKEN", "ERRORED")
NO_COMPONENTS = "no components; deploy one with 'ggl deploy local FOLDER'"


def show_status() -> int:
    """Print the status once; returns the exit code."""
    status = collect()
    show(status, *blocks(status))
    return exit_code(status)


def exit_code(status: Mapping[str, Any]) -> int:
    if status["runtime"]["state"] != "running":
        return errors.NOT_RUNNING
    return errors.OK if status["healthy"] else errors.BROKEN


def collect() -> dict[str, Any]:
    """The status as data. A runtime that is down is a status as well, not an error."""
    try:
        with connect(HOST) as host:
            return read(host)
    except BusError as error:
        if error.code == ErrorCode.NOCONN and not is_running() and not is_forbidden():
            return stopped()
        raise


def stopped() -> dict[str, Any]:
    return {
        "runtime": {"state": "stopped", "root": str(root().state)},
        "healthy": False,
        "daemons": [],
        "components": [],
        "recovering": [],
        "cloud": None,
        "last_deployment": None,
    }


def read(host: Client, health: Client | None = None) -> dict[str, Any]:
    """The status of a running runtime, over connections that the caller holds."""
    info = host.call("info")
    units = host.call("list")
    if health is not None:
        components = health.call("list")
    else:
        with connect(HEALTH) as own:
            components = own.call("list")
    started = int(info.get("started_ms") or 0)
    daemons = [_daemon(unit) for unit in units if unit["name"].startswith(CORE_PREFIX)]
    components = sorted((_component(entry) for entry in components), key=lambda entry: str(entry["component"]))
    healthy = all(entry["state"] != "BROKEN" for entry in components) and all(
        entry["state"] != "failed" for entry in daemons
    )
    from gglcli.cloud import read_cloud

    return {
        "runtime": {
            "state": "running",
            "version": info.get("version", ""),
            "root": str(root().state),
            "pid": info.get("pid", 0),
            "started": started,
            "uptime_seconds": round(max(0.0, time.time() - started / 1000), 1) if started else 0,
        },
        "healthy": healthy,
        "daemons": sorted(daemons, key=lambda entry: str(entry["daemon"])),
        "components": components,
        "recovering": recovering(),
        **read_cloud(daemons),
    }


def recovering() -> list[str]:
    """The units whose recovery is under way; known from the files of the recovery daemon, without starting it."""
    try:
        names = os.listdir(root().state / "recovery")
    except OSError:
        return []
    return sorted({name.rpartition(".")[0] for name in names if name.endswith((".json", ".open"))})


def _daemon(unit: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "daemon": unit["name"].removeprefix(CORE_PREFIX),
        "state": daemon_state(unit),
        "pid": unit.get("main_pid", 0),
        "restarts": unit.get("restarts", 0),
        "since": unit.get("since", 0),
        "reason": unit.get("status_text", "") if unit.get("active_state") == "failed" else "",
    }


def daemon_state(unit: Mapping[str, Any]) -> str:
    """One word: a daemon that is not needed now is ``idle``, and starts with the next request for it."""
    active, sub = unit.get("active_state"), unit.get("sub_state")
    if active == "active":
        return "running"
    if active == "failed":
        return "failed"
    if sub == "auto-restart":
        return "restarting"
    return {"activating": "starting", "deactivating": "stopping"}.get(str(active), "idle")


def _component(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "component": entry["component"],
        "version": entry.get("version", ""),
        "state": entry.get("state", ""),
        "pid": entry.get("pid", 0),
        "restarts": entry.get("restarts", 0),
        "since": entry.get("since", 0),
        "status_code": entry.get("status_code", ""),
        "reason": entry.get("reason", ""),
        "paused": entry.get("paused", False),
    }


def blocks(status: Mapping[str, Any]) -> list[Block]:
    runtime = status["runtime"]
    if runtime["state"] != "running":
        return [
            Fields([("runtime", State("stopped")), ("root", runtime["root"])]),
            Text(start_hint(), "dim"),
        ]
    from gglcli.cloud import cloud_rows

    head = Fields(
        [
            ("runtime", State("running")),
            ("version", runtime["version"]),
            ("root", runtime["root"]),
            ("pid", runtime["pid"]),
            ("uptime", duration(runtime["uptime_seconds"])),
            *cloud_rows(status),
        ]
    )
    shown: list[Block] = [head, Text(""), daemons_table(status["daemons"]), Text("")]
    if status["recovering"]:
        names = ", ".join(name.removeprefix("ggl.") for name in status["recovering"])
        shown += [Text(f"recovery under way: {names} (see '{command('recovery list')}')", "bad"), Text("")]
    return [*shown, components_table(status["components"])]


def daemons_table(daemons: Sequence[Mapping[str, Any]]) -> Table:
    columns = ["DAEMON", "STATE", "PID", "RESTARTS", "SINCE"]
    rows: list[list[Cell]] = [
        [entry["daemon"], State(entry["state"]), entry["pid"] or None, entry["restarts"], Time(entry["since"])]
        for entry in daemons
    ]
    _with_reasons(columns, rows, [str(entry["reason"]) for entry in daemons])
    return Table(columns, rows, empty="no daemons")


def components_table(components: Sequence[Mapping[str, Any]]) -> Table:
    columns = ["COMPONENT", "VERSION", "STATE", "PID", "RESTARTS", "SINCE"]
    rows: list[list[Cell]] = [
        [
            *(entry["component"], entry["version"], State(entry["state"])),
            *(entry["pid"] or None, entry["restarts"], Time(entry["since"])),
        ]
        for entry in components
    ]
    _with_reasons(columns, rows, [_reason(entry) for entry in components])
    return Table(columns, rows, empty=NO_COMPONENTS)


def _reason(component: Mapping[str, Any]) -> str:
    if component.get("paused"):
        return "paused"
    return reason_text(component) if component["state"] in UNHEALTHY else ""


def reason_text(component: Mapping[str, Any]) -> str:
    """Status code and reason of a component; empty when there is nothing to say."""
    code = component["status_code"]
    return " ".join(part for part in (code if code != "NONE" else "", component["reason"]) if part)


def _with_reasons(columns: list[str], rows: list[list[Cell]], reasons: Sequence[str]) -> None:
    """Add the column only when something is wrong: healthy output stays narrow."""
    if any(reasons):
        columns.append("REASON")
        for row, reason in zip(rows, reasons, strict=True):
            row.append(reason)
