"""Configuration as people and tools write it into files: JSON or YAML text, and the place of a mistake in it.

The parsers are imported when there is something to parse.
"""

from __future__ import annotations

from typing import Any


class BadDocument(Exception):
    """The text is not well formed; the message says why, and where in it."""


def parse_json(text: str) -> Any:
    """Raises ``BadDocument``."""
    import json

    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise BadDocument(f"line {error.lineno}, column {error.colno}: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise BadDocument(f"{error}") from error


def parse_yaml(text: str, max_depth: int) -> Any:
    """The one document of a YAML text, ``None`` for an empty one. ``max_depth``: levels of maps and lists.

    Raises ``BadDocument``.
    """
    from yaml import MarkedYAMLError, YAMLError

    from ggl.typed_yaml import NestedTooDeep, parse

    try:
        return parse(text, max_depth)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise BadDocument(f"{place}{error.problem or error.context}") from error
    except NestedTooDeep as error:
        raise BadDocument(f"{error}") from error
    except (YAMLError, ValueError, RecursionError) as error:
        raise BadDocument(f"{error}".replace("\n", " ")) from error
