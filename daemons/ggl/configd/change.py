"""One change of the configuration tree: any number of writes, deletions and restorations that take effect together.

A change modifies the tree at once and remembers how to undo it. It then tells which rows of the database differ from
before, and which paths watchers should hear of. Both are net: a key that is deleted and written again with the same
value has not changed. The life of a change is within one request, so nobody sees the tree in between::

    change = Change(tree)
    change.write(path, value, timestamp)      # any number of these
    change.delete(path)
    change.restore(path, stamped)
    try:
        database.commit(change.rows())
    except StorageError:
        change.undo()
        raise
    watchers.notify(change.events())

Merge rules. A leaf is replaced when the write is not older than it; the same value only raises its timestamp. A map is
merged key by key with the same timestamp; keys it does not mention stay. Where a leaf meets a map, or a map a leaf, the
newcomer replaces what is there if it is not older than the newest timestamp in it, and is ignored otherwise.

A restoration does not merge: what is at its path becomes exactly what it says, values, timestamps and the spelling of
keys, whatever is there now.
"""

from __future__ import annotations

from collections.abc import Sequence
from sys import intern
from typing import Any, NamedTuple

from ggl.configd.errors import Conflict, NoEntry, show
from ggl.configd.limits import check_path, check_stamped, check_timestamp, check_value
from ggl.configd.tree import Path, Tree, is_leaf, newest, same, stored_key
from ggl.values import InvalidValue

_ABSENT: Any = object()
_INDEX_FROM = 16


class Row(NamedTuple):
    """How a path is stored: a leaf, an empty map (``timestamp`` None), or not at all (``stored`` False)."""

    stored: bool
    value: Any
    timestamp: int | None


_NO_ROW = Row(False, None, None)
_EMPTY_MAP = Row(True, None, None)


class Event(NamedTuple):
    path: Path
    removed: bool
    """Nothing is stored at ``path`` any more, nor below it."""


class Change:
    """Writes, deletions and restorations on ``tree``. After an error of one of them, call ``undo``."""

    __slots__ = ("_before", "_deleted", "_journal", "_tree")

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._journal: list[tuple[dict[str, Any], dict[str, Any], str, Any, Any]] = []
        self._before: dict[Path, Row] = {}
        self._deleted: dict[Path, None] = {}

    def write(self, path: Sequence[str], value: Any, timestamp: int) -> None:
        """Merge ``value`` at ``path``. Raises ``InvalidValue``, ``LimitExceeded`` or ``Conflict``."""
        check_path(path)
        check_value(path, value)
        check_timestamp(timestamp)
        if not path:
            if type(value) is not dict:
                raise InvalidValue("the root of the configuration must be a map")
            self._merge(self._tree.values, self._tree.times, (), value, timestamp)
            return
        values, times, parent = self._descend(path)
        self._write(values, times, parent, stored_key(values, path[-1]), path[-1], value, timestamp)

    def restore(self, path: Sequence[str], stamped: Any) -> None:
        """Make what is at ``path`` exactly ``stamped``, a tree as ``Tree.stamped`` gives it. A missing path is made.

        Raises ``InvalidValue``, ``LimitExceeded`` or ``Conflict``.
        """
        check_path(path)
        check_stamped(path, stamped)
        if not path:
            if is_leaf(stamped):
                raise InvalidValue("the root of the configuration must be a map")
            self._restore_map(self._tree.values, self._tree.times, (), stamped)
            return
        values, times, parent = self._descend(path)
        self._restore(values, times, parent, stored_key(values, path[-1]) or intern(path[-1]), stamped)

    def delete(self, path: Sequence[str]) -> None:
        """Remove what is at ``path``, whatever its timestamps. A missing key is no error."""
        check_path(path)
        if not path:
            raise InvalidValue("the root of the configuration cannot be deleted")
        try:
            parent, values, times = self._tree.find(path[:-1])
        except NoEntry:
            return
        key = stored_key(values, path[-1]) if type(values) is dict else None
        if key is None:
            return
        self._remove(values, times, parent, key)

    def undo(self) -> None:
        """Put the tree back as it was."""
        for values, times, key, value, time in reversed(self._journal):
            if value is _ABSENT:
                del values[key], times[key]
            else:
                values[key] = value
                times[key] = time
        self._journal.clear()
        self._before.clear()
        self._deleted.clear()

    def rows(self) -> list[tuple[Path, Row]]:
        """The rows to store or to remove, in the order of the writes."""
        rows = []
        for path, before in self._before.items():
            after = self._row(path)
            if after.stored != before.stored or after.timestamp != before.timestamp or after.value is not before.value:
                rows.append((path, after))
        return rows

    def events(self) -> list[Event]:
        """What watchers should hear of: the changed leaves, and the top of everything that was deleted."""
        gone = {path for path in self._deleted if self._is_absent(path)}
        events = [Event(path, True) for path in self._deleted if path in gone and not _below(path[:-1], gone)]
        for path, before in self._before.items():
            was_leaf = before.timestamp is not None
            after = self._row(path)
            if after.timestamp is not None:
                if _differ(before, after):
                    events.append(Event(path, False))
            elif was_leaf and not _below(path, gone):
                events.append(Event(path, True))
        return events

    def _descend(self, path: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any], Path]:
        """The map that ``path`` is in, and its path as it is spelled; it is made if need be. Raises ``Conflict``."""
        values, times = self._tree.values, self._tree.times
        spelling: Path = ()
        for key in path[:-1]:
            stored = stored_key(values, key)
            if stored is None:
                stored = intern(key)
                self._put(values, times, spelling, stored, {}, {})
                spelling = (*spelling, stored)
                self._before.setdefault(spelling, _NO_ROW)
            else:
                spelling = (*spelling, stored)
            values = values[stored]
            times = times[stored]
            if type(values) is not dict:
                raise Conflict(f"{show(path)} cannot be written: {show(spelling)} is a value, not a map")
        return values, times, spelling

    def _restore(
        self, values: dict[str, Any], times: dict[str, Any], parent: Path, key: str, stamped: dict[str, Any]
    ) -> None:
        """Make what is stored under ``key``, in this spelling, ``stamped``."""
        path = (*parent, key)
        old, old_time = values.get(key, _ABSENT), times.get(key)
        if not is_leaf(stamped):
            if type(old) is not dict:
                self._replace(values, times, parent, key, {}, {})
            self._restore_map(values[key], times[key], path, stamped)
            return
        value, time = stamped["v"], stamped["t"]
        if old is not _ABSENT and same(old, value):
            if old_time == time:
                return
            value = old
        self._replace(values, times, parent, key, value, time)

    def _restore_map(self, values: dict[str, Any], times: dict[str, Any], path: Path, stamped: dict[str, Any]) -> None:
        for key in [key for key in values if key not in stamped]:
            self._remove(values, times, path, key)
        for key, child in stamped.items():
            self._restore(values, times, path, intern(key), child)

    def _replace(
        self, values: dict[str, Any], times: dict[str, Any], parent: Path, key: str, value: Any, time: Any
    ) -> None:
        """Store a leaf, or an empty map, under ``key``, whatever was there."""
        path = (*parent, key)
        if key in values:
            self._remember(path, values[key], times[key])
        self._put(values, times, parent, key, value, time)
        self._before.setdefault(path, _NO_ROW)

    def _remove(self, values: dict[str, Any], times: dict[str, Any], parent: Path, key: str) -> None:
        path = (*parent, key)
        self._remember(path, values[key], times[key])
        self._before.setdefault(parent, _NO_ROW)
        self._journal.append((values, times, key, values.pop(key), times.pop(key)))
        self._deleted[path] = None

    def differences(self) -> list[tuple[Path, Row, Row]]:
        """Every value that was, or is now, another one: its path, how it was stored and how it will be."""
        pairs = ((path, before, self._row(path)) for path, before in self._before.items())
        return [pair for pair in pairs if _differ(*pair[1:])]

    def _merge(self, values: dict[str, Any], times: dict[str, Any], path: Path, new: dict[str, Any], now: int) -> None:
        # Looking for another spelling goes through all keys; for many keys at once, one index is made of them.
        index = {key.casefold(): key for key in values} if len(new) > _INDEX_FROM else None
        for key, value in new.items():
            if index is None:
                stored = stored_key(values, key)
            elif key in values:
                stored = key
            else:
                folded = key.casefold()
                stored = index.get(folded)
                index.setdefault(folded, key)
            self._write(values, times, path, stored, key, value, now)

    def _write(
        self,
        values: dict[str, Any],
        times: dict[str, Any],
        parent: Path,
        stored: str | None,
        key: str,
        value: Any,
        now: int,
    ) -> None:
        """Merge ``value`` under ``key``, which is ``stored`` as, into the map ``values`` that is at ``parent``."""
        if stored is None:
            self._create(values, times, parent, intern(key), value, now)
            return
        old, old_time = values[stored], times[stored]
        path = (*parent, stored)
        if type(old) is dict:
            if type(value) is dict:
                self._merge(old, old_time, path, value, now)
                return
            if newest(old_time) > now:
                return
        elif old_time > now or (old_time == now and same(old, value)):
            return
        elif same(old, value):
            value = old
        self._create(values, times, parent, stored, value, now)

    def _create(
        self, values: dict[str, Any], times: dict[str, Any], parent: Path, key: str, value: Any, now: int
    ) -> None:
        """Store ``value`` under ``key``, in place of what is there."""
        if type(value) is not dict:
            self._replace(values, times, parent, key, value, now)
        else:
            self._replace(values, times, parent, key, {}, {})
            self._merge(values[key], times[key], (*parent, key), value, now)

    def _put(
        self, values: dict[str, Any], times: dict[str, Any], parent: Path, key: str, value: Any, time: Any
    ) -> None:
        if not values and parent:
            self._before.setdefault(parent, _EMPTY_MAP)
        self._journal.append((values, times, key, values.get(key, _ABSENT), times.get(key)))
        values[key] = value
        times[key] = time

    def _remember(self, path: Path, value: Any, times: Any) -> None:
        """Keep how everything at and below ``path`` is stored, before it is replaced or removed."""
        if type(value) is not dict:
            self._before.setdefault(path, Row(True, value, times))
        elif not value:
            self._before.setdefault(path, _EMPTY_MAP)
        else:
            self._before.setdefault(path, _NO_ROW)
            for key, child in value.items():
                self._remember((*path, key), child, times[key])

    def _row(self, path: Path) -> Row:
        """How ``path``, in its stored spelling, should be stored now."""
        value: Any = self._tree.values
        times: Any = self._tree.times
        for key in path:
            if type(value) is not dict or key not in value:
                return _NO_ROW
            value = value[key]
            times = times[key]
        if type(value) is dict:
            return _NO_ROW if value or not path else _EMPTY_MAP
        return Row(True, value, times)

    def _is_absent(self, path: Path) -> bool:
        value: Any = self._tree.values
        for key in path:
            if type(value) is not dict or key not in value:
                return True
            value = value[key]
        return False


def _differ(before: Row, after: Row) -> bool:
    """Whether the values do. An empty map is no value, nor is a map with something in it."""
    if before.timestamp is None or after.timestamp is None:
        return before.timestamp is not after.timestamp
    return not same(before.value, after.value)


def _below(path: Path, tops: set[Path]) -> bool:
    """Whether ``path`` is one of ``tops`` or below one."""
    return bool(tops) and any(path[:length] in tops for length in range(1, len(path) + 1))
