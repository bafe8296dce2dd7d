"""What worker processes of this daemon do: what it takes is large, and is loaded by them when they do it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ggl.bus.errors import BusError
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.paths import Root

_log = get_logger("tesd")


def ask(root: Root) -> dict[str, Any]:
    """See ``question.ask``."""
    from ggl.tesd import question

    return question.ask(root)


def look_at(root: Root, active_port: int) -> dict[str, Any]:
    """See ``setting.look``; empty when the configuration cannot be read."""
    from ggl.tesd.setting import look

    try:
        return look(root, active_port)
    except BusError as error:
        _log.warning("the configuration cannot be read: %s", error)
        return {}


def ask_at(root: Root, endpoint: str, role_alias: str) -> dict[str, Any]:
    """See ``question.ask_at``."""
    from ggl.tesd import question

    return question.ask_at(root, endpoint, role_alias)
