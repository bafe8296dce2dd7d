"""Who wants to hear of changes below which path."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ggl.configd.change import Event
from ggl.configd.tree import Path


class Watchers:
    """Callbacks by path. Letter case does not matter, as in the tree."""

    def __init__(self) -> None:
        self._entries: dict[object, tuple[Path, Callable[[Event], None]]] = {}

    def add(self, path: Sequence[str], callback: Callable[[Event], None]) -> Callable[[], None]:
        """Have ``callback`` called for changes at or below ``path``, and when it is removed with what is above it.

        Returns a function that ends this; calling it twice does no harm.
        """
        token = object()
        self._entries[token] = (_folded(path), callback)
        return lambda: self._entries.pop(token, None) and None

    def notify(self, events: Sequence[Event]) -> None:
        """Tell everyone concerned, in the order of ``events``."""
        if not self._entries:
            return
        for event in events:
            changed = _folded(event.path)
            for watched, callback in list(self._entries.values()):
                if changed[: len(watched)] == watched or (event.removed and watched[: len(changed)] == changed):
                    callback(event)


def _folded(path: Sequence[str]) -> Path:
    return tuple(key.casefold() for key in path)
