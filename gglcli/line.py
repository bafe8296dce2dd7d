"""Lines of a stream that is told in columns, as messages and calls are, without knowing what comes."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from gglcli.visible import printable

MAX_WIDTH = 40
"""Characters up to which a column grows."""

_COLOURS = {"bad": "31", "good": "32", "head": "1", "dim": "2", "busy": "33", "name": "36"}


class Line:
    """One line of a stream that is told in columns: texts, each with a style (as of ``Text``, or ``name``) and the
    width it is to fill. No text ends the line early, or reaches the terminal as a control sequence. ``below`` is a text
    for a line of its own."""

    def __init__(self, parts: Sequence[tuple[str, str, int]], below: str = "") -> None:
        self.parts = parts
        self.below = below


class Columns:
    """Makes the lines of one stream. On a terminal a column is as wide as its widest text was so far, within reason."""

    def __init__(self) -> None:
        from gglcli.output import on_terminal  # which knows of us

        self._widths: dict[int, int] = {}
        self._aligned = on_terminal()

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
        shown = printable(text)
        padded = shown + " " * (width - cells(shown))
        texts.append(f"\x1b[{_COLOURS[style]}m{padded}\x1b[0m" if coloured and style and text else padded)
    if line.below:
        texts[-1] = f"{texts[-1].rstrip()}\n  {_below(line.below, coloured)}"
    return "  ".join(texts).rstrip()


def _below(text: str, coloured: bool) -> str:
    return f"\x1b[{_COLOURS['bad']}m{printable(text)}\x1b[0m" if coloured else printable(text)


def cells(text: str) -> int:
    """The columns that a terminal needs for ``text``, which is printable."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, width: int) -> str:
    """``text`` made printable, with its middle left out if it needs more than ``width`` columns."""
    if len(text) > 3 * width:
        text = text[: width + 1] + text[-width - 1 :]  # the rest is seen by nobody
    text = printable(text)
    if cells(text) <= width:
        return text
    if width < 3:
        return text[:width] if text.isascii() else "…"[:width]
    head, tail = (width - 1) // 2, width - 1 - (width - 1) // 2
    return f"{_first(text, head)}…{_first(text[::-1], tail)[::-1]}"


def _first(text: str, width: int) -> str:
    """As many characters as ``width`` columns take."""
    for at, character in enumerate(text):
        width -= _cells(character)
        if width < 0:
            return text[:at]
    return text
