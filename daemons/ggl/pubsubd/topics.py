"""Topics and topic filters of local publish/subscribe, and the index that finds the subscribers of a topic. Pure.

A topic is levels joined by ``/``; empty levels at its end do not count. In a filter the level ``+`` stands for exactly
one level, and the last level ``#`` for one or more; a ``#`` before the last level is a ``+``. Both inside a longer
level, and ``*`` anywhere, are plain text. Topics that begin with ``$`` are nothing special.

These are the rules of the original nucleus, which components are written against. The C nucleus follows MQTT instead,
where ``a/#`` covers ``a`` too, and a filter that begins with a wildcard does not cover a ``$`` topic.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

MAX_TOPIC = 1024
"""Bytes of a topic or a filter. AWS IoT Core allows 256, the original nucleus any length for local topics."""
_MAX_REMEMBERED = 1024

T = TypeVar("T")


def levels(topic: str) -> list[str]:
    """The levels that count. ``a//b/`` has three."""
    parts = topic.split("/")
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    return parts


def too_long(topic: str) -> bool:
    return len(topic) > MAX_TOPIC or len(topic.encode("utf-8", "surrogatepass")) > MAX_TOPIC


def is_publishable(topic: str) -> bool:
    """Whether one may publish on ``topic``: nothing in it looks like a wildcard, be it meant as one or not."""
    return not ("#" in topic or "+" in topic or "*" in topic)


def is_wildcard(topic_filter: str) -> bool:
    """Whether a filter can cover more than one topic."""
    parts = levels(topic_filter)
    return "+" in parts or parts[-1] == "#"


class _Node(Generic[T]):
    """A level of the filters. ``here`` are the filters that end at it, ``below`` those that end in ``#`` after it."""

    __slots__ = ("below", "children", "here")

    def __init__(self) -> None:
        self.children: dict[str, _Node[T]] = {}
        self.here: dict[T, None] = {}
        self.below: dict[T, None] = {}

    @property
    def empty(self) -> bool:
        return not (self.children or self.here or self.below)


class TopicIndex(Generic[T]):
    """Subscribers by topic filter. What a lookup costs depends on the topic's levels, not on how many subscribe.

    A subscriber is anything hashable; it is found at most once for a topic and filter it was added with. The result of
    a lookup is remembered until a subscription comes or goes.
    """

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()
        self._remembered: dict[str, tuple[T, ...]] = {}

    def add(self, topic_filter: str, subscriber: T) -> None:
        self._remembered.clear()
        path, rest = _path(topic_filter)
        node = self._root
        for level in path:
            child = node.children.get(level)
            if child is None:
                child = node.children[level] = _Node()
            node = child
        (node.below if rest else node.here)[subscriber] = None

    def remove(self, topic_filter: str, subscriber: T) -> None:
        """Undo ``add`` with the same arguments. Raises ``KeyError`` when there was none."""
        self._remembered.clear()
        path, rest = _path(topic_filter)
        nodes = [self._root]
        for level in path:
            nodes.append(nodes[-1].children[level])
        del (nodes[-1].below if rest else nodes[-1].here)[subscriber]
        for level, node, parent in zip(reversed(path), reversed(nodes), reversed(nodes[:-1]), strict=False):
            if not node.empty:
                break
            del parent.children[level]

    def subscribers(self, topic: str) -> tuple[T, ...]:
        """Whose filters cover ``topic``."""
        found = self._remembered.get(topic)
        if found is None:
            found = tuple(self._find(levels(topic)))
            if len(self._remembered) >= _MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[topic] = found
        return found

    def _find(self, path: list[str]) -> Iterable[T]:
        found: dict[T, None] = {}
        nodes = [self._root]
        for level in path:
            following: list[_Node[T]] = []
            for node in nodes:
                found.update(node.below)
                for key in {level, "+"}:
                    child = node.children.get(key)
                    if child is not None:
                        following.append(child)
            nodes = following
        for node in nodes:
            found.update(node.here)
        return found


def _path(topic_filter: str) -> tuple[list[str], bool]:
    """The levels to walk to where a filter is kept, and whether it ends in ``#`` there."""
    path = levels(topic_filter)
    rest = path[-1] == "#"
    if rest:
        path.pop()
    return ["+" if level == "#" else level for level in path], rest
