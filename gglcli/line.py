"""Lines of a stream that is told in columns, as messages and calls are, without knowing what comes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

MAX_WIDTH = 40
"""Characters up to which a column grows."""
NARROW = 130
"""Columns of a terminal below which there is no room for what is not important."""

_COLOURS = {"bad": "31", "good": "32", "head": "1", "dim": "2", "busy": "33", "name": "36"}


class Line:
    """One line of a stream that is told in columns: texts, each with a style (as of ``Text``, or ``name``) and the
    width it is to fill. No text ends the line early, or reaches the terminal as a control sequence."""

    def __init__(self, parts: Sequence[tuple[str, str, int]]) -> None:
        self.parts = parts


class Columns:
    """Makes the lines of one stream. On a terminal a column is as wide as its widest text was so far, within reason."""

    def __init__(self) -> None:
        from gglcli.output import on_terminal  # which knows of us

        self._widths: dict[int, int] = {}
        self._aligned = on_terminal()
        self.narrow = self._aligned and os.get_terminal_size(sys.stdout.fileno()).columns < NARROW
        """Whether the terminal has no room for what is not important."""

    def line(self, *parts: tuple[str, str]) -> Line:
        """Texts with their styles."""
        if self._aligned:
            for at, (text, _style) in enumerate(parts):
                self._widths[at] = max(self._widths.get(at, 0), min(len(text), MAX_WIDTH))
        return Line([(text, style, self._widths.get(at, 0)) for at, (text, style) in enumerate(parts)])


def text_of(line: Line, coloured: bool) -> str:
    """Made without rich, as a line of a log is: there may be thousands a second."""
    texts = []
    for text, style, width in line.parts:
        padded = (text if text.isprintable() else "".join(map(_visible, text))).ljust(width)
        texts.append(f"\x1b[{_COLOURS[style]}m{padded}\x1b[0m" if coloured and style and text else padded)
    return "  ".join(texts).rstrip()


def _visible(character: str) -> str:
    return character if character.isprintable() else " " if character.isspace() else "\ufffd"
