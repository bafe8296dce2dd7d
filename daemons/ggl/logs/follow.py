"""Follow log files as they grow, over rotation, truncation and units that appear.

The files are looked at a few times a second: that needs no kernel interface beyond ``stat``, works on every file
system, and costs nothing when nobody follows. When the file under the name has another inode than the one being read,
the rest of the old file is read first, then every file that was rotated in between, then the new one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ggl.logs.files import Segment, open_segment, scan
from ggl.logs.reader import Query
from ggl.logs.record import Record, parse_line

POLL_INTERVAL = 0.2
"""Seconds between two looks at the files."""


class Tail:
    """The growing end of one unit's log."""

    def __init__(self, unit: str, query: Query) -> None:
        self.unit = unit
        self._query = query
        self._file = -1
        self._inode = 0
        self._position = 0
        self._rest = b""
        self._last: Record | None = None
        self._shown = False
        self._missed = False
        """The last look did not find the file that is being read."""

    def start_after(self, segment: Segment) -> None:
        """Begin behind what ``segment`` holds, at the start of a line."""
        file = open_segment(segment)
        if file is None:
            return
        with file:
            back = min(segment.size, 1 << 16)
            file.seek(segment.size - back)
            tail = file.read(back)
            self._take(os.dup(file.fileno()), segment.size - (len(tail) - tail.rfind(b"\n") - 1))

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def read(self, segments: Sequence[Segment]) -> list[Record]:
        """The records written since the last call; ``segments``: the files of the unit now, oldest first."""
        records: list[Record] = []
        if self._file >= 0:
            self._read_rest(records)
        inodes = [segment.inode for segment in segments]
        missed, self._missed = self._missed, False
        if self._inode in inodes:
            newer = segments[inodes.index(self._inode) + 1 :]
        elif self._file >= 0 and not missed and os.fstat(self._file).st_nlink:
            newer = []  # perhaps it was being rotated when the files were listed: the next look tells what follows it
            self._missed = True
        else:
            newer = segments[-1:]
        for segment in newer:
            file = open_segment(segment)
            if file is None:
                continue
            with file:
                self._take(os.dup(file.fileno()), 0)
            self._read_rest(records)
        return [record for record in records if self._selected(record)]

    def _take(self, file: int, position: int) -> None:
        self.close()
        self._file, self._inode, self._position = file, os.fstat(file).st_ino, position

    def _read_rest(self, records: list[Record]) -> None:
        if os.fstat(self._file).st_size < self._position:
            self._position, self._rest = 0, b""  # truncated: it starts anew
        while block := os.pread(self._file, 1 << 16, self._position):
            self._position += len(block)
            lines = (self._rest + block).split(b"\n")
            self._rest = lines.pop()
            for line in lines:
                self._add(line, records)

    def _add(self, line: bytes, records: list[Record]) -> None:
        record = parse_line(line, self.unit)
        if record is not None:
            self._last = record
            records.append(self._last)
            return
        text = line.decode(errors="replace")
        if records:
            records[-1] = records[-1].continued(text)
        else:
            before = self._last or Record(0, "INFO", "", self.unit)
            records.append(replace(before, message=text, continues=True))

    def _selected(self, record: Record) -> bool:
        if not record.continues:
            self._shown = self._query.matches(record)
        return self._shown


def follow(
    directory: Path, start: Mapping[str, Sequence[Segment]], units: Sequence[str] | None, query: Query
) -> Iterator[Record]:
    """Records written after ``start`` was scanned, for ever. ``units``: those to follow, or ``None`` for all."""
    tails: dict[str, Tail] = {}
    for unit, segments in start.items():
        if units is None or unit in units:
            tails[unit] = Tail(unit, query)
            tails[unit].start_after(segments[-1])
    try:
        while True:
            records: list[Record] = []
            for unit, segments in scan(directory).items():
                if units is None or unit in units:
                    if unit not in tails:
                        tails[unit] = Tail(unit, query)
                    records += tails[unit].read(segments)
            records.sort(key=lambda record: record.time)
            yield from records
            if not records:
                time.sleep(POLL_INTERVAL)
    finally:
        for tail in tails.values():
            tail.close()
