"""What a write does to what is there already. Timestamps are 5 for what is there, unless the test says otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from ggl.configd.change import Change, Event
from ggl.configd.errors import Conflict, LimitExceeded, NoEntry
from ggl.configd.limits import MAX_DEPTH, MAX_KEY_LENGTH
from ggl.configd.tree import Tree
from ggl.values import InvalidValue

THERE = {"leaf": 1, "list": [1, 2], "map": {"x": 1, "y": 2}, "empty": {}}


@pytest.fixture
def tree() -> Tree:
    tree = Tree()
    Change(tree).write([], THERE, 5)
    return tree


@pytest.mark.parametrize(
    ("path", "value", "timestamp", "result"),
    [
        (["leaf"], 2, 4, 1),  # older: ignored
        (["leaf"], 2, 5, 2),  # equal: the new value wins
        (["leaf"], 2, 6, 2),
        (["leaf"], None, 6, None),  # null is a value
        (["list"], [3], 6, [3]),  # lists are replaced as a whole
        (["map"], {"y": 3, "z": 4}, 6, {"x": 1, "y": 3, "z": 4}),
        (["map"], {}, 6, {"x": 1, "y": 2}),
        (["map"], 7, 6, 7),  # a value in place of a map
        (["map"], 7, 4, {"x": 1, "y": 2}),
        (["empty"], 7, 0, 7),  # an empty map has no time to defend
        (["leaf"], {"x": 1}, 6, {"x": 1}),  # a map in place of a value
        (["leaf"], {}, 6, {}),
        (["leaf"], {"x": 1}, 4, 1),
        (["new", "below"], {"x": {}}, 0, {"x": {}}),
    ],
)
def test_write(tree: Tree, path: list[str], value: Any, timestamp: int, result: Any) -> None:
    Change(tree).write(path, value, timestamp)
    assert tree.read(path) == result


def test_a_value_replaces_a_map_only_if_it_is_not_older_than_the_newest_leaf_in_it(tree: Tree) -> None:
    Change(tree).write(["map", "y"], 3, 9)
    Change(tree).write(["map"], 7, 8)
    assert tree.read(["map"]) == {"x": 1, "y": 3}


def test_the_same_value_raises_the_timestamp_and_is_no_event(tree: Tree) -> None:
    change = Change(tree)
    change.write(["leaf"], 1, 9)
    assert tree.newest(["leaf"]) == 9
    assert change.events() == []
    assert [path for path, _ in change.rows()] == [("leaf",)]


def test_the_same_value_at_the_same_time_is_nothing_to_store(tree: Tree) -> None:
    change = Change(tree)
    change.write([], THERE, 5)
    assert change.rows() == []


def test_one_and_true_and_one_point_zero_are_different_values(tree: Tree) -> None:
    for value in (True, 1.0, 1):
        change = Change(tree)
        change.write(["leaf"], value, 6)
        assert change.events() == [Event(("leaf",), False)]


def test_a_path_through_a_value_is_refused(tree: Tree) -> None:
    with pytest.raises(Conflict, match="'leaf' is a value"):
        Change(tree).write(["leaf", "x"], 1, 9)
    with pytest.raises(Conflict):
        Change(tree).write(["list", "0"], 1, 9)


def test_keys_are_found_in_any_case_and_keep_their_first_spelling(tree: Tree) -> None:
    change = Change(tree)
    change.write(["MAP"], {"X": 9, "New": 1}, 6)
    assert tree.read(["map"]) == {"x": 9, "y": 2, "New": 1}
    assert tree.read(["Map", "NEW"]) == 1
    assert change.events() == [Event(("map", "x"), False), Event(("map", "New"), False)]


def test_many_keys_at_once_are_found_in_any_case_too(tree: Tree) -> None:
    Change(tree).write(["map"], {f"Key{number}": 1 for number in range(100)} | {"X": 9, "KEY5": 7}, 6)
    assert len(tree.read(["map"])) == 102
    assert tree.read(["map", "x"]) == 9
    assert tree.read(["map"])["Key5"] == 7


def test_a_deletion_takes_everything_below_and_leaves_the_parent(tree: Tree) -> None:
    change = Change(tree)
    change.delete(["map", "x"])
    change.delete(["MAP", "Y"])
    assert tree.read(["map"]) == {}
    change.delete(["map"])
    with pytest.raises(NoEntry):
        tree.read(["map"])
    assert change.events() == [Event(("map",), True)]


def test_deleting_what_is_not_there_is_no_error_and_no_event(tree: Tree) -> None:
    change = Change(tree)
    change.delete(["nothing", "here"])
    change.delete(["leaf", "x"])
    assert change.events() == []
    assert change.rows() == []


def test_what_is_deleted_and_written_again_has_not_changed(tree: Tree) -> None:
    change = Change(tree)
    change.delete(["map"])
    change.write(["map"], {"x": 1, "y": 3}, 5)
    assert change.events() == [Event(("map", "y"), False)]


def test_undo_puts_everything_back(tree: Tree) -> None:
    before = tree.stamped([])
    change = Change(tree)
    change.delete(["map"])
    change.write(["map", "x"], {"deep": {}}, 6)
    change.write(["leaf"], {"x": 1}, 6)
    change.write(["empty"], 4, 6)
    change.undo()
    assert tree.stamped([]) == before


@pytest.mark.parametrize(
    "value",
    [b"bytes", float("nan"), float("inf"), 2**64, -(2**63) - 1, {1: 2}, {"a": [{"b": b""}]}, object()],
)
def test_what_json_and_the_bus_cannot_carry_is_refused(tree: Tree, value: Any) -> None:
    with pytest.raises(InvalidValue):
        Change(tree).write(["x"], value, 6)
    assert "x" not in tree.values


def test_limits_are_errors_that_name_them(tree: Tree) -> None:
    deep: Any = 1
    for _ in range(MAX_DEPTH):
        deep = {"k": deep}
    Change(tree).write([], deep, 1)
    with pytest.raises(LimitExceeded, match="levels"):
        Change(tree).write(["one"], deep, 1)
    with pytest.raises(LimitExceeded, match="levels"):
        Change(tree).write(["k"] * (MAX_DEPTH + 1), 1, 1)
    with pytest.raises(LimitExceeded, match="characters"):
        Change(tree).write(["k" * (MAX_KEY_LENGTH + 1)], 1, 1)
    shared: Any = [1] * 1000
    with pytest.raises(LimitExceeded, match="parts"):
        Change(tree).write(["many"], [[shared] * 1000] * 1000, 1)
