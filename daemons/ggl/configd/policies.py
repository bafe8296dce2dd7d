"""Telling the IPC bridge that what components may do has changed, without being there for it to ask.

It keeps what it has read until the stamp in the run directory is another one (``ggl.stamp``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ggl.configd.errors import StorageError
from ggl.stamp import POLICIES, Stamp

if TYPE_CHECKING:
    from ggl.configd.change import Event
    from ggl.paths import Root

_DECISIVE = (("services", "*", "configuration", "accesscontrol"), ("system", "thingname"))
"""Key paths that decisions are made from; ``*`` is every component."""


def stamping(root: Root) -> Callable[[Sequence[Event]], None]:
    """A function that advances the stamp of ``root`` if any of the events decides about permissions.

    It raises ``StorageError`` when it cannot: a permission that was withdrawn would go on.
    """
    stamp = Stamp(root.run / POLICIES)

    def before_commit(events: Sequence[Event]) -> None:
        if any(_is_decisive(event) for event in events):
            try:
                stamp.advance()
            except OSError as error:
                raise StorageError(f"cannot write {root.run / POLICIES}: {error.strerror}") from None

    return before_commit


def _is_decisive(event: Event) -> bool:
    """What is above a decisive key path counts as well: something else has taken its place, or it is gone."""
    return any(
        all(wanted in ("*", key.casefold()) for wanted, key in zip(path, event.path, strict=False))
        for path in _DECISIVE
    )
