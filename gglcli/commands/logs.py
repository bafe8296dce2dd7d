"""``ggl logs``: reads the log files itself, so that it works with the runtime down."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

import typer

from ggl.catalog import DAEMONS
from ggl.logs.files import scan
from ggl.logs.follow import follow as follow_files
from ggl.logs.reader import CORE_PREFIX, Query, display_name, find_unit, merge
from ggl.logs.record import Record, format_time
from gglcli import output
from gglcli.client import command, root
from gglcli.errors import INVALID, NOT_FOUND, USAGE, CliError
from gglcli.output import LogLine
from gglcli.timespec import parse_time

DAEMON_NAMES = ("ggld", *(daemon.name for daemon in DAEMONS))
DEFAULT_LINES = 200
DEFAULT_LINES_FOLLOWING = 10


class Level(StrEnum):
    """Levels from the least to the most severe."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"
    FATAL = "FATAL"


def logs(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME...", help="Components or daemons (configd); all without one.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written from now on.")] = False,
    lines: Annotated[
        str,
        typer.Option(
            "--lines", "-n", metavar="N", help="Show the last N records, or 'all' (200; 10 with -f; all with a filter)."
        ),
    ] = "",
    since: Annotated[
        str, typer.Option(metavar="TIME", help="Nothing older: an age (10m, 2h30m, 1d) or an ISO time (UTC).")
    ] = "",
    until: Annotated[str, typer.Option(metavar="TIME", help="Nothing newer.")] = "",
    level: Annotated[
        Level | None, typer.Option("--level", "-l", case_sensitive=False, help="This level and more severe ones.")
    ] = None,
    grep: Annotated[
        str, typer.Option("--grep", "-g", metavar="REGEX", help="Only messages that match this regular expression.")
    ] = "",
    trail: Annotated[
        str, typer.Option(metavar="ID", help="Only what belongs to this request, in every daemon it touched.")
    ] = "",
) -> None:
    """Show the logs of components and daemons, merged in order of time.

    It reads the files itself and works while the runtime is down. Times are UTC. What a component prints on standard
    output is INFO, on standard error WARN.

    Examples:
      ggl logs                                    # the last lines of everything
      ggl logs -f com.example.Hello
      ggl logs configd deploymentd --since 10m --level WARN
      ggl logs --trail 3f9a2b11c0                 # the whole story of one request
      ggl logs com.example.Hello --grep 'time(d )?out' -n 5 --json
    """
    query = Query(
        since=parse_time(since) if since else None,
        until=parse_time(until) if until else None,
        level=level.value if level else "",
        grep=_pattern(grep),
        trail=trail,
    )
    if follow and until:
        raise CliError("--follow and --until exclude each other", USAGE)
    directory = root().logs
    found = scan(directory)
    units = _select(names or [], list(found), follow)
    last = _last(lines, follow, filtered=bool(since or until or grep or trail))
    chosen = {unit: found[unit] for unit in found if units is None or unit in units}
    single = units is not None and len(units) == 1
    shown = False
    for record in merge(chosen, query, last):
        _show(record, single, flush=False)
        shown = True
    if not shown and not follow:
        output.note("no record matches" if found else f"there are no logs in {directory}")
    if follow:
        output.flush()
        for record in follow_files(directory, chosen, units, query):
            _show(record, single, flush=True)


def _show(record: Record, single: bool, flush: bool) -> None:
    unit = display_name(record.unit)
    data = {
        "time": format_time(record.time) if record.time else "",
        "unit": unit,
        "level": record.level,
        "message": record.message,
        "trail": record.trail,
    }
    line = LogLine(data["time"], record.level, "" if single else unit, record.message, record.continues)
    output.item(data, line, flush)


def _select(names: list[str], known: list[str], follow: bool) -> list[str] | None:
    """The units to show; ``None`` for all. While following, a component may be named before it has a log."""
    units = []
    for name in names:
        unit = find_unit(name, known)
        if unit is None and name in DAEMON_NAMES:
            unit = CORE_PREFIX + name  # it has had nothing to say
        if unit is None and not follow:
            from difflib import get_close_matches

            near = get_close_matches(name, [display_name(unit) for unit in known], n=1)
            hint = f"did you mean '{near[0]}'" if near else f"'{command('logs -n 1')}' shows what logs"
            raise CliError(f"there is no log of '{name}' in {root().logs}", NOT_FOUND, hint=hint)
        units.append(unit or name)
    return units or None


def _last(text: str, follow: bool, filtered: bool) -> int | None:
    if text == "all":
        return None
    if not text:
        return DEFAULT_LINES_FOLLOWING if follow else None if filtered else DEFAULT_LINES
    if not text.isdecimal():
        raise CliError(f"'{text}' is not a number of records", USAGE, hint="use a number or 'all'")
    return int(text)


def _pattern(text: str) -> re.Pattern[str] | None:
    if not text:
        return None
    try:
        return re.compile(text)
    except re.error as error:
        raise CliError(f"'{text}' is not a regular expression: {error}", INVALID) from None
