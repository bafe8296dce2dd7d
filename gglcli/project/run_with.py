"""``--run-with`` and ``--system-limits``: as whom components run, and within which limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gglcli.errors import INVALID, USAGE, CliError
from gglcli.project.value import read_value

_LIMITS = ("memory", "cpus")


def read_run_with(users: Sequence[str], limits: str, components: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What to ask for, by component.

    ``users``: each ``COMPONENT:posixUser=USER[:GROUP]``, or ``USER[:GROUP]`` when ``components``, the names being
    deployed, are but one. ``limits``: JSON, YAML or a file with either, that holds ``{COMPONENT: {memory, cpus}}``, or
    ``{memory, cpus}`` for a single component; empty for none. Raises ``CliError``.
    """
    wanted: dict[str, dict[str, Any]] = {}
    for text in users:
        component, user = _user(text, components)
        wanted.setdefault(component, {})["posixUser"] = user
    if limits:
        for component, values in _limits(limits, components).items():
            wanted.setdefault(component, {})["systemResourceLimits"] = values
    return wanted


def _user(text: str, components: Sequence[str]) -> tuple[str, str]:
    head, equals, user = text.partition("=")
    if not equals:
        return _single(components, f"--run-with {text}", "COMPONENT:posixUser=USER[:GROUP]"), text
    component, colon, kind = head.partition(":")
    if not (component and colon and user) or kind != "posixUser":
        hint = "this runtime is for Linux: use posixUser" if kind == "windowsUser" else ""
        raise CliError(
            f"--run-with: '{text}' is not COMPONENT:posixUser=USER[:GROUP]",
            USAGE,
            hint=hint or "for example com.example.Hello:posixUser=camera:video",
        )
    return component, user


def _limits(text: str, components: Sequence[str]) -> dict[str, dict[str, Any]]:
    data = read_value(text, "--system-limits")
    example = 'for example \'{"com.example.Hello": {"memory": 65536, "cpus": 0.5}}\' (memory in kilobytes)'
    if not isinstance(data, dict) or not data:
        raise CliError("--system-limits must be a map", INVALID, hint=example)
    if set(data) <= set(_LIMITS):
        data = {_single(components, "--system-limits", "{COMPONENT: {memory, cpus}}"): data}
    for component, values in data.items():
        if not isinstance(values, dict):
            text = f"--system-limits: '{component}' is no limit, there are memory and cpus, and no map of a component's"
            raise CliError(text, INVALID, hint=example)
        if not set(values) <= set(_LIMITS):
            raise CliError(f"--system-limits: of '{component}', only memory and cpus can be set", INVALID, hint=example)
        for name, value in values.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                raise CliError(f"--system-limits: {name} of '{component}' must be a number above 0", INVALID)
    return data


def _single(components: Sequence[str], what: str, form: str) -> str:
    if len(components) != 1:
        raise CliError(f"{what} names no component, and not exactly one is being deployed", INVALID, hint=f"use {form}")
    return components[0]
