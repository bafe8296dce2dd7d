"""From the lifecycle sections of a recipe to steps that can be run.

Two stages, because recipe variables are replaced between them: ``select_lifecycle`` picks the section that is meant
for this device, ``parse_lifecycle`` turns its (replaced) text into typed steps with the defaults of each.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ggl.host.unit import Condition
from ggl.recipe.fields import Fields, scalar_text
from ggl.recipe.model import Manifest, Problem, Recipe, RecipeError
from ggl.recipe.syntax import child
from ggl.values import describe

STEPS: dict[str, float | None] = {
    "bootstrap": 120.0,
    "install": 120.0,
    "startup": 120.0,
    "run": None,
    "shutdown": 15.0,
    "recover": 60.0,
    "uninstall": 120.0,
}
"""Every step and its default timeout in seconds; ``run`` goes on as long as it likes."""

ERROR_RESET_TIME = 3600.0
ALL = "all"

TEXT_LIMIT = 128 * 1024 - 1
"""Bytes of one argument or environment variable that Linux hands to a program."""

_CONDITION = re.compile(r"(exists|onpath) +(.+)")
_TRUE = ("true", "yes", "on", "t", "y", "1")
_FALSE = ("false", "no", "off", "f", "n", "0", "")


@dataclass(frozen=True)
class Step:
    """One step of a lifecycle, with its defaults filled in."""

    name: str
    script: str
    environment: Mapping[str, str] = field(default_factory=dict)
    """The lifecycle's ``Setenv`` with the step's own on top."""
    privileged: bool = False
    timeout: float | None = None
    """Seconds; ``None`` is no limit."""
    skip_if: Condition | None = None
    on_rollback: bool = False
    """``BootstrapOnRollback``: this bootstrap also runs when a deployment is rolled back to this version."""


@dataclass(frozen=True)
class Lifecycle:
    """The steps that apply to this device."""

    steps: Mapping[str, Step] = field(default_factory=dict)
    """By the names in ``STEPS``; a step that the recipe does not define is not there."""
    environment: Mapping[str, str] = field(default_factory=dict)
    error_reset_time: float = ERROR_RESET_TIME
    """Seconds without a failure after which earlier failures are forgotten."""


def select_lifecycle(recipe: Recipe, manifest: Manifest) -> tuple[dict[str, Any], list[str]]:
    """The lifecycle of a device whose manifest is ``manifest``, recipe variables still in place; and warnings.

    A manifest's own lifecycle is taken as it is. Otherwise the recipe-wide one is filtered: a map with at least one key
    that any manifest names in ``Selections`` (or ``all``) is replaced by the value of the first of this manifest's
    selections that is there, else of ``all``, else it is dropped. Selection words are compared exactly, so that they
    cannot be mistaken for the name of an environment variable.
    """
    if manifest.lifecycle:
        return dict(manifest.lifecycle), []
    keywords = {word for each in recipe.manifests for word in each.selections} | {ALL}
    warnings: list[str] = []
    selected = _filtered(recipe.lifecycle, keywords, (*manifest.selections, ALL), "Lifecycle", warnings)
    if isinstance(selected, dict):
        return selected, warnings
    if selected is not None:
        warnings.append(f"Lifecycle: the selected section is {describe(selected)} and not a map: ignored")
    return {}, warnings


def lifecycle_path(manifest: Manifest) -> str:
    """What messages about the selected lifecycle begin with."""
    return f"{manifest.path}.Lifecycle" if manifest.lifecycle else "Lifecycle"


def parse_lifecycle(data: Mapping[str, Any], *, file: str = "", path: str = "Lifecycle") -> Lifecycle:
    """The steps of a selected lifecycle. Keys may have any case, keys without a meaning are ignored.

    ``file`` and ``path`` only serve messages. Raises ``RecipeError`` that lists every invalid step.
    """
    problems: list[Problem] = []
    fields = Fields(data, path, problems)
    environment = _environment(fields)
    steps = {}
    for name, timeout in STEPS.items():
        value = fields.raw(name)
        if value is None or value == "":
            continue
        seen = len(problems)
        step = _step(name, value, f"{path}.{name}", timeout, environment, problems)
        if len(problems) == seen:
            steps[name] = step
    reset = _seconds(fields, "errorResetTime", ERROR_RESET_TIME)
    if problems:
        raise RecipeError(problems, file)
    return Lifecycle(steps, environment, ERROR_RESET_TIME if reset is None else reset)


def parse_condition(text: str) -> Condition:
    """Read a ``Skipif`` condition. Raises ``ValueError`` with what is wrong."""
    expression = text.strip()
    negate = expression.startswith("!")
    found = _CONDITION.fullmatch(expression[1:].strip() if negate else expression)
    if found is None:
        raise ValueError(
            f"{text!r} is no condition: write 'exists PATH' or 'onpath PROGRAM', with '!' before it for not"
        )
    return Condition(found[1], found[2], negate)


def _filtered(value: Any, keywords: set[str], wanted: tuple[str, ...], path: str, warnings: list[str]) -> Any:
    """``value`` without what is meant for other devices; ``None`` when nothing is left."""
    if not isinstance(value, Mapping):
        return value
    if not keywords.isdisjoint(value):
        ignored = [key for key in value if key not in keywords]
        if ignored:
            warnings.append(f"{path}: {', '.join(ignored)} stand beside selection keys and are ignored")
        word = next((word for word in wanted if value.get(word) is not None), None)
        return None if word is None else _filtered(value[word], keywords, wanted, child(path, word), warnings)
    kept = {key: _filtered(item, keywords, wanted, child(path, key), warnings) for key, item in value.items()}
    kept = {key: item for key, item in kept.items() if item is not None}
    return kept if kept or not value else None


def _step(
    name: str, value: Any, path: str, timeout: float | None, environment: dict[str, str], problems: list[Problem]
) -> Step:
    code = f"{name.upper()}_CONFIG_NOT_VALID"
    if not isinstance(value, Mapping):
        script = scalar_text(value)
        if script is None:
            problems.append(Problem(path, f"must be a script or a map with Script, not {describe(value)}", code))
            script = ""
        _check_text(script, path, problems)
        return Step(name, script, environment, timeout=timeout)
    fields = Fields(value, path, problems)
    script = scalar_text(fields.raw("Script")) or ""
    if not script:
        found = fields.raw("Script")
        said = "is missing" if found in (None, "") else f"must be a string, not {describe(found)}"
        fields.wrong("Script", f"{said}: a step needs the script to run", code)
    _check_text(script, f"{path}.Script", problems)
    return Step(
        name=name,
        script=script,
        environment={**environment, **_environment(fields)},
        privileged=_boolean(fields, "RequiresPrivilege"),
        timeout=_seconds(fields, "Timeout", timeout),
        skip_if=_condition(fields, code),
        on_rollback=name == "bootstrap" and _boolean(fields, "BootstrapOnRollback"),
    )


def _environment(fields: Fields) -> dict[str, str]:
    found = {}
    for name, value in fields.mapping("Setenv").items():
        path = f"Setenv.{name}"
        text = "" if value is None else scalar_text(value)
        if not name or "=" in name or "\0" in name:
            fields.wrong(path, "is no name for an environment variable: it must not be empty nor hold '='")
        elif text is None:
            fields.wrong(path, f"must be a string, not {describe(value)}")
        else:
            _check_text(f"{name}={text}", child(fields.path, path), fields.problems)
            found[name] = text
    return found


def _boolean(fields: Fields, key: str) -> bool:
    value = fields.raw(key)
    text = "" if value is None else scalar_text(value)
    if text is not None and text.strip().lower() in _TRUE:
        return True
    if text is None or text.strip().lower() not in _FALSE:
        fields.wrong(key, f"must be true or false, not {describe(value)}")
    return False


def _seconds(fields: Fields, key: str, default: float | None) -> float | None:
    value = fields.raw(key)
    if value is None:
        return default
    try:
        seconds = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    if not 0 < seconds < math.inf:
        fields.wrong(key, f"must be a number of seconds above 0, not {_shown(value)}: remove it for the default")
        return default
    return seconds


def _condition(fields: Fields, code: str) -> Condition | None:
    value = fields.raw("Skipif")
    if value is None:
        return None
    try:
        return parse_condition(scalar_text(value) or "")
    except ValueError as error:
        fields.wrong("Skipif", str(error), code)
        return None


def _check_text(text: str, path: str, problems: list[Problem]) -> None:
    if "\0" in text:
        problems.append(Problem(path, "holds a NUL character, which no program can be given: remove it"))
    elif len(text.encode("utf-8", "replace")) > TEXT_LIMIT:
        problems.append(Problem(path, f"is longer than {TEXT_LIMIT} bytes: move it into a file among the artifacts"))


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else describe(value)
