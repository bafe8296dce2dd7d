"""The transaction log of the Java nucleus, ``config.tlog``: one JSON object a line, replayed to the tree it stands for.

``TS`` is a time in ms, ``TP`` the path, ``W`` what happened there, ``V`` the value::

    {"TS":1700000000210,"TP":["services","com.example.Meter","configuration","rate"],"W":"changed","V":5}

A last line without its end was being written when the power failed: it is left out. Any other line that cannot be read
makes the file unusable, since nobody knows what else is missing; the nucleus keeps older copies beside it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gglcli.migrate.tree import BadSource, Map
from gglcli.trees import same

CHANGED, REMOVED, TIMESTAMP_UPDATED, INTERIOR_ADDED = "changed", "removed", "timestampUpdated", "interiorAdded"
_WITHOUT_EFFECT = ("initialized", "childChanged", "childRemoved")
"""Names of events inside the nucleus."""
REMEDY = "give another copy: config.tlog~ or bootstrap.tlog beside it, or effectiveConfig.yaml, which has no timestamps"


class _BadLine(Exception):
    pass


def replay(path: Path) -> tuple[dict[str, Any], list[str]]:
    """The stamped tree of a log, and remarks about it. Raises ``BadSource`` and ``OSError``."""
    root = Map(0)
    notes: list[str] = []
    unknown: dict[str, int] = {}
    number = 0
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                _apply(root, line, unknown)
            except _BadLine as error:
                if line.endswith(b"\n"):
                    raise BadSource(f"{path}, line {number}: {error}", REMEDY) from None
                notes.append(f"line {number}, the last one, is cut off and was left out")
    if number == 0:
        raise BadSource(f"{path} is empty", REMEDY)
    notes += [f"{count} lines say '{kind}', which means nothing here" for kind, count in unknown.items()]
    return root.stamped(), notes


def _apply(root: Map, line: bytes, unknown: dict[str, int]) -> None:
    time, path, kind, value = _entry(line)
    if any(key.startswith("_") for key in path) or kind in _WITHOUT_EFFECT:
        return
    if kind == CHANGED:
        if isinstance(value, dict):
            raise _BadLine("the value of a key is a map")
        leaf = root.leaf_at(path, time)
        if time >= leaf.time and not same(leaf.value, value):
            leaf.value, leaf.time = value, time
    elif kind == REMOVED:
        node = root.find(path)
        if node is not None and time >= node.time:
            root.remove(path)
    elif kind == TIMESTAMP_UPDATED:
        if not isinstance(root.find(path), Map):
            leaf = root.leaf_at(path, 0)
            leaf.time = max(leaf.time, time)
    elif kind == INTERIOR_ADDED:
        root.map_at(path, time)
    else:
        unknown[kind] = unknown.get(kind, 0) + 1


def _entry(line: bytes) -> tuple[int, list[str], str, Any]:
    try:
        entry = json.loads(line)
    except UnicodeDecodeError as error:
        raise _BadLine(f"not UTF-8 text (byte {error.start})") from None
    except (ValueError, RecursionError) as error:
        raise _BadLine("an empty line" if not line.strip() else f"not a JSON object: {error}") from None
    if not isinstance(entry, dict):
        raise _BadLine("not a JSON object")
    time, path, kind = entry.get("TS"), entry.get("TP"), entry.get("W")
    if type(time) is not int or not 0 <= time < 2**63:
        raise _BadLine("'TS' is no time in milliseconds")
    if not isinstance(path, list) or not path or not all(type(key) is str for key in path):
        raise _BadLine("'TP' is no list of keys")
    if type(kind) is not str:
        raise _BadLine("'W' is no text")
    return time, path, kind, entry.get("V")
