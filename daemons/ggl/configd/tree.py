"""The configuration tree in memory: maps, and leaves with a timestamp in milliseconds.

A leaf is null, a boolean, a number, a string or a list; a list is one leaf, whatever is in it. The tree is kept as two
parallel maps, one of values and one of timestamps: a read then is a walk that hands out what is stored, nothing is
copied or built, and the values are not kept twice.

Keys keep the spelling of their first write and are found in any case: by the exact spelling first, else by ignoring
case. So two keys of one map never differ by case only.

Only ``change.Change`` modifies a tree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from sys import intern
from typing import Any

from ggl.configd.errors import NoEntry, show
from ggl.log import get_logger
from ggl.values import InvalidValue

Path = tuple[str, ...]


class Tree:
    """``values`` and ``times`` have the same shape; where ``values`` holds a leaf, ``times`` holds its timestamp."""

    __slots__ = ("times", "values")

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.times: dict[str, Any] = {}

    def read(self, path: Sequence[str]) -> Any:
        """The value at ``path``: a leaf, or a map. It belongs to the tree: use it before the next change, and never
        modify it. Raises ``NoEntry``."""
        node: Any = self.values
        for key in path:
            if type(node) is dict and key in node:
                node = node[key]
            else:
                return self.find(path)[1]
        return node

    def find(self, path: Sequence[str]) -> tuple[Path, Any, Any]:
        """The stored spelling of ``path``, its value and its timestamps. Raises ``NoEntry``."""
        value: Any = self.values
        times: Any = self.times
        spelling: list[str] = []
        for key in path:
            stored = stored_key(value, key) if type(value) is dict else None
            if stored is None:
                raise NoEntry(path)
            value = value[stored]
            times = times[stored]
            spelling.append(stored)
        return tuple(spelling), value, times

    def names(self, path: Sequence[str]) -> list[str]:
        """The keys of the map at ``path``. Raises ``NoEntry``, or ``InvalidValue`` when a value is there."""
        value = self.read(path)
        if type(value) is not dict:
            raise InvalidValue(f"'{'.'.join(path)}' is a value, not a map of keys")
        return list(value)

    def stamped(self, path: Sequence[str]) -> Any:
        """Like ``read``, with every leaf as the map ``{"v": value, "t": timestamp}``. Raises ``NoEntry``."""
        _, value, times = self.find(path)
        return _stamp(value, times)

    def newest(self, path: Sequence[str]) -> int:
        """The latest timestamp at or below ``path``; 0 for an empty map. Raises ``NoEntry``."""
        return newest(self.find(path)[2])

    def load(self, rows: Iterable[tuple[Path, Any, int | None]]) -> None:
        """Put back what was stored: leaves, and empty maps as rows without a timestamp."""
        for path, value, timestamp in rows:
            values, times = self.values, self.times
            for key in map(intern, path[:-1]):
                values = values.setdefault(key, {})
                times = times.setdefault(key, {})
                if type(values) is not dict:
                    break
            key = intern(path[-1])
            if type(values) is not dict:
                get_logger("configd").error("left out %s: it is stored below a value", show(path))
            elif timestamp is None:
                values.setdefault(key, {})
                times.setdefault(key, {})
            else:
                values[key] = value
                times[key] = timestamp


def stored_key(container: dict[str, Any], key: str) -> str | None:
    """The spelling under which ``key`` is stored in ``container``."""
    if key in container:
        return key
    folded = key.casefold()
    for candidate in container:
        if candidate.casefold() == folded:
            return candidate
    return None


def newest(times: Any) -> int:
    """The latest of the timestamps of a leaf or map; 0 for an empty map."""
    if type(times) is not dict:
        return times  # type: ignore[no-any-return]
    return max(map(newest, times.values()), default=0)


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON: unlike ``==``, 1, 1.0 and true are three different values."""
    if type(one) is not type(other):
        return False
    if type(one) is list:
        return len(one) == len(other) and all(map(same, one, other))
    if type(one) is dict:
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


def is_leaf(stamped: dict[str, Any]) -> bool:
    """Whether a node of a stamped tree is a leaf: a map of two keys called ``v`` and ``t`` has a map as its ``t``."""
    return len(stamped) == 2 and type(stamped.get("t")) is int and "v" in stamped


def _stamp(value: Any, times: Any) -> Any:
    if type(value) is not dict:
        return {"v": value, "t": times}
    return {key: _stamp(child, times[key]) for key, child in value.items()}
