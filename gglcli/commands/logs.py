"""``ggl logs``: reads the logs itself, so that it works with the runtime down."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

import typer

from ggl.catalog import DAEMONS
from ggl.host.store import is_readable
from ggl.host.unit import main_unit
from ggl.logs.reader import CORE_PREFIX, Query, display_name, find_unit
from ggl.logs.record import Record, format_time
from ggl.logs.source import LogSource, Unreadable, log_source
from gglcli import output
from gglcli.client import command, root
from gglcli.errors import INVALID, NOT_FOUND, USAGE, CliError
from gglcli.output import LogLine
from gglcli.timespec import parse_time

HOST_DAEMONS = ("ggld", "hostd")
"""The daemon that runs all others, on a host of our own and on systemd."""
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

    It reads the log files itself, or on a device with systemd the journal, and works while the runtime is down. Times
    are UTC. What a component prints on standard output is INFO, on standard error WARN.

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
    last = _last(lines, follow, filtered=bool(since or until or grep or trail))
    try:
        _show_all(log_source(root()), names or [], query, last, follow)
    except Unreadable as problem:
        raise CliError(str(problem), hint=problem.hint) from None


def _show_all(source: LogSource, names: list[str], query: Query, last: int | None, follow: bool) -> None:
    known = source.names()
    chosen = _select(names, known, source, follow)
    single = chosen is not None and len(chosen) == 1
    shown = False
    for record in source.records(chosen, query, last, follow):
        _show(record, single, flush=follow)
        shown = True
    if not shown:
        output.note(_nothing(chosen, known, source))


def _nothing(chosen: list[str] | None, known: list[str], source: LogSource) -> str:
    if chosen and not set(chosen) & set(known):
        return f"no record of {', '.join(map(display_name, chosen))} yet"
    return "no record matches" if known else f"there are no logs in {source.place}"


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


def _select(names: list[str], known: list[str], source: LogSource, follow: bool) -> list[str] | None:
    """The logs to show; ``None`` for all. While following, a component may be named before it has a log."""
    daemons = (source.host_daemon, *(daemon.name for daemon in DAEMONS))
    chosen = []
    for name in names:
        found = find_unit(name, known)
        if found is None and name in daemons:
            found = CORE_PREFIX + name  # it has had nothing to say
        if found is None and _is_component(name):
            found = name
        if found is None and not follow:
            from difflib import get_close_matches

            near = get_close_matches(name, [display_name(unit) for unit in known], n=1)
            if name in HOST_DAEMONS:
                near = [source.host_daemon]
            hint = f"did you mean '{near[0]}'" if near else f"'{command('logs -n 1')}' shows what logs"
            raise CliError(f"there is no log of '{name}' in {source.place}", NOT_FOUND, hint=hint)
        chosen.append(found or name)
    return chosen or None


def _is_component(name: str) -> bool:
    """Whether there is a component of this name, as far as can be seen while the runtime is down."""
    if "/" in name or not name.strip("."):
        return False
    return (root().work / name).is_dir() or is_readable(root().units, main_unit(name))


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
