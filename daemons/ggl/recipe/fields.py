"""Maps of a recipe, read with keys in any case; what is wrong is noted with its path, so one pass reports it all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ggl.recipe.model import Problem
from ggl.recipe.syntax import child
from ggl.values import describe


class Fields:
    """One map of a recipe, seen through the keys that have a meaning there.

    What is wrong goes to ``problems`` and a getter then returns its default, so that reading goes on; whoever made the
    list raises once it is not empty.
    """

    def __init__(self, data: Any, path: str, problems: list[Problem]) -> None:
        self.path = path
        self.problems = problems
        self._values: dict[str, Any] = {}
        if data is None:
            return
        if not isinstance(data, Mapping):
            self.add(path, f"must be a map, not {describe(data)}")
            return
        seen: dict[str, str] = {}
        for key, value in data.items():
            folded = key.lower()
            if folded in seen:
                self.add(path, f"'{seen[folded]}' and '{key}' are the same key: remove one")
            seen[folded] = key
            self._values[folded] = value

    def add(self, path: str, text: str, code: str = "RECIPE_PARSE_ERROR") -> None:
        self.problems.append(Problem(path, text, code))

    def wrong(self, key: str, text: str, code: str = "RECIPE_PARSE_ERROR") -> None:
        self.add(child(self.path, key), text, code)

    def raw(self, key: str) -> Any:
        return self._values.get(key.lower())

    def text(self, key: str, default: str = "", *, required: str = "") -> str:
        """A string; integers and booleans are written out. ``required`` is the hint given when the key is missing."""
        value = self.raw(key)
        if value is None:
            if required:
                self.wrong(key, f"is missing: {required}")
            return default
        if isinstance(value, float):
            self.wrong(key, f"is the number {value}, which loses how it was written: put it in quotes")
            return default
        text = scalar_text(value)
        if text is None:
            self.wrong(key, f"must be a string, not {describe(value)}")
            return default
        return text

    def choice(self, key: str, choices: tuple[str, ...], default: str) -> str:
        """One of ``choices``, in any case."""
        text = self.text(key, default)
        found = next((choice for choice in choices if choice.lower() == text.lower()), None)
        if found is None:
            self.wrong(key, f"must be one of {', '.join(choices)}, not {text!r}")
            return default
        return found

    def mapping(self, key: str) -> dict[str, Any]:
        value = self.raw(key)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.wrong(key, f"must be a map, not {describe(value)}")
            return {}
        return dict(value)

    def sequence(self, key: str) -> list[Any]:
        """A list without null elements; each one left out is a problem."""
        value = self.raw(key)
        if value is None:
            return []
        if not isinstance(value, list):
            self.wrong(key, f"must be a list, not {describe(value)}")
            return []
        for index, item in enumerate(value):
            if item is None:
                self.wrong(f"{key}[{index}]", "is empty: fill it in or remove it")
        return value


def scalar_text(value: Any) -> str | None:
    """A scalar as text, the way a configuration value reads in a script; ``None`` for a map, a list or null."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return None
