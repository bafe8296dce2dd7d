"""What may be stored: JSON values within limits that keep one request from exhausting a small device.

The depth limit is lower than that of the bus, so that whatever is stored can be read back over it, from the root and
inside the maps that a response adds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ggl.configd.errors import LimitExceeded, show
from ggl.configd.tree import is_leaf
from ggl.configdb import MAX_RECORD_NODES, MAX_TIMESTAMP
from ggl.values import InvalidValue, describe

MAX_DEPTH = 58
"""Keys from the root to a leaf, plus the nesting inside a list."""
MAX_KEY_LENGTH = 1024
"""Characters of one key."""
MAX_VALUE_SIZE = 1024 * 1024
"""Bytes of one leaf, as JSON text with every character outside ASCII escaped."""
MAX_NODES = 100_000
"""Maps, lists and scalars in one written value (a YAML alias counts each time it is used)."""
MAX_RESTORED_NODES = 1_000_000
"""The same for a tree with timestamps, which may hold everything that many writes have made."""
MAX_RECORD_DEPTH = 60
"""Maps and lists inside each other in a record: a component's deepest configuration, with timestamps, and what a daemon
wraps around it. A transaction and a scan add four levels at most; the bus carries 64."""

_LOWEST_INTEGER = -(2**63)
_HIGHEST_INTEGER = 2**64 - 1


def check_path(path: Sequence[str]) -> None:
    """Raises ``InvalidValue`` for a key that is no string, ``LimitExceeded`` for one too long or a path too deep."""
    if len(path) > MAX_DEPTH:
        raise LimitExceeded(f"a key path of {len(path)} levels is deeper than the limit of {MAX_DEPTH}")
    for key in path:
        check_key(key)


def check_key(key: object) -> None:
    if type(key) is not str:
        raise InvalidValue(f"a key must be a string, not {describe(key)}")
    if len(key) > MAX_KEY_LENGTH:
        raise LimitExceeded(f"the key '{key[:40]}...' is longer than the limit of {MAX_KEY_LENGTH} characters")


def check_timestamp(timestamp: int) -> None:
    if not 0 <= timestamp <= MAX_TIMESTAMP:
        raise InvalidValue(f"a timestamp must be between 0 and {MAX_TIMESTAMP} ms, not {timestamp}")


def check_value(path: Sequence[str], value: object) -> None:
    """Whether ``value`` may be stored at ``path``: JSON types, finite numbers of 64 bits, within the limits.

    Raises ``InvalidValue`` or ``LimitExceeded``.
    """
    _check_budget(show(path), MAX_NODES, _count(path, value, MAX_DEPTH - len(path), MAX_NODES))


def check_stamped(path: Sequence[str], stamped: object) -> None:
    """Whether ``stamped`` may be put at ``path``: maps of maps down to the leaves ``{"v": value, "t": timestamp}``.

    Raises ``InvalidValue`` or ``LimitExceeded``.
    """
    left = _count_stamped(path, stamped, MAX_DEPTH - len(path), MAX_RESTORED_NODES)
    _check_budget(show(path), MAX_RESTORED_NODES, left)


def check_record(table: str, key: str, value: object) -> None:
    """Whether ``value`` may be stored as a record. Raises ``InvalidValue`` or ``LimitExceeded``."""
    check_key(table)
    check_key(key)
    left = _count((table, key), value, MAX_RECORD_DEPTH, MAX_RECORD_NODES)
    _check_budget(f"record '{key}' of '{table}'", MAX_RECORD_NODES, left)


def _check_budget(what: str, limit: int, left: int) -> None:
    if left < 0:
        raise LimitExceeded(f"the value for {what} has more than {limit} parts")


def _count_stamped(path: Sequence[str], stamped: object, levels: int, budget: int) -> int:
    """What is left of ``budget``; negative as soon as it is used up."""
    if type(stamped) is not dict:
        raise InvalidValue(f"a value with its timestamp is required for {show(path)}, not {describe(stamped)}")
    if is_leaf(stamped):
        check_timestamp(stamped["t"])
        if type(stamped["v"]) is dict:
            raise InvalidValue(f"a value with a timestamp for {show(path)} is a map")
        return _count(path, stamped["v"], levels, budget)
    if levels <= 0:
        raise _too_deep(path)
    budget -= 1
    seen = set()
    for key, child in stamped.items():
        check_key(key)
        seen.add(key.casefold())
        budget = _count_stamped(path, child, levels - 1, budget)
        if budget < 0:
            return budget
    if len(seen) < len(stamped):
        raise InvalidValue(f"the value for {show(path)} has keys that differ in letter case only")
    return budget


def _count(path: Sequence[str], value: object, levels: int, budget: int) -> int:
    """What is left of ``budget``; negative as soon as it is used up."""
    kind = type(value)
    budget -= 1
    if kind is str or kind is bool or value is None:
        return budget
    if kind is int:
        if not _LOWEST_INTEGER <= value <= _HIGHEST_INTEGER:  # type: ignore[operator]
            raise InvalidValue(f"an integer for {show(path)} does not fit into 64 bits")
        return budget
    if kind is float:
        if value - value != 0:  # type: ignore[operator]  # infinite, or not a number
            raise InvalidValue(f"a number for {show(path)} is not finite")
        return budget
    if kind is not dict and kind is not list:
        raise InvalidValue(f"a value of type {kind.__name__} for {show(path)} cannot be stored")
    if levels <= 0:
        raise _too_deep(path)
    elements: Any = value
    if kind is dict:
        for key in elements:
            check_key(key)
        elements = elements.values()
    for element in elements:
        budget = _count(path, element, levels - 1, budget)
        if budget < 0:
            break
    return budget


def _too_deep(path: Sequence[str]) -> LimitExceeded:
    limit = f"the limit of {MAX_DEPTH} levels for configuration, {MAX_RECORD_DEPTH} for records"
    return LimitExceeded(f"the value for {show(path)} is nested deeper than {limit}")
