"""``--config``: configuration updates of a deployment, from a file or from the command line itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gglcli.errors import INVALID, CliError
from gglcli.project.value import read_value

_OPERATIONS = ("MERGE", "RESET")


def read_configuration(text: str, components: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The updates by component, each with ``MERGE`` or ``RESET`` or both.

    ``text``: a file with JSON or YAML, or such text itself. For each component it holds ``{MERGE, RESET}``, or plain
    values, which are merged. When ``components``, the names being deployed, are but one, and ``text`` names no
    component, all of it is that component's.
    """
    data = read_value(text, "--config")
    if not isinstance(data, dict):
        raise CliError("--config must be a map", INVALID, hint='for example \'{"com.example.Hello": {"rate": 5}}\'')
    if _is_update(data) or (len(components) == 1 and not _names_components(data, components)):
        if len(components) != 1:
            raise CliError("--config names no component, and not exactly one is being deployed", INVALID)
        _refuse_other_components(data, components[0])
        data = {components[0]: data}
    return {name: _update(name, value) for name, value in data.items()}


def _names_components(data: dict[str, Any], components: Sequence[str]) -> bool:
    """Whether the keys are component names: a known one, or ``{MERGE}``/``{RESET}`` below each."""
    return any(name in data for name in components) or (
        bool(data) and all(isinstance(value, dict) and _is_update(value) for value in data.values())
    )


def _refuse_other_components(data: dict[str, Any], component: str) -> None:
    """A map below a dotted name is the configuration of a component, whose name is misspelled perhaps."""
    for name, value in data.items():
        if "." in str(name) and isinstance(value, dict):
            hint = f"if it is a key of {component}, write {{{component}: {{{name}: ...}}}}"
            raise CliError(f"--config: '{name}' is no component of this deployment", INVALID, hint=hint)


def _is_update(value: dict[str, Any]) -> bool:
    return bool(value) and all(isinstance(key, str) and key.upper() in _OPERATIONS for key in value)


def _update(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CliError(f"--config: the configuration of '{name}' must be a map", INVALID)
    if not _is_update(value):
        return {"MERGE": value}
    update = {key.upper(): part for key, part in value.items()}
    if not isinstance(update.get("MERGE", {}), dict):
        raise CliError(f"--config: MERGE of '{name}' must be a map", INVALID)
    if not isinstance(update.get("RESET", []), list):
        raise CliError(f"--config: RESET of '{name}' must be a list of JSON pointers", INVALID)
    return update
