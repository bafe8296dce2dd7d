"""What a deployment (``preview``) or a rollback (``dry_run``) would change, as the runtime worked it out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gglcli import output
from gglcli.output import Block, Cell, Table, Text

_VALUE_LENGTH = 80
"""Characters of a configuration value that are shown."""


def show(difference: Mapping[str, Any], head: str) -> None:
    """``difference`` as it is with ``--json``; else for people, below ``head``."""
    output.show(difference, *_blocks(difference, head))


def _blocks(difference: Mapping[str, Any], head: str) -> list[Block]:
    components = difference.get("components") or []
    touched = [entry for entry in components if entry["action"] != "keep"]
    kept = [entry["component"] for entry in components if entry["action"] == "keep"]
    parts = [
        *_roots(difference.get("roots") or {}),
        *([_components(touched)] if touched else []),
        *_configuration(difference.get("configuration") or []),
        *_files(difference.get("files") or {}),
    ]
    if not parts:
        return [Text(f"{head}: nothing would change", "good")]
    blocks: list[Block] = [Text(f"{head} would change:", "head")]
    for part in parts:
        blocks += [Text(""), part]
    if kept:
        verb = "stays as it is" if len(kept) == 1 else "stay as they are"
        blocks += [Text(""), Text(f"{', '.join(kept)} {verb}", "dim")]
    return blocks


def _components(entries: list[dict[str, Any]]) -> Table:
    rows: list[list[Cell]] = [
        [entry["component"], entry["action"], entry["from"], entry["to"], _reasons(entry)] for entry in entries
    ]
    return Table(["COMPONENT", "ACTION", "FROM", "TO", "REASON"], rows)


def _reasons(entry: Mapping[str, Any]) -> str:
    return ", ".join(entry.get("reasons") or (["configuration"] if entry["action"] == "configure" else []))


def _roots(roots: Mapping[str, Any]) -> list[Block]:
    """The list of the group: what was asked for by name."""
    words = [f"add {name} {version}" for name, version in sorted((roots.get("added") or {}).items())]
    words += [f"{name} {old} -> {new}" for name, (old, new) in sorted((roots.get("changed") or {}).items())]
    words += [f"remove {name}" for name in sorted(roots.get("removed") or ())]
    return [Text(f"group {roots['group'].removeprefix('thinggroup/')}: {', '.join(words)}")] if words else []


def _configuration(entries: list[dict[str, Any]]) -> list[Block]:
    rows: list[list[Cell]] = [[entry["component"], entry["key"] or "/", _change(entry)] for entry in entries]
    return [Table(["COMPONENT", "KEY", "CHANGE"], rows)] if rows else []


def _change(entry: Mapping[str, Any]) -> str:
    if "from" not in entry:
        return f"new: {_value(entry['to'])}"
    if "to" not in entry:
        return f"removed: {_value(entry['from'])}"
    return f"{_value(entry['from'])} -> {_value(entry['to'])}"


def _value(value: Any) -> str:
    text = output.to_json(value)
    return text if len(text) <= _VALUE_LENGTH else f"{text[:_VALUE_LENGTH]}..."


def _files(files: Mapping[str, Any]) -> list[Block]:
    words = {"added": "new", "changed": "changed", "removed": "removed"}
    rows: list[list[Cell]] = [[words[key], path] for key in words for path in files.get(key) or ()]
    return [Table(["CHANGE", "FILE"], rows)] if rows else []
