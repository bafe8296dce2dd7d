"""Notice that files of a project were saved, without a watcher: their sizes and times, compared with those before."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from gglcli.project.ignore import walk

INTERVAL = 0.5
"""Seconds between two looks; more when a look takes long, so that it stays cheap."""
QUIET = 0.2
"""Seconds without a change after which a save is over: editors write in several steps, a checkout many files."""
_SHARE = 20
"""A look is followed by a pause of at least so many times its own duration."""

Snapshot = Mapping[Path, tuple[int, int, int]]
"""By file: time of the last change (ns), size, mode."""


def snapshot(places: Iterable[Path]) -> Snapshot:
    """The files that ``places``, files and folders, hold now."""
    found = {}
    for place in places:
        for path in walk(place) if place.is_dir() else (place,):
            try:
                facts = os.stat(path)
            except OSError:
                continue  # it has just gone
            found[path] = (facts.st_mtime_ns, facts.st_size, facts.st_mode)
    return found


def next_change(places: Iterable[Path], before: Snapshot) -> Snapshot:
    """Wait until ``places`` are not as ``before``, and then until they stay as they are for a moment."""
    places = list(places)
    while True:
        began = time.monotonic()
        now = snapshot(places)
        if now != before:
            return _settled(places, now)
        time.sleep(max(INTERVAL, _SHARE * (time.monotonic() - began)))


def changed_files(before: Snapshot, now: Snapshot) -> list[Path]:
    """What is new, gone or different, in order."""
    return sorted(path for path in {*before, *now} if before.get(path) != now.get(path))


def _settled(places: list[Path], now: Snapshot) -> Snapshot:
    while True:
        time.sleep(QUIET)
        later = snapshot(places)
        if later == now:
            return now
        now = later
