"""What components ask the runtime for, as ``ggl ipc trace`` shows it: call by call, and summed up."""

from __future__ import annotations

import random
from typing import Any

from gglcli.line import Line, cut
from gglcli.messages import clock
from gglcli.operations import short
from gglcli.output import Cell, Table

MAX_SAMPLES = 4096
"""Times kept of each operation of a component; from there on a random choice of all."""
_OUTCOMES = {"call": "ok", "subscription": "opened", "event": "event", "end": "end"}


_FIXED = (12, 9)
"""Columns of the time of day, and of the time that the answer took."""
_NATURAL = (30, 22, 22, 25)
"""Columns that component, operation, resources and outcome have on a terminal with room for them. With more room the
resources get it; with less, all get less."""
_MORE = (13, 13)
"""Columns of what there must be room for: bytes, and who served it."""
_GAP = 2


def widths(columns: int) -> list[int]:
    """The widths of a line's columns on a terminal of so many ``columns``: six, or eight where there is room."""
    fixed = [*_FIXED, *_MORE]
    if columns < sum(fixed) + sum(_NATURAL) + _GAP * 7:
        fixed = [*_FIXED]
    room = max(len(_NATURAL), columns - sum(fixed) - _GAP * (len(fixed) + len(_NATURAL) - 1))
    flexible = [max(1, min(natural, natural * room // sum(_NATURAL))) for natural in _NATURAL]
    flexible[2] += max(0, room - sum(flexible))
    return [fixed[0], *flexible, *fixed[1:]]


def call_line(item: dict[str, Any], columns: int | None) -> Line:
    """One line: time, who, what, on what, how it ended, how long it took, how many bytes went in and out, who served
    it, and what was wrong.

    On a terminal of so many ``columns`` (``None``: it is none) the parts are cut to fixed widths, those that have no
    room are left out, and what was wrong stands below.
    """
    error = item["error"]
    outcome = error or _OUTCOMES.get(item["kind"], item["kind"])
    answers = item["kind"] in ("call", "subscription")
    parts = [
        (clock(item["time"]), "dim"),
        (f"{item['component']}({item['pid']})", "name"),
        (short(item["operation"]), "head"),
        (", ".join(item["resources"]) or "-", ""),
        (outcome, "bad" if error else "good" if answers else "dim"),
        (f"{item['seconds'] * 1000:.1f}ms" if answers else "-", ""),
        (f"{item['bytes_in']}/{item['bytes_out']}B", "dim"),
        (item["interface"] or "-", "dim"),
    ]
    # What was not allowed to whom stands in the line already.
    message = "" if error in ("", "UnauthorizedError") else item["message"]
    if columns is None:
        return Line([(text, style, 0) for text, style in [*parts, *([(message, "bad")] if message else [])]])
    if len(outcome) > widths(columns)[4]:
        parts[4] = (outcome.removesuffix("Error"), parts[4][1])
    found = [(cut(text, width), style, width) for (text, style), width in zip(parts, widths(columns), strict=False)]
    return Line(found, cut(message, columns - _GAP))


class _Sum:
    """One operation of one component."""

    def __init__(self) -> None:
        self.calls = self.events = self.errors = self.bytes_in = self.bytes_out = 0
        self.longest = 0.0
        self.samples: list[float] = []

    def add(self, item: dict[str, Any]) -> None:
        self.bytes_in += item["bytes_in"]
        self.bytes_out += item["bytes_out"]
        self.errors += bool(item["error"])
        if item["kind"] == "event":
            self.events += 1
        elif item["kind"] != "end":
            self.calls += 1
            self.longest = max(self.longest, item["seconds"])
            if len(self.samples) < MAX_SAMPLES:
                self.samples.append(item["seconds"])
            elif (at := random.randrange(self.calls)) < MAX_SAMPLES:
                self.samples[at] = item["seconds"]

    def milliseconds(self, percent: int) -> float | None:
        """The time within which so many of a hundred calls were answered."""
        if not self.samples:
            return None
        if percent == 100:
            return round(self.longest * 1000, 3)
        at = -(-percent * len(self.samples) // 100) - 1
        return round(sorted(self.samples)[at] * 1000, 3)


class Summary:
    """Sums by component and operation."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str], _Sum] = {}

    def add(self, item: dict[str, Any]) -> None:
        self._sums.setdefault((item["component"], item["operation"]), _Sum()).add(item)

    def to_list(self) -> list[dict[str, Any]]:
        return [
            {
                "component": component,
                "operation": operation,
                "calls": each.calls,
                "errors": each.errors,
                "events": each.events,
                "p50_ms": each.milliseconds(50),
                "p99_ms": each.milliseconds(99),
                "max_ms": each.milliseconds(100),
                "bytes_in": each.bytes_in,
                "bytes_out": each.bytes_out,
            }
            for (component, operation), each in sorted(self._sums.items())
        ]

    def table(self) -> Table:
        columns = ["COMPONENT", "OPERATION", "CALLS", "ERRORS", "EVENTS", "P50 MS", "P99 MS", "MAX MS", "IN", "OUT"]
        rows: list[list[Cell]] = []
        for each in self.to_list():
            times = (_tenths(each[key]) for key in ("p50_ms", "p99_ms", "max_ms"))
            counts = (each["calls"], each["errors"], each["events"])
            rows.append([each["component"], short(each["operation"]), *counts, *times, *_sizes(each)])
        return Table(columns, rows, "no component has asked for anything")


def _tenths(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _sizes(sums: dict[str, Any]) -> list[str]:
    return [_size(sums[key]) for key in ("bytes_in", "bytes_out")]


def _size(count: int) -> str:
    if count < 10_000:
        return f"{count} B"
    return f"{count / 1000:.0f} kB" if count < 10_000_000 else f"{count / 1_000_000:.0f} MB"
