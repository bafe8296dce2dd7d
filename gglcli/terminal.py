"""What people see on a terminal, drawn with rich. Imported by ``output`` and only when stdout is a terminal."""

from __future__ import annotations

import os
import termios
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table as RichTable
from rich.text import Text as RichText

from gglcli.line import Line
from gglcli.output import (
    ID_LENGTH,
    Block,
    Cell,
    Document,
    Fields,
    Id,
    LogLine,
    State,
    Table,
    Text,
    Time,
    age,
    iso_time,
    plain,
)
from gglcli.visible import several_lines

if TYPE_CHECKING:
    from rich.style import StyleType

_STYLES = {"bad": "red", "good": "green", "dim": "dim", "busy": "yellow", "head": "bold"}

_STATES = {
    "good": ("RUNNING", "FINISHED", "SUCCEEDED", "running", "up", "current", "good", "connected"),
    "bad": (
        "BROKEN",
        "ERRORED",
        "FAILED",
        "REJECTED",
        "failed",
        "current, failed",
        "stopped",
        "expired",
        "ERROR",
        "FATAL",
    ),
    "busy": (
        *("NEW", "INSTALLED", "STARTING", "STOPPING", "QUEUED", "IN_PROGRESS", "restarting", "starting", "stopping"),
        *("WARN", "CANCELED", "ROLLING_BACK", "offline", "expires soon"),
    ),
    "dim": ("idle", "DEBUG"),
}
_PROSE = ("REASON", "WHAT", "SOCKET", "CHANGE", "RESOURCES", "STREAMS", "WHY", "PROBLEM")
"""Last columns whose text may take several lines."""
_PROSE_WIDTH = 30
"""Characters below which prose is not squeezed into a column, but follows its row."""
_DROPPED = ("POLICY OF", "OUT", "IN", "PID", "RESTARTS", "ROLE", "RESULT", "BY", "TYPE", "VERSION", "SUB")
"""Columns that a narrow terminal does without, the first one first."""
_GAP = 2

_STATE_STYLES = {word: _STYLES[style] for style, words in _STATES.items() for word in words}


class Terminal:
    """Draws blocks on ``stream``. With ``NO_COLOR`` set it writes no colour and no other attribute either."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        no_colour = "NO_COLOR" in os.environ
        self._console = Console(
            file=stream, highlight=False, emoji=False, markup=False, color_system=None if no_colour else "auto"
        )
        self._live: Live | None = None
        self._modes: list[Any] | None = None

    def show(self, blocks: Iterable[Block]) -> None:
        for block in blocks:
            self._console.print(
                _render(block, self._console.width), soft_wrap=isinstance(block, Text | Table), crop=False
            )

    def begin_live(self) -> None:
        self._modes = _without_echo_of_controls()
        self._live = Live(console=self._console, refresh_per_second=10, transient=False)
        self._live.start()

    def update_live(self, blocks: Sequence[Block]) -> None:
        if self._live:
            width = self._console.width
            self._live.update(Group(*(_render(block, width) for block in blocks)), refresh=True)

    def end_live(self) -> None:
        if self._live:
            self._live.stop()
            self._live = None
        if self._modes:
            termios.tcsetattr(0, termios.TCSANOW, self._modes)
            self._modes = None


def _without_echo_of_controls() -> list[Any] | None:
    """Let Ctrl-C print nothing: a ``^C`` behind the last line of a live display may move it to the next one, and what
    replaces the display begins in the wrong place. Returns the modes to come back to, if there is a terminal."""
    try:
        if os.tcgetpgrp(0) != os.getpgrp():
            return None  # in the background it is the terminal of somebody else
        modes = termios.tcgetattr(0)
        quiet = [*modes[:3], modes[3] & ~termios.ECHOCTL, *modes[4:]]
        termios.tcsetattr(0, termios.TCSANOW, quiet)
    except (OSError, termios.error):
        return None
    return modes


def _render(block: Block, width: int) -> RenderableType:
    if isinstance(block, Text):
        return RichText(block.text, style=_STYLES.get(block.style, ""))
    if isinstance(block, LogLine | Line):
        return RichText.from_ansi(plain(block))
    if isinstance(block, Document):
        return RichText(several_lines(_yaml(block.value)))
    if isinstance(block, Fields):
        grid = RichTable.grid(padding=(0, _GAP))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(overflow="fold")
        for name, value in block.rows:
            grid.add_row(name, _field(value))
        return grid
    return _table(block, width)


def _table(block: Table, width: int) -> RenderableType:
    """Rows that fit ``width``: first unimportant columns go, then prose moves below its row."""
    if not block.rows:
        return RichText(block.empty, style="dim")
    cells = [[_cell(cell) for cell in row] for row in block.rows]
    columns = list(range(len(block.columns)))
    prose = columns.pop() if block.columns[-1] in _PROSE else None
    widths = [max(len(name), *(row[at].cell_len for row in cells)) for at, name in enumerate(block.columns)]

    def taken() -> int:
        return sum(widths[at] + _GAP for at in columns) - _GAP

    for name in _DROPPED:
        if taken() > width and name in block.columns:
            columns.remove(block.columns.index(name))
    room = width - taken() - _GAP
    beside = prose is not None and room >= min(widths[prose], _PROSE_WIDTH)
    lines = [_line([RichText(name, style="dim") for name in block.columns], columns, widths, block)]
    if prose is not None and beside:
        lines[0].append_text(RichText(" " * _GAP + block.columns[prose], style="dim"))
    console = Console(width=width)
    for row in cells:
        line = _line(row, columns, widths, block)
        wrapped = [] if prose is None else list(row[prose].wrap(console, room if beside else max(20, width - _GAP)))
        if beside and wrapped:
            line.append_text(RichText(" " * _GAP) + wrapped.pop(0))
        line.rstrip()
        indent = taken() + _GAP if beside else _GAP
        lines += [line, *(RichText(" " * indent) + part for part in wrapped if part.plain.strip())]
    return RichText("\n", no_wrap=False, overflow="fold").join(lines)


def _line(row: Sequence[RichText], columns: Sequence[int], widths: Sequence[int], block: Table) -> RichText:
    parts = []
    for at in columns:
        part = row[at].copy()
        if any(isinstance(each[at], int) and not isinstance(each[at], Time) for each in block.rows):
            part.pad_left(widths[at] - part.cell_len)
        elif at != columns[-1] or len(columns) < len(widths):
            part.pad_right(widths[at] - part.cell_len)
        parts.append(part)
    return RichText(" " * _GAP).join(parts)


def _field(cell: Cell) -> RichText:
    """Beside a name there is room for the time and its age."""
    if isinstance(cell, Time) and cell:
        time, since = iso_time(cell), age(cell)
        return RichText(time if since == time else f"{time} ({since} ago)")
    return RichText(str(cell)) if isinstance(cell, Id) else _cell(cell)


def _cell(cell: Cell) -> RichText:
    if isinstance(cell, Time):
        return RichText(age(cell) if cell else "")
    if cell is None:
        return RichText("")
    if isinstance(cell, Id):
        return RichText(cell[:ID_LENGTH])
    style: StyleType = ""
    if isinstance(cell, State):
        style = _STATE_STYLES.get(cell) or _STATE_STYLES.get(cell.partition(",")[0], "")
    return RichText(str(cell), style=style)


def _yaml(value: Any) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, dict | list) or not value:
        from gglcli.output import to_json

        return to_json(value)
    import yaml

    text: str = yaml.dump(value, Dumper=yaml.SafeDumper, sort_keys=False, allow_unicode=True, default_flow_style=False)
    return text.rstrip("\n")
