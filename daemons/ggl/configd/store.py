"""The configuration store: the tree, its database and its watchers, kept in step.

A request's writes reach the disk before they count: the tree is changed, the rows committed, and only then is anybody
told; when the commit fails the tree goes back to what it was.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from ggl.configd.change import Change
from ggl.configd.database import Database, open_database
from ggl.configd.tree import Tree
from ggl.configd.watchers import Watchers


class Write(NamedTuple):
    path: Sequence[str]
    value: Any
    timestamp: int
    """Milliseconds since the epoch."""


class Delete(NamedTuple):
    path: Sequence[str]


class Store:
    def __init__(self, database: Database) -> None:
        """Loads the tree from ``database``."""
        self.database = database
        self.tree = Tree()
        self.watchers = Watchers()
        self.tree.load(database.leaves())

    def apply(self, operations: Sequence[Write | Delete]) -> None:
        """Do all of ``operations`` in their order, or none. Durable on return.

        Raises ``ConfigError`` or ``InvalidValue``; then nothing has changed.
        """
        change = Change(self.tree)
        try:
            for operation in operations:
                if type(operation) is Write:
                    change.write(*operation)
                else:
                    change.delete(operation.path)
            rows = change.rows()
            if rows:
                self.database.commit(rows)
        except BaseException:
            change.undo()
            raise
        self.watchers.notify(change.events())

    def close(self) -> None:
        self.database.close()


def open_store(path: FilePath) -> Store:
    """Raises ``StorageError``."""
    return Store(open_database(path))


def now() -> int:
    """The time of the clock, in ms since the epoch."""
    return time.time_ns() // 1_000_000
