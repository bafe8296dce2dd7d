"""Recipe variables: ``{configuration:/port}`` and its kin, replaced in the strings of a lifecycle.

The rule is permissive, since ``{`` is common in scripts: text that looks like a variable but is none, or has no value,
stays as it is. First the component's own variables are replaced, then, in the result, those of its direct dependencies
(``{com.example.Base:configuration:/port}``); there is no escape and no quoting. References that look meant but have no
value are returned, for the caller to warn about.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ggl.paths import Root
from ggl.recipe.fields import scalar_text
from ggl.recipe.syntax import child

TEXT_LIMIT = 1024 * 1024
"""Characters that one string may grow to by replacement."""

# \w is ASCII here, as it is in the notation's definition.
_OWN = re.compile(r"\{([.\w-]+):([^:}]*)}", re.ASCII)
_OTHER = re.compile(r"\{([.\w-]+):([.\w-]+):([^:}]*)}", re.ASCII)
_ARRAY_INDEX = re.compile(r"0|[1-9][0-9]*", re.ASCII)
_NAMESPACES = ("artifacts", "work", "kernel", "iot", "configuration")


@dataclass(frozen=True)
class ComponentValues:
    """What a component's variables stand for; ``configuration`` is the one after this deployment's merge."""

    name: str
    version: str
    configuration: Any = field(default_factory=dict)


@dataclass(frozen=True)
class Variables:
    """Everything a lifecycle's variables can refer to."""

    root: Root
    own: ComponentValues
    dependencies: Mapping[str, ComponentValues] = field(default_factory=dict)
    """Direct dependencies by name, hard and soft ones."""
    thing_name: str = ""


@dataclass(frozen=True)
class Unresolved:
    """A variable that was left in the text."""

    path: str
    reference: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reference} stays as it is: {self.reason}"


class _NoValue(Exception):
    """The variable has no value; the text says why."""


def interpolate(
    data: Any, variables: Variables, *, path: str = "Lifecycle", configuration: bool = True
) -> tuple[Any, list[Unresolved]]:
    """A copy of ``data`` with the variables of every string value replaced; keys are left alone.

    ``configuration=False`` leaves ``{configuration:...}`` alone (for component configuration, where only the other
    variables count). ``path`` is the place of ``data`` in the recipe, for the second result: what had no value.
    """
    unresolved: list[Unresolved] = []
    return _interpolate(data, variables, path, configuration, unresolved), unresolved


def lookup(document: Any, pointer: str) -> Any:
    """The value that the JSON pointer names, by the exact key, else by the key in another case.

    Raises ``KeyError`` when there is none or ``pointer`` is none.
    """
    if not pointer:
        return document
    if pointer[0] != "/":
        raise KeyError(pointer)
    value = document
    for token in pointer[1:].split("/"):
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, Mapping):
            value = value[key if key in value else _folded(value, key)]
        elif isinstance(value, list) and _ARRAY_INDEX.fullmatch(key) and len(key) < 10 and int(key) < len(value):
            value = value[int(key)]
        else:
            raise KeyError(pointer)
    return value


def value_text(value: Any) -> str:
    """A configuration value as it appears in a script: scalars plain, maps and lists as compact sorted JSON."""
    if value is None:
        return "null"
    text = scalar_text(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False) if text is None else text


def _interpolate(data: Any, variables: Variables, path: str, configuration: bool, unresolved: list[Unresolved]) -> Any:
    if isinstance(data, str):
        return _replace(data, variables, path, configuration, unresolved) if "{" in data else data
    if isinstance(data, Mapping):
        return {
            key: _interpolate(value, variables, child(path, key), configuration, unresolved)
            for key, value in data.items()
        }
    if isinstance(data, list):
        return [
            _interpolate(value, variables, f"{path}[{index}]", configuration, unresolved)
            for index, value in enumerate(data)
        ]
    return data


def _replace(text: str, variables: Variables, path: str, configuration: bool, unresolved: list[Unresolved]) -> str:
    def own(match: re.Match[str]) -> str:
        return _value(variables, variables.own, match[1], match[2], configuration)

    def other(match: re.Match[str]) -> str:
        component = variables.dependencies.get(match[1])
        if component is None:
            raise _NoValue(f"{match[1]} is no direct dependency of {variables.own.name}")
        return _value(variables, component, match[2], match[3], configuration)

    for pattern, value_of, namespace_group in ((_OWN, own, 1), (_OTHER, other, 2)):
        text = _substitute(pattern, value_of, namespace_group, text, path, configuration, unresolved)
    return text


def _substitute(
    pattern: re.Pattern[str],
    value_of: Callable[[re.Match[str]], str],
    namespace_group: int,
    text: str,
    path: str,
    configuration: bool,
    unresolved: list[Unresolved],
) -> str:
    room = TEXT_LIMIT - len(text)

    def replacement(match: re.Match[str]) -> str:
        nonlocal room
        namespace = match[namespace_group]
        if namespace not in _NAMESPACES or (namespace == "configuration" and not configuration):
            return match[0]  # ${NAME:-default} of a shell and the like: nobody meant a variable of ours
        try:
            value = value_of(match)
            if len(value) > room:
                raise _NoValue(f"the text would grow over {TEXT_LIMIT} characters")
        except _NoValue as error:
            unresolved.append(Unresolved(path, match[0], str(error)))
            return match[0]
        room -= len(value)
        return value

    return pattern.sub(replacement, text)


def _value(variables: Variables, component: ComponentValues, namespace: str, key: str, configuration: bool) -> str:
    """The text that a variable stands for. Raises ``_NoValue``."""
    if namespace == "configuration":
        try:
            return value_text(lookup(component.configuration, key))
        except KeyError:
            why = "a JSON pointer begins with '/'" if key and key[0] != "/" else "there is no such value"
            raise _NoValue(f"configuration of {component.name}: {why}") from None
    root = variables.root
    if (namespace, key) == ("artifacts", "path"):
        return str(root.artifacts / component.name / component.version)
    if (namespace, key) == ("artifacts", "decompressedPath"):
        return str(root.artifacts_unarchived / component.name / component.version)
    if (namespace, key) == ("work", "path"):
        return str(root.work / component.name)
    if (namespace, key) == ("kernel", "rootPath"):
        return str(root.state)
    if (namespace, key) == ("iot", "thingName"):
        return variables.thing_name
    raise _NoValue(f"'{namespace}' has no '{key}'")


def _folded(value: Mapping[str, Any], key: str) -> str:
    wanted = key.lower()
    return next((name for name in value if name.lower() == wanted), key)
