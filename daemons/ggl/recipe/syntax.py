"""Recipe text to plain data: maps with string keys, lists, strings, numbers, booleans, null.

A recipe may come from anywhere, so the reader has limits: the size of the text, the depth, and the size after aliases
are expanded. It reads YAML event by event and builds the data itself, for four reasons: the limits hold before memory
is spent; a key that is there twice is reported rather than dropped; keys are always text (``on:`` stays ``on``); and
scalars get the types Greengrass gives them: ``yes`` and ``2020-01-25`` are strings, only ``true``/``false`` are
booleans, numbers follow YAML 1.1 without its base 60.

YAML is imported only when a YAML recipe is read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from ggl.recipe.model import Problem, RecipeError

SIZE_LIMIT = 256 * 1024
"""Bytes of one recipe file (the cloud takes 16 000)."""
DEPTH_LIMIT = 64
EXPANDED_LIMIT = 1024 * 1024
"""Characters and nodes together, after aliases are expanded."""

_INT = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0o[0-7]+|[0-9][0-9_]*)")
_FLOAT = re.compile(r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*|[0-9][0-9_]*(?=[eE]))(?:[eE][-+]?[0-9]+)?")
_CONSTANTS = {"true": True, "false": False, "null": None, "~": None, "": None}
_CONSTANT_SPELLINGS = {s for word in _CONSTANTS for s in (word, word.capitalize(), word.upper())}
_TAG = "tag:yaml.org,2002:"
_INT_RANGE = range(-(2**63), 2**64)


class _Map(dict[str, Any]):
    """A JSON object that remembers a key it saw twice."""

    duplicate: str | None = None


def parse_text(text: str | bytes, *, json_format: bool) -> Any:
    """The data in ``text``. Raises ``RecipeError`` (without a file name) for text that is not well formed,
    breaks a limit, or has a key twice in one map."""
    size = len(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    if size > SIZE_LIMIT:
        raise _error(f"the recipe has {size} bytes, {SIZE_LIMIT} are allowed: move data into an artifact")
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise _error(f"not UTF-8 text (byte {error.start}): save the file as UTF-8") from None
    return _parse_json(text) if json_format else _parse_yaml(text)


def _parse_json(text: str) -> Any:
    try:
        data = json.loads(text, object_pairs_hook=_pairs, parse_int=_json_int, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise _error(f"not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise _too_deep("") from None
    except ValueError as error:
        raise _error(str(error)) from None
    return _checked(data, "", 0)


def _pairs(pairs: list[tuple[str, Any]]) -> _Map:
    result = _Map(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                result.duplicate = key
                break
            seen.add(key)
    return result


def _json_int(text: str) -> int:
    if len(text) > 20:
        raise ValueError(f"the number {text[:20]}... does not fit into 64 bits: write it as a string")
    return int(text)


def _no_constant(name: str) -> Any:
    raise ValueError(f"not valid JSON: {name} is no JSON number: write it as a string")


def _checked(value: Any, path: str, depth: int) -> Any:
    if depth > DEPTH_LIMIT:
        raise _too_deep(path)
    if isinstance(value, _Map):
        if value.duplicate is not None:
            raise _error(_twice(value.duplicate), path)
        return {_text(key, path): _checked(item, child(path, key), depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_checked(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
    if isinstance(value, str):
        return _text(value, path)
    if type(value) is int:
        return _ranged(value, path)
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        raise _error("the number is too large: write it as a string", path)
    return value


class _Builder:
    """Builds the one document of a YAML event stream. ``_spent`` counts what has been built, aliases included."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._spent = 0
        self._anchors: dict[str, tuple[Any, int, int]] = {}
        self._open: set[str] = set()

    def document(self) -> Any:
        value: Any = None
        seen = False
        for event in self._events:
            kind = type(event).__name__
            if kind == "DocumentStartEvent":
                if seen:
                    raise _error(f"line {_line(event)}: a second YAML document begins: one file holds one recipe")
                seen = True
                value = self._node(next(self._events), "", 0)[0]
        return value

    def _node(self, event: Any, path: str, depth: int) -> tuple[Any, int]:
        """The value that begins with ``event``, and the levels below it."""
        if depth > DEPTH_LIMIT:
            raise _too_deep(path)
        kind = type(event).__name__
        if kind == "AliasEvent":
            return self._alias(event, path, depth)
        before = self._spent
        if event.anchor:
            self._open.add(event.anchor)
        if kind == "ScalarEvent":
            self._spend(len(event.value) + 1, path)
            value, height = _scalar(event, path), 0
        elif kind == "SequenceStartEvent":
            self._spend(1, path)
            value, height = self._sequence(event, path, depth)
        else:
            self._spend(1, path)
            value, height = self._mapping(event, path, depth)
        if event.anchor:
            self._open.discard(event.anchor)
            self._anchors[event.anchor] = value, self._spent - before, height
        return value, height

    def _alias(self, event: Any, path: str, depth: int) -> tuple[Any, int]:
        if event.anchor in self._open:
            raise _error(f"line {_line(event)}: alias *{event.anchor} stands for a value that it is part of", path)
        if event.anchor not in self._anchors:
            raise _error(f"line {_line(event)}: alias *{event.anchor} has no anchor &{event.anchor} before it", path)
        value, size, height = self._anchors[event.anchor]
        self._spend(size, path)
        if depth + height > DEPTH_LIMIT:
            raise _too_deep(path)
        return value, height

    def _sequence(self, start: Any, path: str, depth: int) -> tuple[list[Any], int]:
        _standard_tag(start, "seq", path)
        items: list[Any] = []
        height = 0
        while type(event := next(self._events)).__name__ != "SequenceEndEvent":
            item, below = self._node(event, f"{path}[{len(items)}]", depth + 1)
            items.append(item)
            height = max(height, below + 1)
        return items, height

    def _mapping(self, start: Any, path: str, depth: int) -> tuple[dict[str, Any], int]:
        _standard_tag(start, "map", path)
        items: dict[str, Any] = {}
        height = 0
        while type(event := next(self._events)).__name__ != "MappingEndEvent":
            key = self._key(event, path)
            if key in items:
                raise _error(f"line {_line(event)}: {_twice(key)}", path)
            items[key], below = self._node(next(self._events), child(path, key), depth + 1)
            height = max(height, below + 1)
        return items, height

    def _key(self, event: Any, path: str) -> str:
        if type(event).__name__ != "ScalarEvent":
            raise _error(f"line {_line(event)}: a key must be a plain word, not a list, a map or an alias", path)
        if event.value == "<<" and event.implicit[0]:
            raise _error(f"line {_line(event)}: merge keys (<<) are not part of recipes: write the keys out", path)
        self._spend(len(event.value) + 1, path)
        return str(event.value)

    def _spend(self, amount: int, path: str) -> None:
        self._spent += amount
        if self._spent > EXPANDED_LIMIT:
            raise _error(f"the recipe grows over {EXPANDED_LIMIT} characters when its aliases are expanded", path)


def _parse_yaml(text: str) -> Any:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _Builder(iter(yaml.parse(text, Loader=loader))).document()
    except yaml.YAMLError as error:
        raise _error(f"not valid YAML: {_yaml_text(error)}") from None


def _yaml_text(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    said = [part for part in (getattr(error, "context", None), getattr(error, "problem", None)) if part]
    text = ", ".join(said) or str(error).replace("\n", " ")
    return f"{text} at line {mark.line + 1}, column {mark.column + 1}" if mark else text


def _scalar(event: Any, path: str) -> Any:
    text: str = event.value
    if event.tag and event.tag.startswith(_TAG):
        name = event.tag[len(_TAG) :]
        if name == "str":
            return text
        if name in ("int", "float", "bool", "null"):
            return _plain(text, path)
    if event.tag not in (None, "!"):
        raise _error(f"line {_line(event)}: YAML tag {event.tag[:60]!r} is not supported: remove it", path)
    return _plain(text, path) if event.implicit[0] and event.tag is None else text


def _plain(text: str, path: str) -> Any:
    if text in _CONSTANT_SPELLINGS:
        return _CONSTANTS[text.lower()]
    if _INT.fullmatch(text):
        try:
            number = _integer(text.replace("_", ""))
        except ValueError:
            return text  # 0b_ or 089 only look like numbers
        return _ranged(number, path)
    if _FLOAT.fullmatch(text):
        real = float(text.replace("_", ""))
        return text if real in (float("inf"), float("-inf")) else real
    return text


def _integer(text: str) -> int:
    digits = text.lstrip("+-")
    octal = len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()
    number = int(digits, 8 if octal else 0)
    return -number if text[0] == "-" else number


def _ranged(number: int, path: str) -> int:
    if number not in _INT_RANGE:
        raise _error("the number does not fit into 64 bits: write it as a string", path)
    return number


def _text(value: str, path: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise _error("half of a surrogate pair is no character: correct the \\u escape", path) from None
    return value


def _standard_tag(event: Any, name: str, path: str) -> None:
    if event.tag not in (None, "!", _TAG + name):
        raise _error(f"line {_line(event)}: YAML tag {event.tag[:60]!r} is not supported: remove it", path)


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _twice(key: str) -> str:
    return f"the key '{key}' is there twice in one map: remove one"


def _too_deep(path: str) -> RecipeError:
    return _error(f"nested more than {DEPTH_LIMIT} levels deep", path[:80])


def _error(text: str, path: str = "") -> RecipeError:
    return RecipeError(Problem(path, text))


def child(path: str, key: str) -> str:
    """The path of ``key`` below ``path``."""
    return f"{path}.{key}" if path else key
