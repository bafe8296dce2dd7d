"""The store survives what happens to files: restarts, damage, strangers, a full disk."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ggl.configd import database
from ggl.configd.errors import LimitExceeded, StorageError, StorageFull
from ggl.configd.limits import MAX_VALUE_SIZE
from ggl.configd.store import Delete, DropRecord, PutRecord, Store, Write, open_store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "config.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with closing(open_store(path)) as store:
        yield store


def write(store: Store, path: list[str], value: Any, timestamp: int = 1) -> None:
    store.apply([Write(path, value, timestamp)])


def test_everything_is_there_again_in_its_order_after_a_restart(path: Path) -> None:
    content = {"b": {"z": 1, "y": None, "x": [1, {"k": []}]}, "a": {}, "ü.é": "\ud800 \0 \U0001f600", "n": 2**64 - 1}
    with closing(open_store(path)) as store:
        write(store, [], content, 7)
        write(store, ["b", "w"], 1.5, 9)
        store.apply([Delete(["b", "y"])])
        stamped = store.tree.stamped([])
    with closing(open_store(path)) as store:
        assert store.tree.stamped([]) == stamped
        assert list(store.tree.read(["b"])) == ["z", "x", "w"]
        assert store.tree.read(["ü.é"]) == content["ü.é"]


def test_a_container_emptied_stays_as_an_empty_map(path: Path) -> None:
    with closing(open_store(path)) as store:
        write(store, ["a", "b", "c"], 1)
        store.apply([Delete(["a", "b", "c"])])
    with closing(open_store(path)) as store:
        assert store.tree.read([]) == {"a": {"b": {}}}


def test_the_file_is_private(store: Store, path: Path) -> None:
    write(store, ["a"], 1)
    assert {file.name: oct(file.stat().st_mode & 0o777) for file in path.parent.iterdir()} == {
        "config.db": "0o600",
        "config.db-wal": "0o600",
    }


def test_a_transaction_that_fails_changes_nothing(store: Store) -> None:
    write(store, ["a"], 1)
    heard: list[Any] = []
    store.watchers.add([], heard.append)
    with pytest.raises(LimitExceeded, match="over the limit"):
        store.apply([Delete(["a"]), Write(["b"], "x" * MAX_VALUE_SIZE, 1)])
    assert store.tree.read([]) == {"a": 1}
    assert heard == []


def test_a_full_disk_is_an_error_that_changes_nothing_and_passes(store: Store, path: Path) -> None:
    connection = store.database._connection
    write(store, ["a"], 1)
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageFull, match="no space left"):
        store.apply([Write(["a"], 2, 2), Write(["big"], "x" * 100_000, 2)])
    with pytest.raises(StorageFull):
        store.apply([PutRecord("t", "k", "x" * 100_000)])
    assert store.tree.read([]) == {"a": 1}
    connection.execute("PRAGMA max_page_count = 100000")
    write(store, ["a"], 3, 3)
    store.close()
    with closing(open_store(path)) as again:
        assert again.tree.read([]) == {"a": 3}


@pytest.mark.parametrize("damage", ["garbage", "truncated", "overwritten"])
def test_a_damaged_file_is_moved_aside_and_the_store_begins_anew(
    path: Path, damage: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with closing(open_store(path)) as store:
        store.apply([Write([f"key{number}"], "x" * 500, 1) for number in range(200)])
    data = path.read_bytes()
    damaged = {
        "garbage": b"this is no database" * 300,
        "truncated": data[: len(data) // 2],
        "overwritten": data[:4096] + b"\xff" * (len(data) - 4096),
    }[damage]
    path.write_bytes(damaged)
    with closing(open_store(path)) as store:
        assert store.tree.read([]) == {}
        write(store, ["a"], 1)
    (kept,) = path.parent.glob("config.db.corrupt-*")
    assert kept.read_bytes()[:100] == damaged[:100]
    assert "is damaged" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("CREATE TABLE keyTable (keyid INTEGER)", "another Greengrass nucleus"),
        ("CREATE TABLE mine (x INTEGER)", "not a configuration database"),
        ("CREATE TABLE leaf (x INTEGER)", "not a configuration database"),
        (
            f"PRAGMA application_id = {database.APPLICATION_ID}; CREATE TABLE leaf (x); PRAGMA user_version = 99",
            "later",
        ),
    ],
)
def test_a_sound_database_that_is_not_ours_is_left_alone(path: Path, script: str, message: str) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    before = path.read_bytes()
    with pytest.raises(StorageError, match=message):
        open_store(path)
    assert path.read_bytes() == before
    assert list(path.parent.glob("*corrupt*")) == []


def test_a_row_that_cannot_be_read_is_left_out(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with closing(open_store(path)) as store:
        write(store, [], {"a": 1, "b": {"c": 2}})
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("""UPDATE leaf SET value = '{' WHERE path = '["a"]'""")
        connection.execute("""INSERT INTO leaf VALUES ('["b","c","d"]', '1', 1), ('[1]', '1', 1), ('x', '1', 1)""")
        connection.commit()
    with closing(open_store(path)) as store:
        assert store.tree.read([]) == {"b": {"c": 2}}
    assert capfd.readouterr().err.count("left out") == 4


def test_a_second_process_is_refused(store: Store, path: Path) -> None:
    write(store, ["a"], 1)
    code = (
        "import sys; from pathlib import Path; from ggl.configd import database; database.LOCK_TIMEOUT = 0.1\n"
        "database.open_database(Path(sys.argv[1]))"
    )
    result = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "another process has the configuration database" in result.stderr


def test_records_are_kept_by_table_in_the_order_of_keys(path: Path) -> None:
    with closing(open_store(path)) as store:
        for key in ("2", "3", "1"):
            store.apply([PutRecord("queue", key, {"n": key})])
        store.apply([PutRecord("other", "1", None)])
        store.apply([PutRecord("queue", "1", {"n": "one"})])
        store.apply([DropRecord("queue", "3")])
        store.apply([DropRecord("queue", "3")])
    with closing(open_store(path)) as store:
        assert store.database.scan_records("queue", False, -1) == [["1", {"n": "one"}], ["2", {"n": "2"}]]
        assert store.database.scan_records("queue", True, 1) == [["2", {"n": "2"}]]
        assert store.database.get_record("other", "1") is None
        with pytest.raises(KeyError):
            store.database.get_record("queue", "3")
