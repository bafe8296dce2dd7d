"""Made-up configurations of other nuclei."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest


class LiteDatabase:
    """A ``config.db`` as the lite nucleus lays it out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.execute(
            "CREATE TABLE keyTable (keyid INTEGER PRIMARY KEY AUTOINCREMENT, keyvalue TEXT NOT NULL COLLATE BINARY)",
            "CREATE TABLE relationTable (keyid INT UNIQUE NOT NULL, parentid INT NOT NULL)",
            "CREATE TABLE valueTable (keyid INT UNIQUE NOT NULL, value TEXT NOT NULL, timeStamp INTEGER NOT NULL)",
            "CREATE TABLE version (version TEXT)",
            "INSERT INTO version VALUES ('0.1')",
        )

    def execute(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.path)) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    def fill(self, tree: dict[str, Any], time: int = 2) -> None:
        with closing(sqlite3.connect(self.path)) as connection:
            self._fill(connection, tree, None, time)
            connection.commit()

    def _fill(self, connection: sqlite3.Connection, tree: dict[str, Any], parent: int | None, time: int) -> None:
        for key, value in tree.items():
            identifier = connection.execute("INSERT INTO keyTable (keyvalue) VALUES (?)", (key,)).lastrowid
            if parent is not None:
                connection.execute("INSERT INTO relationTable VALUES (?, ?)", (identifier, parent))
            if isinstance(value, dict):
                self._fill(connection, value, identifier, time)
            else:
                connection.execute("INSERT INTO valueTable VALUES (?, ?, ?)", (identifier, json.dumps(value), time))


@pytest.fixture
def lite(tmp_path: Path) -> LiteDatabase:
    return LiteDatabase(tmp_path / "config.db")
