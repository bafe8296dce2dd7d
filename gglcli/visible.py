"""Text of foreign origin as it may reach a terminal, or a file that somebody will look at there.

What components and recipes say may hold control sequences, which would paint over what is really there, and characters
that turn the order of others around. None of them leaves the command line as part of a text for people.
"""

from __future__ import annotations

REPLACEMENT = "\ufffd"


def printable(text: str) -> str:
    """``text`` without line feeds and control characters: white space becomes a space, the rest a replacement."""
    return text if text.isprintable() else "".join(map(_visible, text))


def several_lines(text: str) -> str:
    """The same for a text that may take several lines."""
    return text if text.isprintable() else "\n".join(map(printable, text.expandtabs().split("\n")))


def _visible(character: str) -> str:
    return character if character.isprintable() else " " if character.isspace() else REPLACEMENT
