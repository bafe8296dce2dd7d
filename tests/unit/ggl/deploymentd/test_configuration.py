"""The configuration of a component under a deployment: reset, defaults, merge."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ggl.configd.change import Change
from ggl.configd.tree import Tree
from ggl.deploymentd.configuration import applied, configure, plain, pointer_tokens

PATH = ("services", "org.sample.Heater", "configuration")
DEPLOYED = 1_760_000_000_000


def stamp(value: Any, time: int) -> Any:
    return (
        {key: stamp(child, time) for key, child in value.items()}
        if isinstance(value, dict)
        else {"v": value, "t": time}
    )


def result(current: Any, defaults: Any, reset: Any = (), merge: Any = None, timestamp: int = DEPLOYED) -> Any:
    return configure(PATH, current, defaults, reset, merge, timestamp).result


def test_defaults_fill_what_is_missing_and_leave_what_was_set() -> None:
    assert result(stamp({"a": 5}, DEPLOYED - 1), {"a": 1, "b": {"x": 1}}) == {"a": 5, "b": {"x": 1}}


def test_a_changed_default_replaces_a_default_that_nobody_touched() -> None:
    assert result(stamp({"a": 1}, 1), {"a": 2}) == {"a": 2}


def test_reset_brings_the_default_back_before_the_merge() -> None:
    current = stamp({"a": 5, "b": {"x": 7, "z": 9}}, DEPLOYED - 1)
    assert result(current, {"a": 1, "b": {"x": 1, "y": 2}}, ["/b"], {"b": {"y": 3}}) == {"a": 5, "b": {"x": 1, "y": 3}}


def test_reset_of_everything_leaves_defaults_and_merge() -> None:
    assert result(stamp({"a": 5, "z": 1}, 9), {"a": 1}, ["", "/never-looked-at"], {"m": 2}) == {"a": 1, "m": 2}


def test_reset_of_what_is_not_there_or_lies_below_a_value_is_nothing() -> None:
    assert result(stamp({"a": [1, 2]}, 9), {}, ["/b/c", "/a/0", "/a/x/y"]) == {"a": [1, 2]}


def test_reset_decodes_escaped_pointers() -> None:
    assert pointer_tokens("/a~1b/c~0d/~01") == ["a/b", "c~d", "~1"]
    assert result(stamp({"a/b": {"c~d": 1}}, 9), {}, ["/a~1b/c~0d"]) == {"a/b": {}}


def test_what_a_component_wrote_after_the_deployment_was_made_survives_its_merge() -> None:
    current = {"a": {"v": "mine", "t": DEPLOYED + 1}, "b": {"v": "old", "t": DEPLOYED - 1}}
    assert result(current, {}, (), {"a": "theirs", "b": "theirs"}) == {"a": "mine", "b": "theirs"}


@pytest.mark.parametrize(
    ("merge", "expected"),
    [
        ({"a": None}, {"a": None}),
        ({"a": [3]}, {"a": [3]}),
        ({"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"new": {}}, {"a": [1, 2], "new": {}}),
        ({"A": 7}, {"a": 7}),
    ],
)
def test_merge_of(merge: Any, expected: Any) -> None:
    assert result(stamp({"a": [1, 2]}, 9), {}, (), merge) == expected


def test_keys_that_look_like_a_stamped_leaf_are_keys() -> None:
    assert plain(stamp({"v": 1, "t": 2}, 9)) == {"v": 1, "t": 2}


KEYS = st.sampled_from(["a", "A", "b", "v", "t"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.lists(st.integers(0, 2), max_size=2),
    lambda children: st.dictionaries(KEYS, children, max_size=3),
    max_leaves=6,
)
MAPS = st.dictionaries(KEYS, VALUES, max_size=4)
POINTERS = st.lists(st.lists(KEYS, max_size=2).map(lambda keys: "".join(f"/{key}" for key in keys)), max_size=3)


@given(MAPS, st.integers(0, 5), MAPS, POINTERS, st.none() | MAPS, st.integers(0, 5))
def test_the_predicted_configuration_is_what_the_store_makes_of_the_operations(
    start: Any, start_time: int, defaults: Any, reset: Any, merge: Any, time: int
) -> None:
    tree = Tree()
    Change(tree).write(PATH, start, start_time)
    planned = configure(PATH, tree.stamped(PATH), defaults, reset, merge, time)
    change = Change(tree)
    for operation in planned.operations:
        if operation["op"] == "delete":
            change.delete(operation["key_path"])
        else:
            change.write(operation["key_path"], operation["value"], operation["timestamp"])
    assert tree.read(PATH) == planned.result


@pytest.mark.parametrize("seed", range(20))
def test_maps_of_many_keys_are_merged_as_the_store_merges_them(seed: int) -> None:
    chance = random.Random(seed)

    def some(depth: int) -> dict[str, Any]:
        keys = [chance.choice((f"key{number}", f"Key{number}")) for number in chance.sample(range(60), 40)]
        values = {key: some(depth - 1) if depth and chance.random() < 0.1 else chance.randrange(3) for key in keys}
        return {**values, chance.choice(("stra\u00dfe", "STRASSE")): 1}

    start, defaults, merge = some(2), some(2), some(2)
    tree = Tree()
    Change(tree).write(PATH, start, 3)
    planned = configure(PATH, tree.stamped(PATH), defaults, (), merge, chance.randrange(1, 6))
    change = Change(tree)
    for operation in planned.operations:
        change.write(operation["key_path"], operation["value"], operation["timestamp"])
    assert tree.read(PATH) == planned.result


@given(MAPS, MAPS, POINTERS, MAPS, st.integers(0, 5), MAPS)
def test_what_operations_make_of_a_tree_is_what_the_store_makes_of_it(
    start: Any, defaults: Any, reset: Any, merge: Any, time: int, other: Any
) -> None:
    tree = Tree()
    Change(tree).write(PATH, start, 3)
    before, elsewhere = tree.stamped([]), Tree()
    Change(elsewhere).write([], other, 2)
    operations = (
        *configure(PATH, tree.stamped(PATH), defaults, reset, merge, time).operations,
        {"op": "restore", "key_path": ["services", "Other"], "value": elsewhere.stamped([])},
        {"op": "write", "key_path": ["services", "other", "k"], "value": 1},
        {"op": "delete", "key_path": ["services", "Gone", "k"]},
    )
    change = Change(tree)
    for operation in operations:
        if operation["op"] == "delete":
            change.delete(operation["key_path"])
        elif operation["op"] == "restore":
            change.restore(operation["key_path"], operation["value"])
        else:
            change.write(operation["key_path"], operation["value"], operation.get("timestamp", 9))
    assert applied(operations, before, 9) == tree.stamped([])


class CountedKey(str):
    folded = 0

    def casefold(self) -> str:
        CountedKey.folded += 1
        return super().casefold()


@pytest.mark.parametrize("start", [0, 1000])
def test_the_work_of_a_merge_grows_with_the_keys_and_not_with_their_square(start: int) -> None:
    current = {CountedKey(f"old{number}"): {"v": 1, "t": 1} for number in range(start)}
    new = {CountedKey(f"new{number}"): number for number in range(1000)}
    CountedKey.folded = 0
    assert len(configure(PATH, current, new, (), {"section": new}, DEPLOYED).result) == start + 1001
    assert 0 < CountedKey.folded <= 2 * (start + 2000)
