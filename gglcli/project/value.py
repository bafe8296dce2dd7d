"""A value that the command line takes as JSON, or as a file with JSON or YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gglcli.errors import INVALID, CliError

_DEPTH = 64


def is_value(text: str) -> bool:
    """Whether ``text`` is the value itself, not the name of a file."""
    return text.lstrip().startswith(("{", "["))


def read_value(text: str, option: str) -> Any:
    """The value in the file that ``text`` names, or in ``text`` itself. Raises ``CliError``, which names ``option``."""
    if is_value(text):
        return parse_value(text, option)
    try:
        content = Path(text).read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise CliError(
            f"{option}: cannot read {text}: {reason}", INVALID, hint="give a file, or JSON such as '{...}'"
        ) from None
    return parse_value(content, f"{option} {text}")


def parse_value(text: str, where: str) -> Any:
    """The value in ``text``, JSON or YAML. Raises ``CliError``, which begins with ``where`` and says in which line the
    mistake is."""
    from ggl.documents import BadDocument, parse_json, parse_yaml

    try:
        return parse_json(text)
    except BadDocument as error:
        problem = f"{where}: not valid JSON: {error}"
    try:
        return parse_yaml(text, _DEPTH)
    except BadDocument as error:
        # What begins like JSON was meant to be that, though YAML has maps in braces too.
        raise CliError(problem if is_value(text) else f"{where}: not valid YAML: {error}", INVALID) from None
