"""One line of a log file.

``2026-11-22T02:40:01.123456Z LEVEL message``: the time in UTC with microseconds, one of five levels, then the message
up to the end of the line. A message that belongs to a request of the databus ends with `` trail=<id>``. A line of any
other form continues the record before it (a traceback, for example), so that nothing is ever lost.

This module is imported by the supervisor, which stays resident: it must stay small.
"""

from __future__ import annotations

import time as clock
from dataclasses import dataclass, replace
from functools import lru_cache

LEVELS = ("DEBUG", "INFO", "WARN", "ERROR", "FATAL")
"""From the least to the most severe."""

_LEVEL_BYTES = {level.encode(): level for level in LEVELS}
_TRAIL = " trail="


@dataclass(frozen=True, slots=True)
class Record:
    """``time`` is in microseconds since the epoch; ``message`` may hold several lines."""

    time: int
    level: str
    message: str
    unit: str = ""
    """Name of the log file without ``.log``."""
    continues: bool = False
    """More lines of a record that was already handed out (only while following a file)."""

    @property
    def trail(self) -> str:
        """The request this record belongs to, or an empty string."""
        first, _, _ = self.message.partition("\n")
        _, found, trail = first.rpartition(_TRAIL)
        return trail if found and trail and " " not in trail else ""

    def continued(self, line: str) -> Record:
        return replace(self, message=f"{self.message}\n{line}")


def format_time(micros: int) -> str:
    """Microseconds since the epoch as they stand in a log line."""
    seconds, fraction = divmod(micros, 1_000_000)
    return f"{_second(seconds)}.{fraction:06d}Z"


def format_record(time: float, level: str, text: str) -> bytes:
    """The line for ``text``, with its newline. ``time``: seconds since the epoch."""
    return f"{format_time(round(time * 1_000_000))} {level} {text.rstrip()}\n".encode(errors="replace")


def begins_record(line: bytes) -> bool:
    """A quick look: false for every line that continues a record, and true for nearly no such line."""
    return line[26:28] == b"Z "


def parse_line(line: bytes, unit: str = "") -> Record | None:
    """The record of ``unit`` that begins with ``line``; ``None`` when the line continues the record before."""
    if not begins_record(line) or line[19:20] != b"." or line[10:11] != b"T":
        return None
    name, _, message = line[28:].partition(b" ")
    level = _LEVEL_BYTES.get(name.rstrip())
    if level is None:
        return None
    try:
        micros = _seconds(line[:19]) * 1_000_000 + int(line[20:26])
    except ValueError:
        return None
    return Record(micros, level, message.rstrip(b"\r\n").decode(errors="replace"), unit)


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return clock.strftime("%Y-%m-%dT%H:%M:%S", clock.gmtime(seconds))


@lru_cache(maxsize=256)
def _seconds(text: bytes) -> int:
    """Seconds since the epoch of ``2026-11-22T02:40:01``; raises ``ValueError``."""
    from calendar import timegm
    from datetime import datetime

    return timegm(datetime.fromisoformat(text.decode()).timetuple())
