"""The spool on the disk: messages outlive the process, and the device's power.

One table of SQLite, with the columns that the disk spooler component of Greengrass has. Numbers go on where the last
process stopped. A database that is damaged is set aside, and a new one begun. What cannot be written, for the disk is
full or broken, is kept in memory.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections import deque
from typing import TYPE_CHECKING, Any

from ggl.iotcored.message import Message
from ggl.iotcored.spool import Entry, MemorySpool, full
from ggl.log import get_logger

if TYPE_CHECKING:
    from pathlib import Path

MAX_MESSAGES = 500_000
"""Empty messages need room on the disk, too: with all that belongs to it, about 100 bytes each."""
AHEAD = 20
"""Messages that are read at a time."""
DAMAGED = ".damaged"
_TABLE = """CREATE TABLE IF NOT EXISTS spooler (
    message_id INTEGER PRIMARY KEY, retried INTEGER NOT NULL, topic TEXT NOT NULL, qos INTEGER NOT NULL,
    retain INTEGER, payload BLOB, userProperties BLOB, messageExpiryIntervalSeconds INTEGER, correlationData BLOB,
    responseTopic TEXT, payloadFormat INTEGER, contentType TEXT)"""
_COLUMNS = {
    "message_expiry": "messageExpiryIntervalSeconds",
    "correlation_data": "correlationData",
    "response_topic": "responseTopic",
    "payload_format": "payloadFormat",
    "content_type": "contentType",
}
_ORDER = ("message_id", "retried", "topic", "qos", "retain", "payload", "userProperties", *_COLUMNS.values())
_INSERT = f"INSERT INTO spooler ({', '.join(_ORDER)}) VALUES ({', '.join('?' * len(_ORDER))})"
_VARIABLE = ("payload", "userProperties", "correlationData", "responseTopic", "contentType")
"""Columns that count for the size of a message."""
_SIZE = f"coalesce(sum({' + '.join(f'coalesce(length(CAST({each} AS BLOB)), 0)' for each in _VARIABLE)}), 0)"
_COUNT = f"SELECT count(*), {_SIZE}, coalesce(max(message_id), 0) FROM spooler"
_SELECT = f"SELECT {', '.join(_ORDER)} FROM spooler WHERE message_id > ? ORDER BY message_id LIMIT {AHEAD}"

_log = get_logger("mqtt")


class DiskSpool:
    """``path``: the database. ``limit``: bytes of payload and properties, those in memory among them. ``first``: the
    number of the first message, unless there are some with that number already."""

    storage = "Disk"

    def __init__(self, path: Path, limit: int, first: int = 1) -> None:
        self._path = path
        self._limit = limit
        self.next_number = first
        self._memory = MemorySpool(limit)
        """What could not be written."""
        self._fresh: dict[int, Entry] = {}
        """Added, and not committed."""
        self._ahead: deque[Entry] = deque()
        """Read, but not under way."""
        self._under_way: set[int] = set()
        self._read_up_to = 0
        self._messages = self._size = 0
        self._dirty = False
        self._complained = False
        self._db = self._open()

    @property
    def messages(self) -> int:
        return self._messages + self._memory.messages

    @property
    def size(self) -> int:
        return self._size + self._memory.size

    def add(self, message: Message) -> int:
        self._make_room(message.size)
        number = self.next_number
        self.next_number += 1
        entry = self._fresh[number] = Entry(number, message)
        row = _row(number, message)
        try:
            self._db.execute(_INSERT, row)
        except sqlite3.Error as error:
            self._complain(error)
            if self._db.in_transaction:
                self._memory.insert(self._fresh.pop(number))
            else:
                self._rolled_back()
            return entry.number
        self._dirty = True
        self._messages += 1
        self._size += _size(row)
        return number

    def take(self) -> Entry | None:
        if not self._ahead:
            self._read_ahead()
        in_memory = self._memory.peek()
        if in_memory is not None and (not self._ahead or in_memory < self._ahead[0].number):
            return self._memory.take()
        if not self._ahead:
            return None
        entry = self._ahead.popleft()
        self._under_way.add(entry.number)
        return entry

    def put_back(self, entry: Entry) -> None:
        if entry.number not in self._under_way:
            self._memory.put_back(entry)
            return
        self._under_way.discard(entry.number)
        self._ahead.appendleft(entry)

    def remove(self, number: int) -> None:
        self._memory.remove(number)
        if number in self._under_way:
            self._under_way.discard(number)
            self._fresh.pop(number, None)
            self._delete("message_id = ?", (number,))

    def drop_qos0(self) -> int:
        dropped = self._memory.drop_qos0() + self._delete(f"qos = 0 AND {self._waits()}")
        self._ahead = deque(entry for entry in self._ahead if entry.message.qos)
        return dropped

    def commit(self) -> None:
        """What has been removed is written now and then only: at worst, it is sent twice."""
        if not self._dirty:
            return
        self._dirty = False
        try:
            self._db.commit()
            self._fresh.clear()
        except sqlite3.Error as error:
            self._complain(error)
            with contextlib.suppress(sqlite3.Error):
                self._db.rollback()
            self._rolled_back()

    def close(self) -> None:
        self.commit()
        try:
            self._db.close()
        except sqlite3.Error as error:
            self._complain(error)

    # -- the database ------------------------------------------------------------------------------------------------

    def _open(self) -> sqlite3.Connection:
        try:
            os.makedirs(self._path.parent, mode=0o700, exist_ok=True)
            try:
                return self._connect(str(self._path))
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError) and "malformed" not in str(error):
                    raise
                _log.error("the spool %s is damaged (%s) and set aside as %s", self._path, error, DAMAGED)
                for suffix in ("", "-wal", "-shm"):
                    if os.path.exists(f"{self._path}{suffix}"):
                        os.replace(f"{self._path}{suffix}", f"{self._path}{DAMAGED}{suffix}")
                return self._connect(str(self._path))
        except (OSError, sqlite3.Error) as error:
            self._complain(error)
            return self._connect(":memory:")

    def _connect(self, name: str) -> sqlite3.Connection:
        database = sqlite3.connect(name, isolation_level="IMMEDIATE")
        try:
            database.execute("PRAGMA journal_mode=WAL")
            # What was acknowledged must outlive a loss of power, too.
            database.execute("PRAGMA synchronous=FULL")
            database.execute("PRAGMA cache_size=-256")
            if database.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("its check failed")
            database.execute(_TABLE)
            database.commit()
            found = database.execute(_COUNT).fetchone()
        except sqlite3.Error:
            database.close()
            raise
        self._messages, self._size = found[0], found[1]
        self.next_number = max(self.next_number, found[2] + 1)
        return database

    def _rolled_back(self) -> None:
        """Nothing since the last commit has been written: what was added goes on in memory."""
        fresh, self._fresh = self._fresh, {}
        self._ahead = deque(entry for entry in self._ahead if entry.number not in fresh)
        for number, entry in fresh.items():
            self._memory.insert(entry, waits=number not in self._under_way)
            self._under_way.discard(number)
        try:
            self._messages, self._size, _last = self._db.execute(_COUNT).fetchone()
        except sqlite3.Error as error:
            self._complain(error)

    def _read_ahead(self) -> None:
        try:
            for row in self._db.execute(_SELECT, (self._read_up_to,)):
                self._read_up_to = row[0]
                self._ahead.append(Entry(row[0], _message(row), row[1]))
        except sqlite3.Error as error:
            self._complain(error)

    def _delete(self, which: str, values: tuple[Any, ...] = ()) -> int:
        try:
            size = self._db.execute(f"SELECT {_SIZE} FROM spooler WHERE {which}", values)
            self._size -= size.fetchone()[0]
            count = self._db.execute(f"DELETE FROM spooler WHERE {which}", values).rowcount
        except sqlite3.Error as error:
            self._complain(error)
            return 0
        self._dirty = True
        self._messages -= count
        if self._fresh and count and not values:
            self._fresh = {number: entry for number, entry in self._fresh.items() if self._is_there(number)}
        return count

    def _waits(self) -> str:
        return f"message_id NOT IN ({', '.join(map(str, self._under_way))})"

    def _make_room(self, size: int) -> None:
        while self.size + size > self._limit or self.messages >= MAX_MESSAGES:
            oldest = f"qos = 0 AND {self._waits()} ORDER BY message_id LIMIT 1"
            if not self._delete(f"message_id IN (SELECT message_id FROM spooler WHERE {oldest})"):
                break
            self._ahead = deque(entry for entry in self._ahead if self._is_there(entry.number))
        if self.size + size > self._limit or self.messages >= MAX_MESSAGES:
            raise full(self.messages, self.size, size, self._limit)

    def _is_there(self, number: int) -> bool:
        return self._db.execute("SELECT 1 FROM spooler WHERE message_id = ?", (number,)).fetchone() is not None

    def _complain(self, error: Exception) -> None:
        if not self._complained:
            self._complained = True
            _log.error("the spool %s cannot be used (%s): messages are kept in memory meanwhile", self._path, error)


def _row(number: int, message: Message) -> tuple[Any, ...]:
    properties = message.properties or {}
    pairs = properties.get("user_properties")
    users = _json([{"key": key, "value": value} for key, value in pairs]) if pairs else None
    others = (properties.get(name) for name in _COLUMNS)
    return (number, 0, message.topic, message.qos, int(message.retain), message.payload, users, *others)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _size(row: tuple[Any, ...]) -> int:
    """What ``_SIZE`` says of it."""
    values = (row[_ORDER.index(each)] for each in _VARIABLE)
    return sum(len(value.encode() if isinstance(value, str) else value) for value in values if value is not None)


def _message(row: tuple[Any, ...]) -> Message:
    """What was written, by this version or by another's; of what nobody understands, the message goes without."""
    _number, _retried, topic, qos, retain, payload, users, *others = row
    properties = {name: value for name, value in zip(_COLUMNS, others, strict=True) if value is not None}
    if users:
        try:
            properties["user_properties"] = [[str(pair["key"]), str(pair["value"])] for pair in json.loads(users)]
        except (ValueError, TypeError, KeyError):
            _log.warning("the user properties of a message on '%s' cannot be read and are left out", topic)
    return Message(str(topic), bytes(payload or b""), min(int(qos), 1), bool(retain), properties or None)
