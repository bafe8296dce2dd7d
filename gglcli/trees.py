"""Configuration trees outside the store: with and without timestamps, their differences, and files that hold one.

A *stamped* tree is a map of maps down to its leaves ``{"v": value, "t": milliseconds}``. A file holds a tree from the
root, plain or stamped, as JSON or YAML. Keys are the same in any letter case, as in the store.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ggl.documents import BadDocument, parse_json, parse_yaml
from gglcli.errors import INVALID, CliError
from gglcli.files import unusable
from gglcli.keys import format_key

Stamped = dict[str, Any]
Change = dict[str, Any]
"""``key``: a JSON pointer; ``from`` and ``to``: the values, absent where there is none."""

MAX_DEPTH = 62
"""Levels of a file: those of the store, and what timestamps add."""


def is_leaf(node: Any) -> bool:
    return isinstance(node, dict) and len(node) == 2 and type(node.get("t")) is int and "v" in node


def plain(stamped: Stamped) -> Any:
    """The values without their timestamps."""
    if is_leaf(stamped):
        return stamped["v"]
    return {key: plain(child) for key, child in stamped.items()}


def stamp(value: Any, timestamp: int) -> Stamped:
    """``value`` with one timestamp (ms) everywhere."""
    if isinstance(value, dict):
        return {key: stamp(child, timestamp) for key, child in value.items()}
    return {"v": value, "t": timestamp}


def stored_key(container: Mapping[str, Any], key: str) -> str | None:
    """How ``key`` is spelled in ``container``; ``None`` when it is not there."""
    if key in container:
        return key
    folded = key.casefold()
    return next((candidate for candidate in container if candidate.casefold() == folded), None)


def find(tree: Any, path: Sequence[str]) -> Any:
    """What is at ``path`` of a plain or stamped tree. Raises ``KeyError``."""
    for key in stored_path(tree, path):
        tree = tree[key]
    return tree


def stored_path(tree: Any, path: Sequence[str]) -> list[str]:
    """``path`` as the keys are spelled in ``tree``. Raises ``KeyError``."""
    spelled = []
    for key in path:
        stored = stored_key(tree, key) if isinstance(tree, dict) and not is_leaf(tree) else None
        if stored is None:
            raise KeyError(key)
        spelled.append(stored)
        tree = tree[stored]
    return spelled


def placed(value: Any, path: Sequence[str]) -> Any:
    """A tree from the root that holds nothing but ``value`` at ``path``."""
    for key in reversed(path):
        value = {key: value}
    return value


def leaves(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value of a plain tree with its path; an empty map counts as one."""
    if isinstance(tree, dict) and tree:
        for key, child in tree.items():
            yield from leaves(child, (*path, key))
    elif path or not isinstance(tree, dict):
        yield path, tree


def differences(before: Any, after: Any, path: tuple[str, ...] = ()) -> Iterator[Change]:
    """What leads from one plain tree to the other, value by value."""
    if isinstance(before, dict) and isinstance(after, dict):
        others = {key.casefold(): key for key in after}
        for key, child in before.items():
            other = others.pop(key.casefold(), None)
            if other is None:
                yield from ({"key": format_key(at), "from": value} for at, value in leaves(child, (*path, key)))
            else:
                yield from differences(child, after[other], (*path, key))
        for key in others.values():
            yield from ({"key": format_key(at), "to": value} for at, value in leaves(after[key], (*path, key)))
    elif not same(before, after):
        olds, news = dict(leaves(before, path)), dict(leaves(after, path))
        for at in olds | news:
            change: Change = {"key": format_key(at)}
            if at in olds:
                change["from"] = olds[at]
            if at in news:
                change["to"] = news[at]
            yield change


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON: unlike ``==``, 1, 1.0 and true are three different values."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


def merges(stamped: Stamped) -> list[dict[str, Any]]:
    """The operations of a transaction that merge a stamped tree: one write for each timestamp in it."""
    by_time: dict[int, dict[str, Any]] = {}

    def collect(node: Any, path: tuple[str, ...]) -> None:
        if not is_leaf(node) and node:
            for key, child in node.items():
                collect(child, (*path, key))
        elif path:
            # An empty map has no time of its own, and takes the place of nothing.
            value, time = (node["v"], node["t"]) if is_leaf(node) else ({}, 0)
            place = by_time.setdefault(time, {})
            for key in path[:-1]:
                place = place.setdefault(key, {})
            place[path[-1]] = value

    collect(stamped, ())
    return [{"op": "write", "key_path": [], "value": by_time[time], "timestamp": time} for time in sorted(by_time)]


def read_file(name: str) -> tuple[Any, bool]:
    """The tree in a file (``-``: stdin), checked, and whether it is stamped. Raises ``CliError``."""
    where = "standard input" if name == "-" else name
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CliError(f"{where} is not UTF-8 text (byte {error.start})", INVALID) from None
    except OSError as error:
        raise unusable(where, error) from None
    try:
        is_json = name.endswith(".json") or (name == "-" and text.lstrip().startswith("{"))
        tree = parse_json(text) if is_json else parse_yaml(text, MAX_DEPTH)
    except BadDocument as error:
        raise CliError(f"{where}: {error}", INVALID) from None
    stamped = _is_stamped(tree, where)
    check_shape(plain(tree) if stamped else tree, where)
    return tree, stamped


def check_shape(tree: Any, where: str) -> None:
    """Whether a plain tree may be the configuration of a runtime: maps where there must be maps, no key twice."""
    if not isinstance(tree, dict):
        raise CliError(f"{where} must hold a map of keys, from the root of the tree", INVALID)
    places: list[tuple[str, ...]] = [("system",), ("services",)]
    try:
        services = find(tree, ["services"])
    except KeyError:
        services = {}
    for name in services if isinstance(services, dict) else ():
        places += [("services", name), ("services", name, "configuration")]
    for place in places:
        try:
            found = find(tree, place)
        except KeyError:
            continue
        if not isinstance(found, dict):
            raise CliError(f"{where}: {format_key(place)} must be a map", INVALID)
    _check_keys(tree, (), where)


def _check_keys(tree: dict[str, Any], path: tuple[str, ...], where: str) -> None:
    seen: dict[str, str] = {}
    for key, child in tree.items():
        other = seen.setdefault(key.casefold(), key)
        if other != key:
            twice = f"{format_key((*path, other))} and {format_key((*path, key))}"
            raise CliError(f"{where}: {twice} are the same key: letter case does not count", INVALID)
        if isinstance(child, dict):
            _check_keys(child, (*path, key), where)


def _is_stamped(tree: Any, where: str) -> bool:
    """Whether every value is a leaf of a stamped tree. It is a mistake if some are and others are not."""
    with_time: list[str] = []
    without: list[str] = []

    def look(node: Any, path: tuple[str, ...]) -> None:
        if is_leaf(node) and not isinstance(node["v"], dict):
            with_time.append(format_key(path))
        elif isinstance(node, dict):
            for key, child in node.items():
                look(child, (*path, key))
        else:
            without.append(format_key(path))

    look(tree, ())
    if with_time and without:
        raise CliError(
            f"{where}: {with_time[0]} has a timestamp, {without[0]} has none", INVALID, hint="give all of them or none"
        )
    return bool(with_time)
