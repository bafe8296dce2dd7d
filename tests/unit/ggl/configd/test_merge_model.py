"""The tree against a naive model: any sequence of writes, deletions and restorations ends in the same state, stores the
same rows, and reports the changes that really happened."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ggl.configd.change import Change
from ggl.configd.errors import Conflict
from ggl.configd.tree import Tree, is_leaf, same

KEYS = st.sampled_from(["a", "A", "b", "B", "c", "ß", "ss"])
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(0, 1), st.sampled_from([0.0, 1.0, "x", ""]), st.lists(st.integers(0, 1))
)
VALUES = st.recursive(LEAVES, lambda inner: st.dictionaries(KEYS, inner, max_size=3), max_leaves=5)
PATHS = st.lists(KEYS, max_size=3)
WRITES = st.tuples(st.just("write"), PATHS, VALUES, st.integers(0, 3))
DELETES = st.tuples(st.just("delete"), PATHS.filter(bool))
STAMPED_LEAVES = st.fixed_dictionaries({"v": LEAVES, "t": st.integers(0, 3)})
STAMPED_KEYS = st.sampled_from(["a", "A", "b", "c", "ß", "v", "t"])
STAMPED = st.recursive(
    STAMPED_LEAVES,
    lambda inner: st.dictionaries(STAMPED_KEYS, inner, max_size=3).filter(lambda node: not {"a", "A"} <= node.keys()),
    max_leaves=5,
)
RESTORATIONS = st.tuples(st.just("restore"), PATHS, STAMPED)
TRANSACTIONS = st.lists(st.lists(st.one_of(WRITES, WRITES, DELETES, RESTORATIONS), min_size=1, max_size=3), max_size=6)


class Leaf:
    def __init__(self, value: Any, time: int) -> None:
        self.value = value
        self.time = time


class Refused(Exception):
    pass


def spelled(node: dict[str, Any], key: str) -> str:
    return next((stored for stored in node if stored == key), None) or next(
        (stored for stored in node if stored.casefold() == key.casefold()), key
    )


def model_write(node: Any, path: list[str], value: Any, time: int) -> Any:
    """The node that results from writing ``value`` at ``path`` below ``node``; ``None`` is no node."""
    if path:
        if isinstance(node, Leaf):
            raise Refused
        node = dict(node or {})
        key = spelled(node, path[0])
        node[key] = model_write(node.get(key), path[1:], value, time)
        return node
    if isinstance(value, dict):
        if isinstance(node, Leaf):
            node = node if node.time > time else None
            if node is not None:
                return node
        node = dict(node or {})
        for key, child in value.items():
            node[spelled(node, key)] = model_write(node.get(spelled(node, key)), [], child, time)
        return node
    return node if node is not None and model_newest(node) > time else Leaf(value, time)


def model_restore(node: Any, path: list[str], stamped: Any) -> Any:
    if not path:
        return model_load(stamped)
    if isinstance(node, Leaf):
        raise Refused
    key = spelled(node or {}, path[0])
    return {**(node or {}), key: model_restore((node or {}).get(key), path[1:], stamped)}


def model_load(stamped: Any) -> Any:
    if is_leaf(stamped):
        return Leaf(stamped["v"], stamped["t"])
    return {key: model_load(child) for key, child in stamped.items()}


def model_newest(node: Any) -> int:
    if isinstance(node, Leaf):
        return node.time
    return max((model_newest(child) for child in node.values()), default=0)


def model_delete(node: Any, path: list[str]) -> Any:
    if not isinstance(node, dict) or spelled(node, path[0]) not in node:
        return node
    node = dict(node)
    key = spelled(node, path[0])
    if len(path) == 1:
        del node[key]
    else:
        node[key] = model_delete(node[key], path[1:])
    return node


def model_dump(node: Any) -> Any:
    if isinstance(node, Leaf):
        return {"v": node.value, "t": node.time}
    return {key: model_dump(child) for key, child in node.items()}


def leaves(node: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    if not isinstance(node, dict):
        return {path: node.value}
    return {p: v for key, child in node.items() for p, v in leaves(child, (*path, key)).items()}


@given(TRANSACTIONS)
def test_tree_rows_and_events_agree_with_the_model(transactions: list[list[tuple[Any, ...]]]) -> None:
    tree = Tree()
    model: dict[str, Any] = {}
    stored: dict[tuple[str, ...], Any] = {}
    for transaction in transactions:
        before, proposed = model, model
        change = Change(tree)
        try:
            for kind, path, *rest in transaction:
                if kind == "delete":
                    proposed = model_delete(proposed, path)
                    change.delete(path)
                elif kind == "restore":
                    if path or not is_leaf(rest[0]):
                        proposed = model_restore(proposed, path, *rest)
                        change.restore(path, *rest)
                elif path or isinstance(rest[0], dict):
                    proposed = model_write(proposed, path, *rest)
                    change.write(path, *rest)
        except Refused:
            try:
                getattr(change, kind)(path, *rest)
                raise AssertionError(f"a {kind} below a value must be refused")
            except Conflict:
                change.undo()
        else:
            model = proposed
            for path, row in change.rows():
                if row.stored:
                    stored[path] = row
                else:
                    del stored[path]  # nothing is removed that was not there
            check_events(before, model, change)

        assert same(tree.stamped([]), model_dump(model))
        reloaded = Tree()
        reloaded.load((path, row.value, row.timestamp) for path, row in stored.items())
        assert same(reloaded.stamped([]), model_dump(model))


def check_events(before: Any, after: Any, change: Change) -> None:
    events = change.events()
    old, new = leaves(before), leaves(after)
    changed = {path for path, value in new.items() if path not in old or not same(old[path], value)}
    assert {event.path for event in events if not event.removed} == changed
    removed = {event.path for event in events if event.removed}
    for path in old.keys() - new.keys():
        assert any(path[: len(top)] == top for top in removed)
    assert not removed & new.keys()
    assert len(events) == len(set(events))
