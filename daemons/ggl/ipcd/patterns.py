"""Resource patterns of access control policies. Pure.

In a pattern ``*`` stands for any run of characters, and ``${*}``, ``${?}`` and ``${$}`` for the characters themselves;
a bare ``?`` and any other ``${`` make the pattern invalid. In patterns for topics of AWS IoT Core ``+`` and ``#`` in
their proper places are wildcards as in MQTT; everywhere else they are plain text.
"""

from __future__ import annotations

from enum import Enum

MAX_TEXT = 4096
"""Characters of a resource and of a pattern; nothing that can be named is longer. It bounds what a decision costs."""

_ESCAPES = {"${*}": "*", "${?}": "?", "${$}": "$"}


class Wildcard(Enum):
    ANY = "any run of characters"
    LEVEL = "one level of a topic"
    REST = "this level of a topic and all below it"


Pattern = tuple["str | Wildcard", ...]


def parse_pattern(text: str, topics: bool = False) -> Pattern:
    """The parts of a resource pattern; with ``topics``, ``+`` and ``#`` are wildcards. Raises ``ValueError``."""
    if not text:
        raise ValueError("it is empty")
    if len(text) > MAX_TEXT:
        raise ValueError(f"it is longer than {MAX_TEXT} characters")
    parts: list[str | Wildcard] = []
    literal = ""

    def add(wildcard: Wildcard) -> None:
        nonlocal literal
        if literal:
            parts.append(literal)
        if parts[-1:] != [Wildcard.ANY] or wildcard is not Wildcard.ANY:
            parts.append(wildcard)
        literal = ""

    position = 0
    while position < len(text):
        character = text[position]
        level_start = position == 0 or text[position - 1] == "/"
        at_end = position + 1 == len(text)
        if text.startswith("${", position):
            escape = text[position : position + 4]
            if escape not in _ESCAPES:
                raise ValueError("after '${' only '*}', '?}' or '$}' may follow")
            literal += _ESCAPES[escape]
            position += 4
            continue
        if character == "?":
            raise ValueError("a '?' must be written '${?}'")
        if character == "*":
            add(Wildcard.ANY)
        elif topics and character == "+" and level_start and (at_end or text[position + 1] == "/"):
            add(Wildcard.LEVEL)
        elif topics and character == "#" and level_start and at_end:
            literal = literal.removesuffix("/")  # a/# covers a as well
            add(Wildcard.REST if position else Wildcard.ANY)
        else:
            literal += character
        position += 1
    if literal:
        parts.append(literal)
    return tuple(parts)


def covers(pattern: Pattern, text: str) -> bool:
    """Whether ``pattern`` matches all of ``text``, in time proportional to the product of their lengths at worst."""
    length = len(text)
    positions = {0}
    for part in pattern:
        if part is Wildcard.ANY:
            positions = set(range(min(positions), length + 1))
        elif part is Wildcard.LEVEL:
            ends = (text.find("/", position) for position in positions)
            positions = {end if end >= 0 else length for end in ends}
        elif part is Wildcard.REST:
            return any(position == length or text[position] == "/" for position in positions)
        else:
            assert isinstance(part, str)
            positions = {position + len(part) for position in positions if text.startswith(part, position)}
        if not positions:
            return False
    return length in positions


def escape(text: str) -> str:
    """A pattern that stands for ``text``; what it may hold beside that are the wildcards of MQTT."""
    parts = []
    for position, character in enumerate(text):
        special = character in "*?" or text.startswith("${", position)
        parts.append(f"${{{character}}}" if special else character)
    return "".join(parts)
