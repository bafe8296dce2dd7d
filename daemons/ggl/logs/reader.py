"""Records out of log files: of one unit or merged from many in time order, filtered, all of them or the last few.

Within a unit the order of the file is the truth, even where a device's clock was set back; merging only decides between
units. The last records are read from the end of the files, so that a big log costs no more than a small one.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from ggl.logs.files import Segment, lines_backward, lines_forward, scan
from ggl.logs.record import LEVELS, Record, begins_record, format_time, parse_line

CORE_PREFIX = "ggl.core."


@dataclass(frozen=True)
class Query:
    """What to select. Times are microseconds since the epoch; the empty query selects everything."""

    since: int | None = None
    until: int | None = None
    level: str = ""
    """The least severe level to show."""
    grep: re.Pattern[str] | None = None
    trail: str = ""

    def matches(self, record: Record) -> bool:
        return (
            (self.since is None or record.time >= self.since)
            and (self.until is None or record.time <= self.until)
            and (not self.level or LEVELS.index(record.level) >= LEVELS.index(self.level))
            and (not self.trail or record.trail == self.trail)
            and (self.grep is None or self.grep.search(record.message) is not None)
        )


def display_name(unit: str) -> str:
    """How a unit is called in front of people: ``configd`` for ``ggl.core.configd``."""
    return unit.removeprefix(CORE_PREFIX)


def find_unit(name: str, units: Iterable[str]) -> str | None:
    """The unit a person means by ``name``: a component or a core daemon, with or without its prefix."""
    known = set(units)
    return next((unit for unit in (name, CORE_PREFIX + name, name.removeprefix("ggl.")) if unit in known), None)


def read(
    directory: Path, units: Sequence[str] | None = None, query: Query = Query(), last: int | None = None
) -> list[Record]:
    """The selected records of ``units`` (all when ``None``), oldest first; of many, only the ``last`` ones."""
    found = scan(directory)
    return list(merge({unit: found[unit] for unit in found if units is None or unit in units}, query, last))


def merge(units: Mapping[str, Sequence[Segment]], query: Query, last: int | None = None) -> Iterator[Record]:
    """Like ``read``, from segments that were scanned before."""
    if last is None:
        return heapq.merge(*(forward(unit, files, query) for unit, files in units.items()), key=_time)
    tails = [list(islice(backward(unit, files, query), last))[::-1] for unit, files in units.items()]
    merged = list(heapq.merge(*tails, key=_time))
    return iter(merged[len(merged) - last :] if len(merged) > last else merged)


def forward(unit: str, segments: Sequence[Segment], query: Query) -> Iterator[Record]:
    """The selected records of one unit, oldest first."""
    pending: Record | None = None
    dropped = False
    trail, since = query.trail.encode(), format_time(query.since or 0).encode()
    for segment in segments:
        if query.since is not None and segment.modified * 1e6 < query.since and segment.age:
            continue  # nothing was written to this file since then
        for line in lines_forward(segment):
            # Most lines of a large log are sorted out by their bytes, which is ten times quicker than parsing them.
            beginning = begins_record(line)
            if beginning and (line[:27] < since or (trail and trail not in line)):
                dropped = True
                continue
            record = parse_line(line, unit) if beginning else None
            if record is not None:
                if pending and query.matches(pending):
                    yield pending
                pending, dropped = record, False
            elif not dropped:
                text = line.decode(errors="replace")
                pending = pending.continued(text) if pending else Record(0, "INFO", text, unit)
    if pending and query.matches(pending):
        yield pending


def backward(unit: str, segments: Sequence[Segment], query: Query) -> Iterator[Record]:
    """The selected records of one unit, newest first."""
    rest: list[str] = []
    for segment in reversed(segments):
        for line in lines_backward(segment):
            record = parse_line(line, unit)
            if record is None:
                rest.append(line.decode(errors="replace"))
                continue
            message = "\n".join([record.message, *reversed(rest)])
            record = replace(record, message=message) if rest else record
            rest = []
            if query.matches(record):
                yield record
    if rest:
        record = Record(0, "INFO", "\n".join(reversed(rest)), unit)
        if query.matches(record):
            yield record


def _time(record: Record) -> int:
    return record.time
