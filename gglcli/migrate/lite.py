"""The database of the lite nucleus, ``config.db``: a table of keys, one of who is below whom, one of values."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gglcli.keys import format_key
from gglcli.migrate.tree import BadSource, Map

KEYS = "keyTable"
"""The table by which the database is known."""
_LAYOUT = "0.1"
_STOP = "stop the old nucleus first, so that the file is complete, and copy what lies beside it (config.db-*) too"


def is_lite(path: Path) -> bool:
    """Whether a file that begins like a database is one of the lite nucleus. Raises ``BadSource``."""
    with closing(_open(path)) as connection:
        return _has_table(connection, path, KEYS)


def read(path: Path) -> tuple[dict[str, Any], list[str]]:
    """The stamped tree of a database, and remarks about it. Raises ``BadSource``."""
    with closing(_open(path)) as connection:
        for table in (KEYS, "relationTable", "valueTable"):
            if not _has_table(connection, path, table):
                raise BadSource(f"{path} has no table {table}", _other_copy(path))
        try:
            verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise BadSource(f"{path} is damaged: {verdict}", _other_copy(path))
            keys = dict(connection.execute("SELECT keyid, keyvalue FROM keyTable ORDER BY keyid"))
            parents = dict(connection.execute("SELECT keyid, parentid FROM relationTable"))
            values = {row[0]: row[1:] for row in connection.execute("SELECT keyid, value, timeStamp FROM valueTable")}
            layout = _layout(connection, path)
        except sqlite3.Error as error:
            raise BadSource(f"{path} is damaged: {error}", _other_copy(path)) from None
    notes = [] if layout == _LAYOUT else [f"the layout of the database is {layout}; {_LAYOUT} is known here"]
    return _tree(keys, parents, values, notes), notes


def _tree(
    keys: dict[int, Any], parents: dict[int, int], values: dict[int, tuple[Any, Any]], notes: list[str]
) -> dict[str, Any]:
    root = Map(0)
    for identifier in keys:
        path = _path(identifier, keys, parents)
        if path is None:
            notes.append(f"key {identifier} ({keys[identifier]!r}) belongs nowhere and was left out")
        elif identifier not in values:
            root.map_at(path, 0)
        else:
            text, time = values[identifier]
            try:
                value = json.loads(text)
            except (ValueError, TypeError, RecursionError):
                notes.append(f"the value of {format_key(path)} cannot be read and was left out")
                continue
            time = time if type(time) is int and time >= 0 else 0
            leaf = root.leaf_at(path, time)
            if time >= leaf.time:  # keys that differ by case only are one here: the newer value counts
                leaf.value, leaf.time = value, time
    return root.stamped()


def _path(identifier: int, keys: dict[int, Any], parents: dict[int, int]) -> list[str] | None:
    """The key path of a node; ``None`` if a parent is missing, or is the node's own child."""
    path: list[str] = []
    seen: set[int] = set()
    at: int | None = identifier
    while at is not None:
        key = keys.get(at)
        if type(key) is not str or at in seen:
            return None
        seen.add(at)
        path.append(key)
        at = parents.get(at)
    return path[::-1]


def _open(path: Path) -> sqlite3.Connection:
    name = f"file:{quote(str(path.absolute()))}?mode=ro"
    if not any(path.with_name(path.name + suffix).exists() for suffix in ("-wal", "-journal")):
        name += "&immutable=1"  # nothing is written beside the file of somebody else
    try:
        return sqlite3.connect(name, uri=True, timeout=1.0)
    except sqlite3.Error as error:
        raise BadSource(f"{path} cannot be opened: {error}", _STOP) from None


def _has_table(connection: sqlite3.Connection, path: Path, name: str) -> bool:
    try:
        query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
        return connection.execute(query, (name,)).fetchone() is not None
    except sqlite3.OperationalError as error:
        raise BadSource(f"{path} cannot be opened: {error}", _STOP) from None
    except sqlite3.Error as error:
        raise BadSource(f"{path} is damaged: {error}", _other_copy(path)) from None


def _layout(connection: sqlite3.Connection, path: Path) -> str:
    if not _has_table(connection, path, "version"):
        return "unknown"
    row = connection.execute("SELECT version FROM version").fetchone()
    return str(row[0]) if row else "unknown"


def _other_copy(path: Path) -> str:
    backup = path.with_name(f"{path.name}.backup")
    return f"try {backup}" if backup.exists() and backup != path else "use another copy of the file"
