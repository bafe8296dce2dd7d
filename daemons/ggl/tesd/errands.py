"""What worker processes of this daemon do: what it takes is large, and is loaded by them when they do it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ggl.bus.errors import BusError
from ggl.log import get_logger
from ggl.tesd.keeping import fingerprint

if TYPE_CHECKING:
    from ggl.paths import Root

_log = get_logger("tesd")


def ask(root: Root) -> dict[str, Any]:
    """See ``question.ask``; ``fingerprint`` of the configuration by which was asked; and ``retry``: for how long a
    failure is kept, unless nobody can say."""
    from ggl.tesd import question, setting

    kept: dict[str, Any] = {"fingerprint": fingerprint(root)}  # before it is read: it may change meanwhile
    try:
        kept["retry"] = setting.retry(root)
    except BusError:
        pass
    return question.ask(root) | kept


def ask_at(root: Root, endpoint: str, role_alias: str) -> dict[str, Any]:
    """See ``question.ask_at``."""
    from ggl.tesd import question

    return question.ask_at(root, endpoint, role_alias)


def look(root: Root, serving: bool, ports: list[int], instance: str) -> dict[str, Any]:
    """``identity``, and ``fingerprint`` of the configuration that says so; with ``serving`` also what ``serve`` finds.
    Empty when the configuration cannot be read."""
    from ggl.tesd import setting

    try:
        found = {"fingerprint": fingerprint(root), "identity": setting.who(root)}
        return found | serve(root, setting.port(root), ports, instance) if serving else found
    except BusError as error:
        _log.warning("the configuration cannot be read: %s", error)
        return {}


def serve(root: Root, wanted: int, ports: list[int], instance: str) -> dict[str, Any]:
    """See ``ports.serve``; ``code`` and ``text`` of an error when no port can be had."""
    from ggl.tesd import setting
    from ggl.tesd.ports import serve

    try:
        found = serve(root, wanted, ports, instance)
    except BusError as error:
        _log.error("credentials cannot be served: %s", error)
        return {"code": error.code.value, "text": f"no port can be served: {error.message}"}
    setting.make_known(root, found["ports"][-1])
    return found
