"""What a deployment changes about one component besides its version, and how such things are read.

Local requests and deployment documents say it in the same words. Keys are found in any letter case; maps and lists may
come as JSON text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ggl.recipe.load import check_component_name
from ggl.recipe.version import is_version
from ggl.values import InvalidValue, describe, get_float, get_int, get_str


@dataclass(frozen=True)
class RunWith:
    """As whom a component runs, and within which limits (memory in kilobytes, cpus as a share of processors)."""

    posix_user: str | None = None
    memory: int | None = None
    cpus: float | None = None


@dataclass(frozen=True)
class ComponentUpdate:
    """What a deployment changes about one component besides its version. ``reset`` holds JSON pointers."""

    merge: Mapping[str, Any] | None = None
    reset: tuple[str, ...] = ()
    run_with: RunWith | None = None


def decode_update(name: str, configuration: Any, run_with: Any) -> ComponentUpdate:
    """The update of component ``name``, from its configuration update and its ``runWith``. Raises ``InvalidValue``."""
    entry = fields(_map(f"the configuration update of '{name}'", configuration), "merge", "reset")
    merge = entry.get("merge")
    reset = entry.get("reset")
    pointers = _json(f"'reset' of '{name}'", reset) if reset is not None else []
    if not isinstance(pointers, list):
        raise InvalidValue(f"'reset' of '{name}' must be a list of JSON pointers, not {describe(pointers)}")
    for pointer in pointers:
        if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
            raise InvalidValue(f"'reset' of '{name}': {pointer!r} is no JSON pointer (it is empty or begins with '/')")
    return ComponentUpdate(
        merge=None if merge is None else _map(f"'merge' of '{name}'", merge),
        reset=tuple(pointers),
        run_with=None if run_with is None else _run_with(name, run_with),
    )


def _run_with(name: str, value: Any) -> RunWith:
    entry = fields(_map(f"'runWith' of '{name}'", value), "posixUser", "systemResourceLimits")
    try:
        limits = limits_of(_map("systemResourceLimits", entry.get("systemResourceLimits")))
    except InvalidValue as error:
        raise InvalidValue(f"'runWith' of '{name}': {error}") from None
    # Null removes the user of before, as empty text does; only what is absent keeps it.
    return replace(limits, posix_user=get_str(entry, "posixUser", "") if "posixUser" in entry else None)


def encode_update(update: ComponentUpdate) -> dict[str, Any]:
    """The map from which ``decode_update`` makes the same update."""
    encoded: dict[str, Any] = {}
    if update.merge is not None or update.reset:
        encoded["configurationUpdate"] = {"merge": update.merge, "reset": list(update.reset)}
    if update.run_with is not None:
        limits = {"memory": update.run_with.memory, "cpus": update.run_with.cpus}
        encoded["runWith"] = {"systemResourceLimits": limits}
        if update.run_with.posix_user is not None:
            encoded["runWith"]["posixUser"] = update.run_with.posix_user
    return encoded


def limits_of(data: Mapping[str, Any]) -> RunWith:
    """The limits in a ``systemResourceLimits`` map. Raises ``InvalidValue``."""
    limits = fields(data, "memory", "cpus")
    memory, cpus = get_int(limits, "memory", None), get_float(limits, "cpus", None)
    if (memory is not None and memory <= 0) or (cpus is not None and not 0 < cpus < math.inf):
        raise InvalidValue("'memory' (kilobytes) and 'cpus' of 'systemResourceLimits' must be more than 0")
    return RunWith(memory=memory, cpus=cpus)


def fields(data: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """What ``data`` holds under these names, however it spells them."""
    known = {name.lower(): name for name in names}
    return {known[key.lower()]: value for key, value in data.items() if key.lower() in known}


def component_name(name: str) -> str:
    """``name``, which becomes part of paths and keys. Raises ``InvalidValue`` when it cannot be a component's."""
    if wrong := check_component_name(name):
        raise InvalidValue(f"the name of a component {wrong}")
    return name


def exact_version(name: str, version: str) -> str:
    """``version``, which is no range: a deployment says what shall run. Raises ``InvalidValue``."""
    if not is_version(version):
        raise InvalidValue(f"the version of '{name}' must be an exact one like 1.0.0, not {version!r}")
    return version


def choice(data: Mapping[str, Any], key: str, default: str, choices: tuple[str, ...]) -> str:
    """A word out of ``choices``, in any letter case. Raises ``InvalidValue``."""
    value = get_str(data, key, default).upper()
    if value not in choices:
        raise InvalidValue(f"'{key}' must be {' or '.join(choices)}, not {value!r}")
    return value


def _map(what: str, value: Any) -> dict[str, Any]:
    value = {} if value is None else _json(what, value)
    if not isinstance(value, dict):
        raise InvalidValue(f"{what} must be a map, not {describe(value)}")
    return value


def _json(what: str, value: Any) -> Any:
    """Some senders put JSON text where a map or a list belongs."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise InvalidValue(f"{what} is not JSON: {error}") from None
