"""What was refused lately: which component asked for what how often, for whoever wonders why something does not work.

The list is bounded: the refusals that were repeated longest ago are forgotten first. It is kept in a file of the run
directory, since the IPC daemon leaves when nobody is connected, and whoever wonders comes later. The file is written a
little after the first new refusal, with all that came until then; a killed daemon loses no more than that.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.bus import Loop

MAX_REFUSALS = 256
"""Different refusals of all components together."""
SAVE_SECONDS = 5.0
_MAX_SHOWN = 256
_MAX_FILE = 4 * 1024 * 1024

_log = get_logger("ipc")


class Refusals:
    """``since``: when the list began, in milliseconds since the epoch."""

    def __init__(self, path: Path, loop: Loop) -> None:
        self._path = path
        self._loop = loop
        self._seen: dict[tuple[str, str, str], list[int]] = {}
        self._saving = False
        self.since = _now()
        try:
            self._load()
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, LookupError) as error:
            _log.warning("what was refused before is not known: %s", error)

    def add(self, component: str, operation: str, resource: str) -> None:
        now = _now()
        key = component, operation, resource[:_MAX_SHOWN]
        # Taken out and put in again: the order is that of the last time.
        seen = self._seen.pop(key, None)
        if seen is None:
            seen = [0, now, now]
            if len(self._seen) >= MAX_REFUSALS:
                del self._seen[next(iter(self._seen))]
        seen[0] += 1
        seen[2] = now
        self._seen[key] = seen
        if not self._saving:
            self._saving = True
            self._loop.call_later(SAVE_SECONDS, self.save)

    def of(self, component: str) -> list[dict[str, Any]]:
        """The refusals of ``component``, the latest first; times in milliseconds since the epoch."""
        return [
            {"operation": operation, "resource": resource, "count": count, "first": first, "last": last}
            for (name, operation, resource), (count, first, last) in reversed(self._seen.items())
            if name == component
        ]

    def save(self) -> None:
        """Write the file, if there is anything new."""
        if not self._saving:
            return
        self._saving = False
        temporary = self._path.with_name(f".{self._path.name}.new")
        content = json.dumps({"since": self.since, "refusals": [[*key, *seen] for key, seen in self._seen.items()]})
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            with open(os.open(temporary, flags, 0o600), "w", encoding="utf-8") as file:
                file.write(content)
            temporary.replace(self._path)
        except OSError as error:
            _log.warning("cannot keep what was refused: %s", error)

    def _load(self) -> None:
        with open(os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), encoding="utf-8") as file:
            data = json.loads(file.read(_MAX_FILE))
        since = int(data["since"])
        for component, operation, resource, count, first, last in data["refusals"][-MAX_REFUSALS:]:
            self._seen[str(component), str(operation), str(resource)] = [int(count), int(first), int(last)]
        self.since = since


def _now() -> int:
    return int(time.time() * 1000)
