"""A configuration tree that is being rebuilt from what another nucleus wrote. Keys are found in any letter case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class BadSource(Exception):
    """What was to be read cannot be. ``message``: file, place and reason; ``remedy``: what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class Leaf:
    def __init__(self, time: int) -> None:
        self.value: Any = None
        self.time = time


class Map:
    """``children`` by case-folded key, each with its first spelling."""

    def __init__(self, time: int) -> None:
        self.children: dict[str, tuple[str, Leaf | Map]] = {}
        self._created = time

    @property
    def time(self) -> int:
        """The latest time below; of an empty map that of its creation."""
        return max((node.time for _, node in self.children.values()), default=self._created)

    def map_at(self, path: Sequence[str], time: int) -> Map:
        """The map at ``path``, which is made, in place of a value if need be: what was written later counts."""
        node = self
        for key in path:
            name, child = node.children.get(key.casefold(), (key, None))
            if not isinstance(child, Map):
                child = Map(time)
                node.children[key.casefold()] = (name, child)
            node = child
        return node

    def leaf_at(self, path: Sequence[str], time: int) -> Leaf:
        """The leaf at ``path``; a new one is null and of ``time``, also where a map was."""
        parent = self.map_at(path[:-1], time)
        name, child = parent.children.get(path[-1].casefold(), (path[-1], None))
        if not isinstance(child, Leaf):
            child = Leaf(time)
            parent.children[path[-1].casefold()] = (name, child)
        return child

    def find(self, path: Sequence[str]) -> Leaf | Map | None:
        node: Leaf | Map = self
        for key in path:
            found = node.children.get(key.casefold()) if isinstance(node, Map) else None
            if found is None:
                return None
            node = found[1]
        return node

    def remove(self, path: Sequence[str]) -> None:
        """Remove what is at ``path``, which is there."""
        parent = self.find(path[:-1])
        assert isinstance(parent, Map)
        del parent.children[path[-1].casefold()]

    def stamped(self) -> dict[str, Any]:
        return {
            name: node.stamped() if isinstance(node, Map) else {"v": node.value, "t": node.time}
            for name, node in self.children.values()
        }
