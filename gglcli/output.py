"""The only place that renders: tables and colours on a terminal, plain aligned text in a pipe, JSON with ``--json``.

A command builds its result twice, as data (for ``--json``) and as *blocks* (``Text``, ``Fields``, ``Table``), and hands
both to ``show``; a stream hands over item by item with ``item``. Cells carry meaning, not looks: a ``State`` is
coloured on a terminal, and a ``Time`` is an age in a table and the time itself beside a name.

No text that is handed over reaches the reader as a control sequence, or leaves its line or cell: the blocks see to it
when they are made. Only a ``Document`` is several lines, and its text is written to a pipe as it is, and so are logs.

With ``--json`` stdout carries exactly one JSON document, or one a line for a stream; errors are a JSON object on
stderr. rich is imported only when stdout is a terminal.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gglcli.line import Line, text_of
from gglcli.session import session
from gglcli.visible import printable

if TYPE_CHECKING:
    from gglcli.errors import CliError
    from gglcli.terminal import Terminal


class State(str):
    """A state word (RUNNING, BROKEN, idle, FAILED), after which more may follow a comma: its colour follows from it."""


class Time(int):
    """Milliseconds since the epoch; 0 is never."""


class Id(str):
    """An identifier whose unique beginning will do as well: a terminal shows no more of it (``short``)."""


ID_LENGTH = 8
Cell = str | int | State | Time | Id | None


# Plain classes: dataclasses and named tuples are made at import, which a command that scripts poll cannot afford.


class Text:
    """``style``: ``bad``, ``good``, ``head``, ``dim`` or nothing."""

    def __init__(self, text: str, style: str = "") -> None:
        self.text = printable(text)
        self.style = style


class Fields:
    """Names with their values, one a line."""

    def __init__(self, rows: Sequence[tuple[str, Cell]]) -> None:
        self.rows = [(printable(name), _safe(value)) for name, value in rows]


class Table:
    """``empty``: what to say on a terminal when there are no rows."""

    def __init__(self, columns: Sequence[str], rows: Sequence[Sequence[Cell]], empty: str = "") -> None:
        self.columns = [printable(name) for name in columns]
        self.rows = [[_safe(cell) for cell in row] for row in rows]
        self.empty = printable(empty)


class Document:
    """A value of any depth, shown as YAML on a terminal and as indented JSON in a pipe; a text as it is."""

    def __init__(self, value: Any) -> None:
        self.value = value


class LogLine:
    """One record of a log; the message may hold several lines. ``continues``: more lines of the record before."""

    def __init__(self, time: str, level: str, unit: str, message: str, continues: bool = False) -> None:
        self.time = time
        self.level = level
        self.unit = unit
        self.message = message
        self.continues = continues


def _safe(cell: Cell) -> Cell:
    return type(cell)(printable(cell)) if isinstance(cell, str) and not cell.isprintable() else cell


Block = Text | Fields | Table | Document | LogLine | Line


def on_terminal() -> bool:
    """Whether people look at stdout (and it can place a cursor)."""
    return not session.json and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def columns() -> int | None:
    """The width of the terminal that people look at, as it is now; ``None`` when there is none."""
    if not on_terminal():
        return None
    import shutil

    return shutil.get_terminal_size().columns


def colour(stream: Any) -> bool:
    return bool(stream.isatty()) and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def short(identifier: str) -> str:
    """As much of an ``Id`` as people need on a terminal; all of it for everybody else."""
    return identifier[:ID_LENGTH] if on_terminal() else identifier


def show(data: Any, *blocks: Block) -> None:
    """The result of a command: ``data`` with ``--json``, the blocks otherwise."""
    if session.json:
        _write(to_json(data, indent=2))
    elif on_terminal():
        terminal().show(blocks)
    else:
        for block in blocks:
            _write(plain(block))


def item(data: Any, block: Block, at_once: bool = True) -> None:
    """One item of a stream, written at once unless more are known to follow."""
    if session.json:
        _write(to_json(data))
    elif isinstance(block, LogLine):
        _write(_log_line(block, colour(sys.stdout)))
    elif isinstance(block, Line):
        _write(text_of(block, colour(sys.stdout)))
    elif on_terminal():
        terminal().show([block])
    else:
        _write(plain(block))
    if at_once:
        flush()


def flush() -> None:
    sys.stdout.flush()


def note(text: str) -> None:
    """A remark beside the result (stderr); silent with ``--json``."""
    if not session.json:
        sys.stdout.flush()
        dim, reset = ("\x1b[2m", "\x1b[0m") if colour(sys.stderr) else ("", "")
        sys.stderr.write(f"{dim}{printable(text)}{reset}\n")


def warn(code: str, text: str) -> None:
    """Something that must be known beside the result (stderr), though the command goes on."""
    sys.stdout.flush()
    if session.json:
        sys.stderr.write(to_json({"warning": {"code": code, "message": text}}) + "\n")
        return
    yellow, reset = ("\x1b[33m", "\x1b[0m") if colour(sys.stderr) else ("", "")
    sys.stderr.write(f"{yellow}warning:{reset} {printable(text)}\n")


def error(problem: CliError) -> None:
    """What failed, why, and what to do next, in one line on stderr."""
    try:
        sys.stdout.flush()
    except OSError:
        pass
    if session.json:
        sys.stderr.write(to_json({"error": problem.to_dict()}) + "\n")
        return
    where = f"ggl {session.command}".strip()
    line = f"{where}: {_one_line(problem.message)}"
    if problem.hint:
        line += f"; {problem.hint}"
    if problem.trail:
        line += f" [trail {problem.trail}]"
    red, reset = ("\x1b[31m", "\x1b[0m") if colour(sys.stderr) else ("", "")
    sys.stderr.write(f"{red}error:{reset} {printable(line)}\n")


def _one_line(message: str) -> str:
    """A list of problems below a heading becomes ``heading: first; second``."""
    head, *rest = [" ".join(line.split()) for line in message.strip().rstrip(".").splitlines() if line.strip()]
    return f"{head.rstrip(':')}: {'; '.join(rest)}" if rest else head


class Live:
    """A display that is replaced by its next version on a terminal, and grows line by line in a pipe.

    A context manager. With ``--json`` it shows nothing: what it shows is the way, not the result.
    """

    def __init__(self) -> None:
        self._terminal = terminal() if on_terminal() else None

    def __enter__(self) -> Live:
        if self._terminal:
            self._terminal.begin_live()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._terminal:
            self._terminal.end_live()

    def update(self, blocks: Sequence[Block], lines: Sequence[str] = ()) -> None:
        """``blocks``: the whole display as it is now; ``lines``: what changed since the last update."""
        if self._terminal:
            self._terminal.update_live(blocks)
        elif not session.json:
            for line in lines:
                _write(printable(line))
            sys.stdout.flush()


_terminal: Terminal | None = None


def terminal() -> Terminal:
    global _terminal
    if _terminal is None or _terminal.stream is not sys.stdout:
        from gglcli.terminal import Terminal

        _terminal = Terminal(sys.stdout)
    return _terminal


# -- plain text ----------------------------------------------------------------------------------------------------


def plain(block: Block) -> str:
    """A block without colours, tabs or dependence on the width of anything but its own cells."""
    if isinstance(block, Text):
        return block.text
    if isinstance(block, LogLine):
        return _log_line(block, coloured=False)
    if isinstance(block, Line):
        return text_of(block, coloured=False)
    if isinstance(block, Document):
        return block.value if isinstance(block.value, str) else to_json(block.value, indent=2)
    if isinstance(block, Fields):
        return _columns([[name, plain_cell(value)] for name, value in block.rows])
    return _columns([list(block.columns), *([_table_cell(cell) for cell in row] for row in block.rows)])


def _table_cell(cell: Cell) -> str:
    return age(cell) if isinstance(cell, Time) and cell else plain_cell(cell)


def plain_cell(cell: Cell) -> str:
    """An empty cell is ``-``, so that the columns of a line can be counted."""
    if isinstance(cell, Time):
        return iso_time(cell) if cell else "-"
    if cell is None or cell == "":
        return "-"
    return " ".join(str(cell).split())


_LEVEL_COLOURS = {"DEBUG": "2", "WARN": "33", "ERROR": "31", "FATAL": "1;31"}
_UNSAFE = "[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]|\x1b(?!\\[[0-9;]*m)"


def _log_line(line: LogLine, coloured: bool) -> str:
    """Written without rich: a log has many lines. A terminal gets no control sequence of a component but colours."""
    message = line.message
    if sys.stdout.isatty():
        import re

        message = re.sub(_UNSAFE, "\ufffd", message)
    if line.continues:
        return message
    if not coloured:
        return " ".join(part for part in (line.time, f"{line.level:5}", line.unit, message) if part)
    level = _LEVEL_COLOURS.get(line.level, "")
    reset = "\x1b[0m"
    head = [f"\x1b[2m{line.time[:23]}Z{reset}" if line.time else "", f"\x1b[{level}m{line.level:5}{reset}"]
    if line.unit:
        head.append(f"\x1b[36m{line.unit}{reset}")
    return " ".join(part for part in [*head, f"{message}{reset}" if "\x1b" in message else message] if part)


def without_colours(text: str) -> str:
    """For the text of a log that is shown as something else than a log."""
    import re

    return re.sub("\x1b\\[[0-9;]*m", "", text)


def _columns(rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def iso_time(milliseconds: int) -> str:
    import time

    seconds, rest = divmod(milliseconds, 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:03d}Z"


def age(milliseconds: int) -> str:
    """How long ago, in one unit: ``12s``, ``4m``, ``3h``, ``45d``.

    The time itself when no age makes sense: the clock was not set yet at that time, or has been set back since.
    """
    import time

    seconds = int(time.time() - milliseconds / 1000)
    if not -60 < seconds < 10 * 365 * 86400:
        return iso_time(milliseconds)
    for size, unit in ((2 * 86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // (86400 if unit == 'd' else size)}{unit}"
    return f"{max(0, seconds)}s"


def duration(seconds: float) -> str:
    """Two units at most: ``3.2s``, ``4m 10s``, ``2h 5m``, ``12d 3h``."""
    if seconds < 10:
        return f"{max(0.0, seconds):.1f}s"
    whole = int(seconds)
    for size, unit, smaller, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            return f"{whole // size}{unit} {whole % size // smaller}{name}"
    return f"{whole}s"


def to_json(value: Any, indent: int | None = None) -> str:
    """JSON text; bytes become text, or base64 when they are none. Keys keep their order."""
    import json

    text = json.dumps(value, indent=indent, ensure_ascii=False, default=_encode)
    return text if text.isascii() and "\x7f" not in text else text.translate(_CONTROLS)


_CONTROLS = {code: f"\\u{code:04x}" for code in range(0x7F, 0xA0)}
"""What JSON may hold as it is, and a terminal may obey."""


def _encode(value: Any) -> Any:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            from base64 import b64encode

            return b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
