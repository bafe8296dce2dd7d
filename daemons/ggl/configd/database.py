"""Persistence of the configuration: one SQLite file with one row a leaf, and the records of other daemons.

``leaf``    a leaf's key path as a JSON array, its value as JSON, its timestamp in ms; an empty map is a row whose value
            and timestamp are NULL. Rows keep the order of their first write, and with it the order of keys.
``record``  documents of other daemons by collection and key, as JSON. They are not kept in memory.

Durability. The file is in WAL mode with ``synchronous=FULL``: a commit returns when the log has been synced to the
disk, so an acknowledged write survives a kill as well as a power cut. Measured on a virtual disk this costs 140 us a
commit against 19 us with NORMAL, under which a power cut (not a kill) could take the last moments with it.

The database is opened in exclusive mode: a second process, say a daemon left over from an earlier start, cannot have
another idea of the configuration than ours. It also saves the shared memory file and two system calls a commit.

A file that SQLite calls damaged is moved aside to ``config.db.corrupt-<time>`` and a new one begun: a device that
starts with its boot files can be repaired from afar. A sound database that is not ours is left alone, and an error.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from ggl.configd.change import Row
from ggl.configd.errors import LimitExceeded, StorageBroken, StorageError, StorageFull, show
from ggl.configd.limits import MAX_VALUE_SIZE
from ggl.configd.tree import Path
from ggl.configdb import APPLICATION_ID, MAX_RECORD_SIZE, SCHEMA_VERSION, encode
from ggl.log import get_logger
from ggl.values import InvalidValue

LOCK_TIMEOUT = 5.0
"""Seconds to wait for another process that has the database open."""

MAX_SIZE = 64 * 1024 * 1024
"""Bytes of the file: what keeps a component that writes ever new keys from filling the memory of the device."""

_PAGE_SIZE = 4096
_CACHE_KIB = 256
_WAL_PAGES = 256
"""Pages after which the log is folded back into the file: 1 MiB."""

_SCHEMA = f"""
CREATE TABLE leaf (path TEXT NOT NULL UNIQUE, value TEXT, timestamp INTEGER);
CREATE TABLE record (collection TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
                     PRIMARY KEY (collection, key)) WITHOUT ROWID;
PRAGMA user_version = {SCHEMA_VERSION};
PRAGMA application_id = {APPLICATION_ID};
"""
_PUT_LEAF = (
    "INSERT INTO leaf VALUES (?, ?, ?)"
    " ON CONFLICT (path) DO UPDATE SET value = excluded.value, timestamp = excluded.timestamp"
)
_DROP_LEAF = "DELETE FROM leaf WHERE path = ?"

_PUT_RECORD = "INSERT OR REPLACE INTO record VALUES (?, ?, ?)"
_DROP_RECORD = "DELETE FROM record WHERE collection = ? AND key = ?"

log = get_logger("configd")


class Record(NamedTuple):
    """A record to store, or one to remove."""

    collection: str
    key: str
    value: Any
    dropped: bool = False


class Database:
    """The open file. Used by one thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def leaves(self) -> Iterator[tuple[Path, Any, int | None]]:
        """Every stored leaf and empty map. A row that cannot be read is logged and left out."""
        for path, value, timestamp in self._connection.execute(
            "SELECT path, value, timestamp FROM leaf ORDER BY rowid"
        ):
            try:
                keys = json.loads(path)
                content = None if value is None else json.loads(value)
            except (ValueError, TypeError):
                keys = None
            if type(keys) is list and keys and all(type(key) is str for key in keys):
                yield tuple(keys), content, timestamp
            else:
                log.error("left out what is stored under %.200s: it cannot be read", path)

    def commit(self, rows: Sequence[tuple[Path, Row]], records: Iterable[Record] = ()) -> None:
        """Store or remove ``rows`` and ``records``, all or nothing; durable on return.

        Raises ``StorageError``, or ``LimitExceeded`` for a leaf or record that is too big.
        """
        self._execute(_statements(rows, records))

    def check(self, rows: Sequence[tuple[Path, Row]]) -> None:
        """Raises ``LimitExceeded`` where ``commit`` would."""
        _statements(rows, ())

    def get_record(self, collection: str, key: str) -> Any:
        """The record's value; raises ``KeyError``."""
        query = "SELECT value FROM record WHERE collection = ? AND key = ?"
        rows = self._query(query, (collection, key))
        if not rows:
            raise KeyError(key)
        return json.loads(rows[0][0])

    def scan_records(self, collection: str, reverse: bool, limit: int) -> list[list[Any]]:
        """``[key, value]`` in the order of keys; ``limit`` -1 is no limit."""
        order = "DESC" if reverse else "ASC"
        query = f"SELECT key, value FROM record WHERE collection = ? ORDER BY key {order} LIMIT ?"
        return [[key, json.loads(text)] for key, text in self._query(query, (collection, limit))]

    def backup(self, path: FilePath, overwrite: bool) -> None:
        """A complete copy of the file at ``path``. Raises ``StorageError``."""
        from ggl.configdb import copy

        try:
            copy(self._connection, path, overwrite)
        except (OSError, sqlite3.Error) as error:
            raise StorageError(f"no backup at {path}: {getattr(error, 'strerror', None) or error}") from error

    def close(self) -> None:
        self._connection.close()

    def _query(self, query: str, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(query, parameters).fetchall()
        except sqlite3.Error as error:
            raise _translated(error) from error
        except UnicodeEncodeError:
            return []  # what cannot be stored cannot be there

    def _execute(self, statements: Sequence[tuple[str, tuple[Any, ...]]]) -> None:
        connection = self._connection
        try:
            if len(statements) == 1:  # a statement alone is a transaction of its own
                connection.execute(*statements[0])
            elif statements:
                connection.execute("BEGIN IMMEDIATE")
                for statement, parameters in statements:
                    connection.execute(statement, parameters)
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                try:
                    connection.execute("ROLLBACK")
                except sqlite3.Error as second:
                    log.error("could not roll back: %s", second)
            raise _translated(error) from error
        except UnicodeEncodeError as error:
            raise InvalidValue(f"a key cannot be stored: {error}") from error


def _statements(rows: Sequence[tuple[Path, Row]], records: Iterable[Record]) -> list[tuple[str, tuple[Any, ...]]]:
    statements: list[tuple[str, tuple[Any, ...]]] = []
    for path, row in rows:
        key = encode(path)
        if not row.stored:
            statements.append((_DROP_LEAF, (key,)))
        elif row.timestamp is None:
            statements.append((_PUT_LEAF, (key, None, None)))
        else:
            text = _text("the value of " + show(path), row.value, MAX_VALUE_SIZE)
            statements.append((_PUT_LEAF, (key, text, row.timestamp)))
    for record in records:
        name = (record.collection, record.key)
        if record.dropped:
            statements.append((_DROP_RECORD, name))
        else:
            text = _text(f"record '{record.key}' of '{record.collection}'", record.value, MAX_RECORD_SIZE)
            statements.append((_PUT_RECORD, (*name, text)))
    return statements


def open_database(path: FilePath) -> Database:
    """Open the database at ``path``, or make one. A damaged one is moved aside first, with an error in the log.

    Raises ``StorageError`` when the file is not ours, is held by another process, or cannot be used.
    """
    try:
        return Database(_open(path))
    except StorageBroken as error:
        kept = _set_aside(path)
        log.error(
            "the configuration database %s is damaged (%s): it was moved to %s and a new one begun; boot files are"
            " loaded again, everything else needs a deployment",
            path,
            error,
            kept.name,
        )
        return Database(_open(path))


def _open(path: FilePath) -> sqlite3.Connection:
    connection: sqlite3.Connection | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The configuration may hold secrets: nobody but us reads it, from its first moment on.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(path, timeout=LOCK_TIMEOUT, isolation_level=None, cached_statements=16)
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        _check_owner(path, connection)
        connection.execute(f"PRAGMA page_size = {_PAGE_SIZE}")  # of a new file
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_PAGES * _PAGE_SIZE}")
        connection.execute(f"PRAGMA max_page_count = {MAX_SIZE // _PAGE_SIZE}")
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            connection.executescript(f"BEGIN EXCLUSIVE; {_SCHEMA} COMMIT;")
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise StorageBroken(verdict)
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        raise _translated(error, path) from error
    except OSError as error:
        raise StorageError(f"cannot open the configuration database {path}: {error.strerror}") from error
    except StorageError:
        if connection is not None:
            connection.close()
        raise
    return connection


def _check_owner(path: FilePath, connection: sqlite3.Connection) -> None:
    """Refuse a sound database of somebody else, and one of a later version of ours."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables and application in (0, APPLICATION_ID):
        return
    if "keyTable" in tables:
        raise StorageError(f"{path} is the database of another Greengrass nucleus: move it away, then start again")
    if application != APPLICATION_ID:
        raise StorageError(f"{path} is not a configuration database of this runtime: move it away, then start again")
    if version > SCHEMA_VERSION:
        raise StorageError(
            f"{path} was written by a later version (schema {version}, this version knows {SCHEMA_VERSION})"
        )


def _set_aside(path: FilePath) -> FilePath:
    kept = path.with_name(f"{path.name}.corrupt-{time.strftime('%Y%m%dT%H%M%S')}")
    number = 1
    while kept.exists():
        number += 1
        kept = path.with_name(f"{path.name}.corrupt-{time.strftime('%Y%m%dT%H%M%S')}-{number}")
    os.rename(path, kept)
    for suffix in ("-wal", "-journal"):
        try:
            os.rename(f"{path}{suffix}", f"{kept}{suffix}")
        except FileNotFoundError:
            pass
    return kept


def _text(what: str, value: Any, limit: int) -> str:
    text = encode(value)
    if len(text) > limit:
        raise LimitExceeded(f"{what} is {len(text)} bytes long, over the limit of {limit}")
    return text


def _translated(error: sqlite3.Error, path: FilePath | None = None) -> StorageError:
    """SQLite's error as ours. The low byte of its code is the kind, the rest detail."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StorageBroken(str(error))
    if code == sqlite3.SQLITE_FULL:
        return StorageFull(
            "no space left for the configuration database: the disk is full,"
            f" or the limit of {MAX_SIZE // 1024 // 1024} MiB reached; nothing was changed"
        )
    if code == sqlite3.SQLITE_NOMEM:
        return StorageFull("no memory left for the configuration database; nothing was changed")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StorageError(f"another process has the configuration database {path or ''} open")
    return StorageError(f"the configuration database failed: {error}")
