"""All about one component, as ``ggl component show`` shows it."""

from __future__ import annotations

from typing import Any

from ggl.logs.source import log_source
from gglcli.client import command, root
from gglcli.dependencies import tree_table
from gglcli.output import Block, Cell, Document, Fields, State, Table, Text, Time
from gglcli.status import reason_text


def details(data: dict[str, Any]) -> list[Block]:
    """What ``ggl component show`` has found out."""
    rows: list[tuple[str, Cell]] = [
        ("component", data["component"]),
        ("version", data["version"]),
        ("previous", data["previous_version"]),
        ("state", State(data["state"])),
    ]
    if data["paused"]:
        rows.append(("paused", f"yes; '{command('component resume ' + data['component'])}' lets it go on"))
    if reason := reason_text(data):
        rows.append(("reason", reason))
    rows += [
        ("since", Time(data["since"])),
        ("pid", data["pid"] or None),
        ("restarts", data["restarts"]),
        ("runs as", data["user"] or "the default user"),
        ("limits", _limits_text(data)),
        ("dependencies", ", ".join(data["dependencies"])),
        ("dependents", ", ".join(f"{node['component']}:{node['type']}" for node in data["dependents"])),
        ("deployed by", ", ".join(data["groups"]) or "a dependency"),
        *data["paths"].items(),
    ]
    units = [
        [unit["name"], unit["active_state"], unit["sub_state"], unit["result"], unit["main_pid"] or None]
        for unit in data["units"]
    ]
    blocks: list[Block] = [Fields(rows), Text("")]
    for key, title in (("dependency_tree", "DEPENDENCY"), ("dependents", "DEPENDENT")):
        if data[key]:
            blocks += [tree_table(data[key], title), Text("")]
    if units:
        blocks += [Table(["UNIT", "ACTIVE", "SUB", "RESULT", "PID"], units), Text("")]
    return [*blocks, Text("configuration", "dim"), Document(data["configuration"])]


def _limits_text(data: dict[str, Any]) -> str:
    limits = data["limits"]
    parts = []
    if limits.get("memory") is not None:
        parts.append(f"{limits['memory']} KB of memory")
    if limits.get("cpus") is not None:
        parts.append(f"{limits['cpus']} processors")
    if parts and data["pid"] and not limits["enforced"]:
        parts.append(f"not enforced, see '{command(f'logs {log_source(root()).host_daemon}')}'")
    return ", ".join(parts) or "none"
