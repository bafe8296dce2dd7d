"""Typed getters for data that somebody else made: bus parameters, recipes, configuration, job documents.

A getter returns the value with the type it promises, or raises ``InvalidValue`` whose text names the key, what was
expected and what was found. A key that is absent or null gives the default; without a default it is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T")


class InvalidValue(ValueError):
    """A value is missing or has the wrong type; the text is fit for a person."""


class _Required:
    pass


REQUIRED: Any = _Required()

_NAMES = {str: "a string", int: "an integer", float: "a number", bool: "true or false", dict: "a map", list: "a list"}


def _get(data: Mapping[str, Any], key: str, kind: type[Any], default: Any) -> Any:
    value = data.get(key)
    if value is None:
        if default is REQUIRED:
            raise InvalidValue(f"'{key}' is missing: {_NAMES[kind]} is required")
        return default
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise InvalidValue(f"'{key}' must be {_NAMES[kind]}, not {describe(value)}")
    return value


def get_str(data: Mapping[str, Any], key: str, default: Any = REQUIRED) -> str:
    return _get(data, key, str, default)  # type: ignore[no-any-return]


def get_int(data: Mapping[str, Any], key: str, default: Any = REQUIRED) -> int:
    return _get(data, key, int, default)  # type: ignore[no-any-return]


def get_float(data: Mapping[str, Any], key: str, default: Any = REQUIRED) -> float:
    return _get(data, key, float, default)  # type: ignore[no-any-return]


def get_bool(data: Mapping[str, Any], key: str, default: Any = REQUIRED) -> bool:
    return _get(data, key, bool, default)  # type: ignore[no-any-return]


def get_dict(data: Mapping[str, Any], key: str, default: Any = REQUIRED) -> dict[str, Any]:
    return _get(data, key, dict, default)  # type: ignore[no-any-return]


def get_list(data: Mapping[str, Any], key: str, default: Any = REQUIRED) -> list[Any]:
    return _get(data, key, list, default)  # type: ignore[no-any-return]


def get_str_list(data: Mapping[str, Any], key: str, default: Any = REQUIRED) -> list[str]:
    value = get_list(data, key, default)
    for element in value or ():
        if type(element) is not str:
            raise InvalidValue(f"'{key}' must be a list of strings, but holds {describe(element)}")
    return value


def describe(value: object) -> str:
    """The kind of a value in words a person understands ("a map", "the string 'x'")."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return f"the string {value[:40]!r}"
    return _NAMES.get(type(value), type(value).__name__)
