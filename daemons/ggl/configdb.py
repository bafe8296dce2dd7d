"""The file of the configuration store, ``config.db``, for those who do not serve it: copies, reading a copy, and what
can be stored at most.

Only the configuration daemon works on the file itself while the runtime is up; it holds it locked. What the tables mean
is said in ``ggl.configd.database``. SQLite is imported when it is needed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ggl.durable import sync_directory

if TYPE_CHECKING:
    import sqlite3

APPLICATION_ID = 0x47474C43
"""``GGLC``: marks the file as ours (``file config.db`` shows it)."""
SCHEMA_VERSION = 1
SQLITE_MAGIC = b"SQLite format 3\0"
"""How every SQLite file begins."""

MAX_TIMESTAMP = 2**63 - 1
"""Milliseconds since the epoch: what SQLite and the bus can hold."""
MAX_RECORD_SIZE = 20 * 1024 * 1024
"""Bytes of one record, as ``encode`` writes it: what a deployment of hundreds of components keeps to be able to go
back. With the most that numbers can take more of on the bus (5 bytes each) it leaves room in a frame for more."""
MAX_RECORD_NODES = 500_000
"""Maps, lists and scalars in one record."""

encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
"""A value as it is stored: JSON text with every character outside ASCII escaped."""


class BadDatabase(Exception):
    """The file is no sound configuration database of this runtime; the text says why."""


def copy(source: sqlite3.Connection, target: Path, overwrite: bool) -> None:
    """Make ``target`` a complete, consistent copy of the database; mode 0600, on the disk when this returns.

    Raises ``FileExistsError`` without ``overwrite``, ``OSError`` and ``sqlite3.Error``; then ``target`` is as it was.
    """
    import sqlite3

    if not overwrite and target.exists():
        raise FileExistsError(17, "the file exists already", str(target))
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(unfinished, isolation_level=None)
        try:
            source.backup(connection)
            # One file that can be read from a medium that cannot be written: no log beside it.
            connection.execute("PRAGMA journal_mode = DELETE")
        finally:
            connection.close()
        os.replace(unfinished, target)
        sync_directory(target.parent)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def copy_file(database: Path, target: Path, overwrite: bool) -> None:
    """``copy`` of a file that no runtime has open. Raises ``BadDatabase`` besides."""
    connection = _open(database, "rw")  # what a killed daemon left in the log belongs to it
    try:
        copy(connection, target, overwrite)
    finally:
        connection.close()


def read_tree(path: Path) -> dict[str, Any]:
    """The tree in a copy: maps down to the leaves ``{"v": value, "t": timestamp}``.

    Raises ``BadDatabase``, ``FileNotFoundError`` and ``OSError``.
    """
    import sqlite3

    connection = _open(path, "ro")
    tree: dict[str, Any] = {}
    place = ""
    try:
        verdict = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if verdict != "ok":
            raise BadDatabase(f"{path} is damaged: {verdict}")
        for place, value, timestamp in connection.execute("SELECT path, value, timestamp FROM leaf ORDER BY rowid"):
            *parents, last = json.loads(place)
            node = tree
            for key in parents:
                node = node.setdefault(key, {})
            if timestamp is None:
                node.setdefault(last, {})
            else:
                node[last] = {"v": json.loads(value), "t": timestamp}
    except sqlite3.Error as error:
        raise BadDatabase(f"{path} is damaged: {error}") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise BadDatabase(f"{path} is damaged: the value of {place} cannot be read") from error
    finally:
        connection.close()
    return tree


def _open(path: Path, mode: str) -> sqlite3.Connection:
    import sqlite3
    from urllib.parse import quote

    with open(path, "rb") as file:  # SQLite's own messages do not tell a missing file from a forbidden one
        if file.read(len(SQLITE_MAGIC)) != SQLITE_MAGIC:
            raise BadDatabase(f"{path} is no SQLite database")
    name = f"file:{quote(str(path.absolute()))}?mode={mode}"
    if mode == "ro" and not path.with_name(f"{path.name}-wal").exists():
        name += "&immutable=1"  # else SQLite wants to write beside a file whose last user used a log
    connection = sqlite3.connect(name, uri=True, isolation_level=None)
    try:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.Error as error:
        connection.close()
        state = "cannot be opened" if isinstance(error, sqlite3.OperationalError) else "is damaged"
        raise BadDatabase(f"{path} {state}: {error}") from error
    if application == APPLICATION_ID and 1 <= version <= SCHEMA_VERSION:
        return connection
    connection.close()
    if application != APPLICATION_ID:
        raise BadDatabase(f"{path} is not a configuration database of this runtime")
    raise BadDatabase(f"{path} has the schema {version}, this version knows {SCHEMA_VERSION}")
