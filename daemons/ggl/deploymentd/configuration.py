"""What a deployment does to the configuration of a component: reset, then defaults, then merge.

Pure: it works on a copy of the tree as the configuration daemon gives it with timestamps (every leaf is the map
``{"v": value, "t": milliseconds}``), and yields two things: the operations to send, and the configuration that they
will result in. The second is needed before the first are sent, because scripts are made from it.

Defaults are written with the timestamp 1. So they fill what is missing, never touch what a deployment or a component
has set, and replace a default that nobody has touched: a new version's changed default takes effect.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

DEFAULT_TIMESTAMP = 1
_INDEX_FROM = 16

Stamped = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """``operations`` are those of ``gg_config``'s ``transaction``; ``result`` is the configuration afterwards."""

    operations: tuple[dict[str, Any], ...]
    result: Mapping[str, Any]


def configure(
    path: Sequence[str],
    current: Stamped,
    defaults: Mapping[str, Any],
    reset: Sequence[str] = (),
    merge: Mapping[str, Any] | None = None,
    timestamp: int = 0,
) -> Change:
    """The change to the configuration at ``path``, which is ``current`` now. ``reset`` must be valid JSON pointers."""
    operations: list[dict[str, Any]] = []
    tree = _copy(current)
    for pointer in reset:
        tokens = pointer_tokens(pointer)
        operations.append({"op": "delete", "key_path": [*path, *tokens]})
        if not tokens:
            tree = {}
            break
        _remove(tree, tokens)
    for value, time in ((defaults, DEFAULT_TIMESTAMP), (merge, timestamp)):
        if value is not None:
            operations.append({"op": "write", "key_path": list(path), "value": value, "timestamp": time})
            _merge(tree, value, time)
    return Change(tuple(operations), plain(tree))


def applied(operations: Iterable[Mapping[str, Any]], tree: Stamped, time: int) -> Stamped:
    """What ``operations`` (deletions, writes, restorations) make of ``tree``; a write without a timestamp is of
    ``time``. They must be such that the configuration daemon takes them."""
    tree = _copy(tree)
    for operation in operations:
        *parents, last = operation["key_path"]
        if operation["op"] == "delete":
            _remove(tree, operation["key_path"])
            continue
        node = tree
        for key in parents:
            node = node.setdefault(_key(node, key), {})
        if operation["op"] == "restore":
            node[_key(node, last)] = _copy(operation["value"])
        else:
            _merge(node, {last: operation["value"]}, operation.get("timestamp", time))
    return tree


def pointer_tokens(pointer: str) -> list[str]:
    """The keys of a JSON pointer (RFC 6901)."""
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def plain(stamped: Any) -> Any:
    """The values of a tree without their timestamps."""
    if is_leaf(stamped):
        return stamped["v"]
    return {key: plain(child) for key, child in stamped.items()}


def is_leaf(node: Mapping[str, Any]) -> bool:
    """A map of two keys called v and t is told apart by its t, which then is a map again."""
    return len(node) == 2 and type(node.get("t")) is int and "v" in node


def _copy(node: Stamped) -> Stamped:
    return node if is_leaf(node) else {key: _copy(child) for key, child in node.items()}


def _key(node: Stamped, key: str) -> str:
    """The spelling under which ``key`` is stored: keys are found in any case."""
    if key in node:
        return key
    folded = key.casefold()
    return next((candidate for candidate in node if candidate.casefold() == folded), key)


def _remove(tree: Stamped, tokens: Sequence[str]) -> None:
    for token in tokens[:-1]:
        tree = tree.get(_key(tree, token), {})
        if is_leaf(tree):
            return
    tree.pop(_key(tree, tokens[-1]), None)


def _merge(tree: Stamped, value: Mapping[str, Any], time: int) -> None:
    # Looking for another spelling goes through all keys; for many keys at once, one index is made of them.
    index = {key.casefold(): key for key in reversed(tree)} if len(value) > _INDEX_FROM else None
    for name, new in value.items():
        key = _key(tree, name) if index is None or name in tree else index.setdefault(name.casefold(), name)
        old = tree.get(key)
        if old is not None and not is_leaf(old) and isinstance(new, Mapping):
            _merge(old, new, time)
        elif old is None or _newest(old) <= time:
            tree[key] = _stamp(new, time)


def _newest(node: Stamped) -> int:
    if is_leaf(node):
        return int(node["t"])
    return max(map(_newest, node.values()), default=0)


def _stamp(value: Any, time: int) -> Stamped:
    if not isinstance(value, Mapping):
        return {"v": value, "t": time}
    tree: Stamped = {}
    _merge(tree, value, time)
    return tree
