"""A value that the command line takes as JSON or YAML, or as a file with either."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from gglcli.errors import INVALID, CliError
from gglcli.files import unusable

_DEPTH = 64


_PAIR = re.compile(r":\s")


def is_value(text: str) -> bool:
    """Whether ``text`` is the value itself, not the name of a file: JSON, or a map in YAML such as ``rate: 5``."""
    return _is_json(text) or (bool(_PAIR.search(text)) and not os.path.exists(text))


def _is_json(text: str) -> bool:
    return text.lstrip().startswith(("{", "["))


def read_value(text: str, option: str) -> Any:
    """The value in the file that ``text`` names, or in ``text`` itself. Raises ``CliError``, which names ``option``."""
    if is_value(text):
        return parse_value(text, option)
    try:
        content = Path(text).read_text()
    except UnicodeDecodeError:
        raise CliError(f"{option}: {text} is not UTF-8 text", INVALID) from None
    except OSError as error:
        hint = "give a file, or JSON such as '{...}'"
        problem = unusable(text, error, hint=hint)
        raise CliError(f"{option}: {problem.message}", problem.exit_code, hint=hint) from None
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
        raise CliError(problem if _is_json(text) else f"{where}: not valid YAML: {error}", INVALID) from None
