"""Checks that parameters of several commands share. What they refuse is a mistake on the command line."""

from __future__ import annotations

import math
from typing import Any

import typer


def seconds(value: float | None) -> float | None:
    """A span of time that can be waited for."""
    if value is not None and not 0 < value < math.inf:
        raise typer.BadParameter("it must be a number of seconds above 0")
    return value


def not_empty(value: Any) -> Any:
    """A text, or texts, that say something: an empty variable of a script must not mean the default."""
    if value == "" or (isinstance(value, list | tuple) and "" in value):
        raise typer.BadParameter("it is empty")
    return value
