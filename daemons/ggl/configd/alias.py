"""The nucleus has two names, and its configuration one place: what is asked of, or written to, the one of the Java
nucleus is meant for ours. Here, so that nobody else has to look in two places."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ggl.values import InvalidValue
from ggl.version import NUCLEUS, NUCLEUS_ALIAS

_SERVICES = "services"
_FOLDED = NUCLEUS_ALIAS.casefold()


def place(path: list[str]) -> list[str]:
    """``path`` as it is stored."""
    if len(path) > 1 and path[1].casefold() == _FOLDED and path[0].casefold() == _SERVICES:
        return [path[0], NUCLEUS, *path[2:]]
    return path


def value_at(path: list[str], value: Any) -> Any:
    """``value``, which is written to ``path``, with the name that is stored. Raises ``InvalidValue``."""
    if len(path) > 1 or not isinstance(value, Mapping):
        return value
    if path:
        return _renamed(value) if path[0].casefold() == _SERVICES else value
    return {
        key: _renamed(below) if key.casefold() == _SERVICES and isinstance(below, Mapping) else below
        for key, below in value.items()
    }


def _renamed(services: Mapping[str, Any]) -> Mapping[str, Any]:
    names = [name for name in services if isinstance(name, str) and name.casefold() in (_FOLDED, NUCLEUS.casefold())]
    if len(names) > 1:
        raise InvalidValue(f"{' and '.join(names)} are the same component: put everything under {NUCLEUS}")
    return {NUCLEUS if name in names else name: value for name, value in services.items()}
