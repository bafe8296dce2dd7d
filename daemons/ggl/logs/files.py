"""Which log files there are, and the bytes in them, in both directions.

A *segment* is one file as it was at one moment: its inode and its length then. Reading by segment gives a consistent
view although the writer goes on appending and rotating: a file that was renamed meanwhile is found again by its inode,
and bytes appended later are left to whoever follows the log.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_NAME = re.compile(r"(?P<unit>.+)\.log(?:\.(?P<age>\d+))?")
_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of a log, in the order of rotation."""

    path: Path
    age: int
    """0: the file being written; the higher, the older."""
    inode: int
    size: int
    modified: float
    """Seconds since the epoch."""


def scan(directory: Path) -> dict[str, list[Segment]]:
    """Every unit with a log, each with its files, oldest first."""
    units: dict[str, list[Segment]] = {}
    try:
        entries = list(os.scandir(directory))
    except FileNotFoundError:
        return {}
    for entry in entries:
        match = _NAME.fullmatch(entry.name)
        if not match:
            continue
        try:
            stat = entry.stat()
        except FileNotFoundError:
            continue
        segment = Segment(Path(entry.path), int(match["age"] or 0), stat.st_ino, stat.st_size, stat.st_mtime)
        units.setdefault(match["unit"], []).append(segment)
    return {unit: _in_order(segments) for unit, segments in sorted(units.items())}


def _in_order(segments: list[Segment]) -> list[Segment]:
    """Oldest first, and each file once: one that was rotated meanwhile may have been seen under both of its names."""
    segments.sort(key=lambda segment: -segment.age)
    return list({segment.inode: segment for segment in segments}.values())


def open_segment(segment: Segment) -> BinaryIO | None:
    """The file of a segment, wherever rotation has moved it; ``None`` when it is gone."""
    base = segment.path.with_suffix("") if segment.age else segment.path
    for age in range(segment.age, segment.age + 8):
        path = base if age == 0 else base.with_name(f"{base.name}.{age}")
        try:
            file = path.open("rb")
        except FileNotFoundError:
            continue
        if os.fstat(file.fileno()).st_ino == segment.inode:
            return file
        file.close()
    return None


def lines_forward(segment: Segment) -> Iterator[bytes]:
    """The lines of a segment without their newlines. A last line without a newline is left out: it is being written."""
    file = open_segment(segment)
    if file is None:
        return
    with file:
        left, rest = segment.size, b""
        while left > 0:
            block = file.read(min(_BLOCK, left))
            if not block:
                return
            left -= len(block)
            lines = (rest + block).split(b"\n")
            rest = lines.pop()
            yield from lines


def lines_backward(segment: Segment) -> Iterator[bytes]:
    """The same lines, last first, reading no more of the file than is asked for."""
    file = open_segment(segment)
    if file is None:
        return
    with file:
        end, rest, first = segment.size, b"", True
        while end > 0:
            start = max(0, end - _BLOCK)
            file.seek(start)
            lines = (file.read(end - start) + rest).split(b"\n")
            rest, end = lines[0], start
            if first and len(lines) > 1:
                lines.pop()  # what follows the last newline: nothing, or a line still being written
                first = False
            yield from reversed(lines[1:])
        if not first:
            yield rest
