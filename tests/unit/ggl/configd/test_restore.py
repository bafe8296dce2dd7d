"""Restoring a tree: exactly what was read comes back, from any other state, in memory and on the disk."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ggl.configd.errors import Conflict, LimitExceeded, StorageFull
from ggl.configd.limits import check_record
from ggl.configd.store import Delete, DropRecord, Operation, PutRecord, Restore, Store, Write, open_store
from ggl.configd.tree import same
from ggl.configdb import MAX_RECORD_SIZE
from ggl.values import InvalidValue

KEYS = st.one_of(st.sampled_from(["a", "b", "C", "v", "t"]), st.text(max_size=3))
INTEGERS = st.integers(-(2**63), 2**64 - 1)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    INTEGERS,
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.lists(st.one_of(st.integers(0, 1), st.dictionaries(st.text(max_size=1), INTEGERS, max_size=2)), max_size=2),
)
STAMPED = st.recursive(
    st.fixed_dictionaries({"v": LEAVES, "t": st.integers(0, 2**63 - 1)}),
    lambda inner: st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def distinct(node: Any) -> bool:
    """No two keys of a map differ by case only, as in every tree that can be read."""
    if type(node.get("t")) is int:
        return True
    return len({key.casefold() for key in node}) == len(node) and all(map(distinct, node.values()))


TREES = st.dictionaries(KEYS, STAMPED, max_size=5).filter(distinct)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with closing(open_store(path)) as store:
        yield store


@given(TREES, TREES)
@settings(max_examples=60, deadline=None)
def test_any_tree_comes_back_from_any_other(first: Any, second: Any) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "config.db"
        with closing(open_store(path)) as store:
            store.apply([Restore([], first)])
            kept = store.tree.stamped([])
            assert same(kept, first)
            store.apply([Restore([], second), PutRecord("t", "k", kept)])
            assert same(store.tree.stamped([]), second)
            store.apply([Restore([], store.database.get_record("t", "k"))])
            assert same(store.tree.stamped([]), first)
        with closing(open_store(path)) as store:
            assert same(store.tree.stamped([]), first)


def test_older_values_come_back_and_only_real_changes_are_told(store: Store) -> None:
    store.apply([Write([], {"s": {"same": 1, "older": [1], "gone": {"x": 1}, "Case": 1}, "other": 1}, 5)])
    kept = store.tree.stamped(["s"])
    store.apply(
        [
            Write(["s"], {"older": [2], "same": 1, "new": {"deep": 1}}, 9),
            Delete(["s", "gone"]),
            Delete(["s", "case"]),
            Write(["s", "CASE"], 1, 9),
        ]
    )
    heard: list[Any] = []
    store.watchers.add([], heard.append)
    store.apply([Restore(["S"], kept)])
    assert store.tree.stamped([]) == {"s": kept, "other": {"v": 1, "t": 5}}
    assert {(event.path, event.removed) for event in heard} == {
        (("s", "older"), False),
        (("s", "gone", "x"), False),
        (("s", "new"), True),
        (("s", "CASE"), True),
        (("s", "Case"), False),
    }


def test_a_missing_path_is_made_and_a_leaf_can_be_restored(store: Store) -> None:
    store.apply([Restore(["a", "b"], {"v": [1], "t": 7}), Restore(["c", "d"], {})])
    assert store.tree.stamped([]) == {"a": {"b": {"v": [1], "t": 7}}, "c": {"d": {}}}
    with pytest.raises(Conflict):
        store.apply([Restore(["a", "b", "c"], {})])


@pytest.mark.parametrize(
    ("key_path", "stamped", "error"),
    [
        (["a"], 1, InvalidValue),
        (["a"], {"b": 1}, InvalidValue),
        (["a"], {"v": {"b": 1}, "t": 1}, InvalidValue),
        (["a"], {"v": 1, "t": -1}, InvalidValue),
        (["a"], {"v": float("nan"), "t": 1}, InvalidValue),
        (["a"], {"b": {}, "B": {}}, InvalidValue),
        (["a"], {"v": "x" * 1024 * 1024, "t": 1}, LimitExceeded),
        (["a"] * 58, {"b": {}}, LimitExceeded),
        ([], {"v": 1, "t": 1}, InvalidValue),
    ],
)
def test_what_is_no_stamped_tree_is_refused_and_nothing_has_changed(
    store: Store, key_path: list[str], stamped: Any, error: type[Exception]
) -> None:
    store.apply([Write(["a"], 1, 1)])
    with pytest.raises(error):
        store.apply([PutRecord("t", "k", 1), Delete(["a"]), Restore(key_path, stamped)])
    assert store.tree.stamped([]) == {"a": {"v": 1, "t": 1}}
    assert store.database.scan_records("t", False, -1) == []


def test_tree_and_records_change_together_or_not_at_all(store: Store, path: Path) -> None:
    operations: list[Operation] = [Write(["a"], 1, 1), PutRecord("t", "k", {"n": 1}), PutRecord("t", "gone", 1)]
    store.apply(operations)
    connection = store.database._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageFull):
        store.apply([Write(["a"], 2, 2), DropRecord("t", "gone"), PutRecord("t", "k", "x" * 100_000)])
    assert store.tree.read([]) == {"a": 1}
    assert store.database.scan_records("t", False, -1) == [["gone", 1], ["k", {"n": 1}]]
    connection.execute("PRAGMA max_page_count = 100000")
    store.apply([Write(["a"], 2, 2), DropRecord("t", "gone"), PutRecord("t", "k", 0), PutRecord("t", "k", {"n": 2})])
    store.close()
    with closing(open_store(path)) as again:
        assert again.tree.read([]) == {"a": 2}
        assert again.database.scan_records("t", False, -1) == [["k", {"n": 2}]]


def test_a_record_holds_what_a_generation_of_many_components_needs(store: Store) -> None:
    configuration: Any = {"v": [1], "t": 1}
    for _ in range(54):
        configuration = {"k": configuration}
    step = {"script": "x" * 500, "environment": {f"VARIABLE_{number}": "x" * 100 for number in range(30)}}
    units = {f"com.example.Component{number}": [step] * 4 for number in range(200)}
    check_record("generation", "1", {"configuration": {"com.example.Deep": configuration}, "units": units})
    store.apply([PutRecord("generation", "1", units)])
    with pytest.raises(LimitExceeded, match=f"over the limit of {MAX_RECORD_SIZE}"):
        store.apply([PutRecord("generation", "2", "x" * MAX_RECORD_SIZE)])
    with pytest.raises(LimitExceeded, match="more than 500000 parts"):
        check_record("generation", "3", [1] * 500_000)


def test_a_preview_tells_every_value_that_would_change_and_changes_nothing(store: Store) -> None:
    store.apply([Write(["a"], {"same": 1, "newer": 1, "old": [1], "gone": {"x": None}}, 5)])
    before = store.tree.stamped([])
    heard: list[Any] = []
    store.watchers.add([], heard.append)
    operations: list[Operation] = [
        Delete(["a", "gone"]),
        Write(["a"], {"same": 1, "old": {"map": 2}, "empty": {}}, 7),
        Write(["a", "newer"], 2, 4),
        PutRecord("t", "k", 1),
    ]
    told = [(path, was.value, is_now.value) for path, was, is_now in store.preview(operations)]
    assert sorted(told) == [
        (("a", "gone", "x"), None, None),
        (("a", "old"), [1], None),
        (("a", "old", "map"), None, 2),
    ]
    with pytest.raises(Conflict):
        store.preview([*operations, Write(["a", "same", "below"], 1, 9)])
    assert store.tree.stamped([]) == before
    assert heard == []
    assert store.database.scan_records("t", False, -1) == []
