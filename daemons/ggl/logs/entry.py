"""One entry of the journal as ``journalctl -o json`` prints it: a JSON object in a line (systemd.journal-fields(7))."""

from __future__ import annotations

import json
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from ggl.catalog import DAEMONS
from ggl.host.unit import CORE_PREFIX, INSTALL_SUFFIX, ONCE_PHASES, install_unit, main_unit, step_unit
from ggl.logs.record import Record

FIELDS = ("MESSAGE", "PRIORITY", "_SYSTEMD_UNIT", "SYSLOG_IDENTIFIER", "_UID")
"""What is asked of the journal; an entry's cursor and time come with it."""
PRIORITIES = ("FATAL", "FATAL", "ERROR", "ERROR", "WARN", "INFO", "INFO", "DEBUG")
"""Our levels for the severities of syslog(3)."""

HOSTD = f"{CORE_PREFIX}hostd"
"""The host's daemon. What has to be said of a component's unit is said there, in its name."""
LABELS = {HOSTD: HOSTD} | {CORE_PREFIX + daemon.name: daemon.name for daemon in DAEMONS if daemon.loopback}
"""Of logs of which it is not known beforehand in which units they are, and what their entries are labelled with."""

_SERVICE = ".service"
_STEPS = (INSTALL_SUFFIX, *(f".{phase}" for phase in ONCE_PHASES))


@dataclass(frozen=True, slots=True)
class Entry:
    """A place in the journal; ``record`` is what the runtime has logged there, if it was the runtime."""

    cursor: str
    time: int
    """Microseconds since the epoch."""
    record: Record | None


def units_of(name: str) -> list[str]:
    """The units of systemd whose output is the log ``name``."""
    if name.startswith(CORE_PREFIX):
        return [name + _SERVICE]
    units = (main_unit(name), install_unit(name), *(step_unit(name, phase) for phase in ONCE_PHASES))
    return [unit + _SERVICE for unit in units]


def names_of(unit: str, identifiers: Container[str]) -> list[str]:
    """The logs to which output of ``unit`` may belong. ``identifiers``: the labels that there are."""
    names = {name_of(unit)}
    if ambiguous(unit) and (whole := _middle(unit)) in identifiers:
        names.add(whole)
    return sorted(names - {""})


def name_of(unit: str, identifier: str = "", user: str = "") -> str:
    """The log to which output of ``unit`` belongs; empty when it is none of the runtime's.

    ``identifier``: what the output is labelled with. That is the component's name, unless the component saw to it
    otherwise. It tells the installation of ``com.example`` from a component that is called ``com.example.install``, and
    of what was written by root (the id ``user``) what the host has to say; nothing else: no component can write into
    the log of another.
    """
    if not unit.startswith(main_unit("")) or not unit.endswith(_SERVICE):
        return ""
    if unit.startswith(CORE_PREFIX):
        name = unit.removesuffix(_SERVICE)
        daemon, _, port = name.partition("@")
        return daemon if port.isdigit() else name
    if identifier == HOSTD and user == "0":
        return HOSTD
    name = _middle(unit)
    if identifier and identifier == name:
        return name
    return next((name.removesuffix(end) for end in _STEPS if name.endswith(end)), name)


def ambiguous(unit: str) -> bool:
    """Whether its name can be that of a component's step, and that of another component."""
    return unit.removesuffix(_SERVICE).endswith(_STEPS)


def parse_entry(line: bytes) -> Entry | None:
    """``None`` when ``line`` is no entry."""
    try:
        fields = json.loads(line)
        # The moment at which the journal took it: entries are in this order, and --since goes by it. What a process
        # brings along (_SOURCE_REALTIME_TIMESTAMP) is another.
        time, cursor = int(fields["__REALTIME_TIMESTAMP"]), str(fields["__CURSOR"])
    except (ValueError, TypeError, KeyError):
        return None
    message, priority, *origin = (_text(fields.get(name)) for name in FIELDS)
    name = name_of(*origin)
    level = PRIORITIES[int(priority)] if len(priority) == 1 and priority in "01234567" else "INFO"
    return Entry(cursor, time, Record(time, level, message, name) if message and name else None)


def _middle(unit: str) -> str:
    return unit.removeprefix(main_unit("")).removesuffix(_SERVICE)


def _text(value: Any) -> str:
    """A field's value. One that is no printable UTF-8 comes as a list of bytes, one that was given twice as a list."""
    if isinstance(value, list):
        try:
            return bytes(value).decode(errors="replace").rstrip()
        except (TypeError, ValueError):
            return _text(value[0]) if value else ""
    return value.rstrip() if isinstance(value, str) else ""
