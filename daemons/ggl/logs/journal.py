"""The journal as the log: on a device with systemd it holds what components and core daemons print.

It is read by ``journalctl``, which knows every format and place of journals, and finds the entries of a unit by their
index. Filters that it does not have are applied to what it prints.

To follow, the last entry is noted first. What is shown of the past ends with that entry, and what is followed begins
after it: so nothing is lost between the two, and nothing comes twice.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from typing import IO

from ggl.host.unit import COMPONENT_PREFIX
from ggl.logs.entry import FIELDS, LABELS, PRIORITIES, Entry, ambiguous, names_of, parse_entry, units_of
from ggl.logs.reader import Query
from ggl.logs.record import LEVELS, Record
from ggl.logs.source import Unreadable

PROGRAM = "journalctl"
ENTRY_LIMIT = 4 << 20
"""Bytes of JSON: a longer entry is left out. Services print lines of at most 48 KB into the journal."""

_JSON = ("--output=json", "--all", f"--output-fields={','.join(FIELDS)}")
_NO_PERMISSION = ("insufficient permissions", "not seeing messages")
"""What journalctl says to those who may read nothing, or only what they wrote themselves."""


class Journal:
    """The journal of this device."""

    place = "the journal"
    host_daemon = "hostd"

    def names(self) -> list[str]:
        units = [unit for unit in _values("_SYSTEMD_UNIT") if unit.startswith(COMPONENT_PREFIX)]
        identifiers = _values("SYSLOG_IDENTIFIER") if any(ambiguous(unit) for unit in units) else []
        return sorted({name for unit in units for name in names_of(unit, identifiers)})

    def records(
        self, names: Sequence[str] | None, query: Query, last: int | None, follow: bool = False
    ) -> Iterator[Record]:
        if follow:
            yield from self._follow(names, query, last)
            return
        units = _matches(self.names() if names is None else names)
        if not units:
            return
        if last is None:
            yield from _selected(_entries([*_since(query), *units], query), names, query)
        else:
            yield from _newest([*_since(query), *units], names, query, last)

    def _follow(self, names: Sequence[str] | None, query: Query, last: int | None) -> Iterator[Record]:
        # Of all: whatever there is, as more may come.
        units = _matches(names or ())
        noted = next(_entries(["--lines=1", *units], Query()), None) if last is not None else None
        if noted is None:
            yield from _selected(_entries(["--follow", "--no-tail", *_since(query), *units], query), names, query)
            return
        # In this order: who says something for the first time after the noted entry, need not be known now.
        past = units or _matches(self.names())
        if last and past:
            yield from _newest([f"--cursor={noted.cursor}", *past], names, query, last)
        new = _entries(["--follow", "--no-tail", f"--cursor={noted.cursor}", *units], query)
        yield from _selected((entry for entry in new if entry.cursor != noted.cursor), names, query)

    def whereabouts(self, component: str) -> str:
        return " ".join((PROGRAM, *(f"--unit {unit}" for unit in units_of(component)[:2])))  # and its installation


def _newest(arguments: list[str], names: Sequence[str] | None, query: Query, last: int) -> Iterator[Record]:
    """The ``last`` selected records, oldest first, reading no more of the journal than is needed for that."""
    found: list[Record] = []
    if last:
        for record in _selected(_recent(_entries(["--reverse", *arguments], query), query), names, query):
            found.append(record)
            if len(found) == last:
                break
    return reversed(found)


def _recent(entries: Iterator[Entry], query: Query) -> Iterator[Entry]:
    for entry in entries:
        if query.since is not None and entry.time < query.since:
            return
        yield entry


def _selected(entries: Iterator[Entry], names: Sequence[str] | None, query: Query) -> Iterator[Record]:
    for entry in entries:
        record = entry.record
        if record is not None and (names is None or record.unit in names) and query.matches(record):
            yield record


def _entries(arguments: list[str], query: Query) -> Iterator[Entry]:
    """Entries that may be what ``query`` selects, in the order of the journal."""
    levels = LEVELS[LEVELS.index(query.level) :] if query.level else LEVELS
    if "INFO" not in levels:  # what has no priority counts as INFO
        priorities = [f"PRIORITY={i}" for i, level in enumerate(PRIORITIES) if level in levels]
        # They hold for the matches on one side of a "+".
        arguments = [word for each in arguments for word in ([*priorities, each] if each == "+" else [each])]
        arguments += priorities
    if query.until is not None:
        arguments = [*arguments, f"--until={_moment(query.until)}"]
    if query.trail.isalnum():
        # Six times quicker than to look at every entry here; but journalctl may have been built without it.
        began = False
        try:
            for entry in _parsed([*arguments, f"--grep=trail={query.trail}"]):
                began = True
                yield entry
            return
        except Unreadable:
            if began:
                raise
    yield from _parsed(arguments)


def _parsed(arguments: list[str]) -> Iterator[Entry]:
    for line in _lines([*_JSON, *arguments]):
        entry = parse_entry(line)
        if entry is not None:
            yield entry


def _matches(names: Sequence[str]) -> list[str]:
    """What selects the entries of ``names``, and a few others."""
    matches = [f"_SYSTEMD_UNIT={unit}" for name in names for unit in units_of(name)]
    labels = [f"SYSLOG_IDENTIFIER={LABELS[name]}" for name in names if name in LABELS]
    return [*matches, "+", *labels] if labels else matches


def _since(query: Query) -> list[str]:
    return [] if query.since is None else [f"--since={_moment(query.since)}"]


def _moment(micros: int) -> str:
    return f"@{micros // 1_000_000}.{micros % 1_000_000:06d}"


def _values(field: str) -> list[str]:
    """Every value that ``field`` has anywhere in the journal."""
    return [line.decode(errors="replace").rstrip("\n") for line in _lines([f"--field={field}"])]


def _lines(arguments: list[str]) -> Iterator[bytes]:
    """What journalctl prints, as long as somebody wants more. Raises ``Unreadable``."""
    with tempfile.TemporaryFile() as errors:
        command = [PROGRAM, "--no-pager", *arguments]
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
        except FileNotFoundError:
            hint = "it comes with systemd, at times in a package of its own"
            raise Unreadable(f"the logs are in the journal, and this device has no {PROGRAM}", hint) from None
        except OSError as error:
            raise Unreadable(f"cannot run {PROGRAM}: {error.strerror}", "") from None
        with process:
            assert process.stdout is not None
            try:
                yield from _bounded(process.stdout)
            except BaseException:  # nobody wants more, or Ctrl-C
                process.kill()
                raise
        _check(process.returncode, errors)


def _bounded(output: IO[bytes]) -> Iterator[bytes]:
    """The lines of ``output`` but those that are too long."""
    while line := output.readline(ENTRY_LIMIT):
        if line.endswith(b"\n") or len(line) < ENTRY_LIMIT:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = output.readline(ENTRY_LIMIT)


def _check(status: int, errors: IO[bytes]) -> None:
    errors.seek(0)
    text = errors.read(4096).decode(errors="replace").strip()
    if any(sign in text for sign in _NO_PERMISSION):
        hint = "run ggl as root, for example with sudo, or join the group systemd-journal"
        raise Unreadable("no permission to read the journal", hint)
    if status > 0 and text:  # with nothing to show it may be 1 as well
        raise Unreadable(f"{PROGRAM} cannot read the journal: {text.splitlines()[-1]}", "")
