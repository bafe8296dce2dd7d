"""Recoveries on the disk: what the host reported, what is under way, what is over.

``<root>/recovery/<unit>.json`` is a report of the host. It becomes ``<unit>.open``, the recovery with its progress, and
that becomes ``<root>/recoveries/<id>.json`` when it is over. Files and not records of configd, which may be what has
failed. Each is replaced as a whole, and each step leaves either the old or the new; done twice it does no harm.

A disk that takes nothing costs the memory of what was done, never the recovery: that is logged, and all goes on.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ggl.durable import write_json
from ggl.log import get_logger
from ggl.recoveryd.policy import LONGEST_INTERVAL
from ggl.recoveryd.record import Failure, Recovery
from ggl.values import InvalidValue

SHOWN = 20
"""Recoveries that are kept in any case."""
KEPT = 200
"""And at most, of those that a limit may still count, or that went back to something older."""
MAX_REPORT = 65536
"""Bytes of the host's report."""
_STALE_SECONDS = 60.0

_log = get_logger("recoveryd")


class Store:
    """The two directories below ``state``."""

    def __init__(self, state: Path) -> None:
        self._incoming = state / "recovery"
        self._finished = state / "recoveries"

    def reports(self) -> Iterator[Failure]:
        """What the host has reported and ``forget_report`` was not called for, oldest first."""
        found = []
        for name in self._names(self._incoming, ".json"):
            path = self._incoming / name
            try:
                written = int(path.stat().st_mtime * 1000)
            except OSError:
                continue
            found.append((written, name, _read_report(path, name.removesuffix(".json"), written)))
        for _written, name, failure in sorted(found, key=lambda item: item[:2]):
            # The file's name is what it is found by again, whatever is in it.
            yield replace(failure, unit=name.removesuffix(".json"))

    def forget_report(self, unit: str) -> None:
        self._remove(self._incoming / f"{unit}.json")

    def under_way(self) -> list[Recovery]:
        """Recoveries that were not closed, oldest first."""
        return self._load(self._incoming, ".open")

    def finished(self) -> list[Recovery]:
        """Recoveries that are over and still remembered, oldest first."""
        return self._load(self._finished, ".json")

    def save(self, recovery: Recovery) -> None:
        """Durable when this returns, unless the disk does not take it."""
        self._write(self._incoming / f"{recovery.failure.unit}.open", recovery)

    def finish(self, recovery: Recovery) -> None:
        """The recovery is over: remember it among the others that are."""
        self.remember(recovery)
        self.forget_open(recovery.failure.unit)

    def remember(self, recovery: Recovery) -> None:
        self._write(self._finished / f"{recovery.id}.json", recovery)

    def forget_open(self, unit: str) -> None:
        self._remove(self._incoming / f"{unit}.open")

    def prune(self, finished: Sequence[Recovery], now: int) -> list[Recovery]:
        """Forget what neither a person nor a limit needs; returns what is left. ``now``: ms since the epoch."""
        needed = [each for each in finished[:-SHOWN] if _is_needed(each, now)][-(KEPT - SHOWN) :]
        kept = [*needed, *finished[-SHOWN:]]
        for recovery in finished:
            if recovery not in kept:
                self._remove(self._finished / f"{recovery.id}.json")
        return kept

    def tidy(self) -> None:
        """Remove what an interrupted write left, lest the daemon is started for it at every start of the runtime."""
        for directory in (self._incoming, self._finished):
            for name in self._names(directory, ""):
                path = directory / name
                known = name.endswith(".json") or (name.endswith(".open") and directory == self._incoming)
                try:
                    if not known and time.time() - path.stat().st_mtime > _STALE_SECONDS:
                        self._remove(path)
                except OSError:
                    continue

    @staticmethod
    def _names(directory: Path, suffix: str) -> list[str]:
        try:
            return sorted(name for name in os.listdir(directory) if name.endswith(suffix))
        except FileNotFoundError:
            return []
        except OSError as error:
            _log.error("%s cannot be read: %s", directory, error.strerror)
            return []

    def _load(self, directory: Path, suffix: str) -> list[Recovery]:
        found = []
        for name in self._names(directory, suffix):
            try:
                found.append(Recovery.from_dict(json.loads((directory / name).read_text(encoding="utf-8"))))
            except (OSError, ValueError, RecursionError, InvalidValue) as error:
                _log.error("the recovery in %s cannot be read and is dropped: %s", directory / name, error)
                self._remove(directory / name)
        return sorted(found, key=lambda recovery: (recovery.opened, recovery.id))

    def _write(self, path: Path, recovery: Recovery) -> None:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_json(path, recovery.to_dict())
        except OSError as error:
            _log.error("%s cannot be written, what is done now may be forgotten: %s", path, error.strerror)

    @staticmethod
    def _remove(path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            _log.error("%s cannot be removed: %s", path, error.strerror)


def _read_report(path: Path, unit: str, written: int) -> Failure:
    """The report; or, of one that cannot be read, what its name tells: something failed, and that is what counts."""
    data: Any = None
    try:
        with open(path, "rb") as file:
            data = json.loads(file.read(MAX_REPORT))
        if not isinstance(data, dict):
            raise InvalidValue("it is no map")
        failure = Failure.from_dict({"unit": unit, **data})
        return failure if failure.time else replace(failure, time=written)
    except (OSError, ValueError, RecursionError, InvalidValue) as error:
        _log.error("the host's report %s cannot be read: %s", path, error)
        return Failure.of_unit(unit, written)


def _is_needed(recovery: Recovery, now: int) -> bool:
    recent = recovery.closed > now - LONGEST_INTERVAL * 1000
    return recent or any(rung.deployment_id for rung in recovery.rungs)
