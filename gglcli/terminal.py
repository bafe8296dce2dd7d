"""What people see on a terminal, drawn with rich. Imported by ``output`` and only when stdout is a terminal."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table as RichTable
from rich.text import Text as RichText

from gglcli.output import Block, Cell, Document, Fields, LogLine, State, Table, Text, Time, duration, iso_time, plain

if TYPE_CHECKING:
    from rich.style import StyleType

_STYLES = {"bad": "red", "good": "green", "dim": "dim", "busy": "yellow", "head": "bold"}

_STATES = {
    "good": ("RUNNING", "FINISHED", "SUCCEEDED", "running", "up"),
    "bad": ("BROKEN", "ERRORED", "FAILED", "failed", "stopped", "ERROR", "FATAL"),
    "busy": (
        *("NEW", "INSTALLED", "STARTING", "STOPPING", "QUEUED", "IN_PROGRESS", "restarting", "starting", "stopping"),
        *("WARN", "CANCELED"),
    ),
    "dim": ("idle", "DEBUG"),
}
_WRAPPING = ("REASON", "ROOTS", "SOCKET")
"""Columns whose text may take several lines."""

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

    def show(self, blocks: Iterable[Block]) -> None:
        for block in blocks:
            self._console.print(_render(block), soft_wrap=isinstance(block, Text), crop=False)

    def begin_live(self) -> None:
        self._live = Live(console=self._console, refresh_per_second=10, transient=False)
        self._live.start()

    def update_live(self, blocks: Sequence[Block]) -> None:
        if self._live:
            self._live.update(Group(*(_render(block) for block in blocks)), refresh=True)

    def end_live(self) -> None:
        if self._live:
            self._live.stop()
            self._live = None


def _render(block: Block) -> RenderableType:
    if isinstance(block, Text):
        return RichText(block.text, style=_STYLES.get(block.style, ""))
    if isinstance(block, LogLine):
        return RichText.from_ansi(plain(block))
    if isinstance(block, Document):
        return RichText(_yaml(block.value))
    if isinstance(block, Fields):
        grid = RichTable.grid(padding=(0, 2))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(overflow="fold")
        for name, value in block.rows:
            grid.add_row(name, _cell(value))
        return grid
    return _table(block)


def _table(block: Table) -> RenderableType:
    if not block.rows:
        return RichText(block.empty, style="dim")
    table = RichTable(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for number, name in enumerate(block.columns):
        numeric = any(isinstance(row[number], int) and not isinstance(row[number], Time) for row in block.rows)
        table.add_column(
            name,
            justify="right" if numeric else "left",
            overflow="fold",
            no_wrap=name not in _WRAPPING,
            # On a narrow terminal the columns of prose give way, and the others stay whole.
            min_width=None
            if name in _WRAPPING
            else max(len(name), *(len(_cell(row[number]).plain) for row in block.rows)),
        )
    for row in block.rows:
        table.add_row(*(_cell(cell) for cell in row))
    return table


def _cell(cell: Cell) -> RichText:
    if isinstance(cell, Time):
        return RichText(_age(cell) if cell else "")
    if cell is None:
        return RichText("")
    style: StyleType = _STATE_STYLES.get(cell, "") if isinstance(cell, State) else ""
    return RichText(str(cell), style=style)


def _age(milliseconds: int) -> str:
    seconds = max(0, int(time.time() - milliseconds / 1000))
    if seconds >= 86400 * 30:
        return iso_time(milliseconds)
    return f"{seconds}s ago" if seconds < 10 else f"{duration(seconds)} ago"


def _yaml(value: Any) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, dict | list) or not value:
        from gglcli.output import to_json

        return to_json(value)
    import yaml

    text: str = yaml.dump(value, Dumper=yaml.SafeDumper, sort_keys=False, allow_unicode=True, default_flow_style=False)
    return text.rstrip("\n")
