"""The configuration store: the tree, its database and its watchers, kept in step.

A request's writes reach the disk before they count: the tree is changed, the rows committed together with the records
of the same request, and only then is anybody told; when the commit fails the tree goes back to what it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from ggl.configd.change import Change, Event, Row
from ggl.configd.database import Database, Record, open_database
from ggl.configd.tree import Path, Tree
from ggl.configd.watchers import Watchers


class Write(NamedTuple):
    path: Sequence[str]
    value: Any
    timestamp: int
    """Milliseconds since the epoch."""


class Delete(NamedTuple):
    path: Sequence[str]


class Restore(NamedTuple):
    path: Sequence[str]
    stamped: Any
    """A tree as ``Tree.stamped`` gives it."""


class PutRecord(NamedTuple):
    table: str
    key: str
    value: Any


class DropRecord(NamedTuple):
    table: str
    key: str


Operation = Write | Delete | Restore | PutRecord | DropRecord


class Store:
    def __init__(self, database: Database, before_commit: Callable[[Sequence[Event]], None] = lambda _: None) -> None:
        """Loads the tree from ``database``. ``before_commit`` is called with what is about to change."""
        self.database = database
        self._before_commit = before_commit
        self.tree = Tree()
        self.watchers = Watchers()
        self.tree.load(database.leaves())

    def apply(self, operations: Sequence[Operation]) -> None:
        """Do all of ``operations`` in their order, or none. Durable on return.

        Raises ``ConfigError`` or ``InvalidValue``; then nothing has changed.
        """
        change = Change(self.tree)
        try:
            _change(change, operations)
            rows = change.rows()
            records = _records(operations)
            events = change.events()
            if rows or records:
                self._before_commit(events)
                self.database.commit(rows, records)
        except BaseException:
            change.undo()
            raise
        self.watchers.notify(events)

    def preview(self, operations: Sequence[Operation]) -> list[tuple[Path, Row, Row]]:
        """The values of the tree that ``operations`` would change, each as it is and as it would be. Nothing changes.

        Raises what ``apply`` does, but for faults of the disk.
        """
        change = Change(self.tree)
        try:
            _change(change, operations)
            self.database.check(change.rows())
            return change.differences()
        finally:
            change.undo()

    def close(self) -> None:
        self.database.close()


def _change(change: Change, operations: Sequence[Operation]) -> None:
    for operation in operations:
        if type(operation) is Write:
            change.write(*operation)
        elif type(operation) is Delete:
            change.delete(operation.path)
        elif type(operation) is Restore:
            change.restore(*operation)


def _records(operations: Sequence[Operation]) -> Collection[Record]:
    """What becomes of records: of several operations on one, the last counts."""
    records: dict[tuple[str, str], Record] = {}
    for operation in operations:
        if type(operation) is PutRecord:
            records[operation.table, operation.key] = Record(*operation)
        elif type(operation) is DropRecord:
            records[operation.table, operation.key] = Record(*operation, value=None, dropped=True)
    return records.values()


def open_store(path: FilePath, before_commit: Callable[[Sequence[Event]], None] = lambda _: None) -> Store:
    """Raises ``StorageError``."""
    return Store(open_database(path), before_commit)


def now() -> int:
    """The time of the clock, in ms since the epoch."""
    return time.time_ns() // 1_000_000
