"""What the runtime looks like from outside while it is abused: its logs, its processes, its connections."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path

from ggl.logs.files import scan
from ggl.logs.follow import follow
from ggl.logs.reader import CORE_PREFIX, Query
from ggl.paths import Root
from tests.lean import connections, units

BAD = re.compile(r"Traceback|a callback failed|: .* failed in '|^\w+: \S+ failed$|MemoryError")
"""What a daemon's log must not say, whatever was sent."""
TRACEBACK = 40
"""Error lines that are shown from there on."""


class Logs:
    """Reads along in a thread, since a long run's logs are rotated away. ``bad``: lines that must not be there, and the
    traceback that follows each; ``errors``: other lines that said something is wrong, without numbers."""

    def __init__(self, directory: Path) -> None:
        self.records = 0
        self.errors: dict[str, int] = {}
        self.bad: list[str] = []
        thread = threading.Thread(target=self._read, args=(directory,), daemon=True)
        thread.start()

    def _read(self, directory: Path) -> None:
        following = 0
        for record in follow(directory, scan(directory), None, Query()):
            self.records += 1
            if record.level not in ("ERROR", "FATAL") or not record.unit.startswith(CORE_PREFIX):
                continue
            following = TRACEBACK if BAD.search(record.message) else following - 1
            if following <= 0:
                text = re.sub(r"[0-9a-f-]*\d[0-9a-f-]*", "N", f"{record.unit}: {record.message[:150]}")
                self.errors[text] = self.errors.get(text, 0) + 1
            elif len(self.bad) < 200:
                self.bad.append(f"{record.unit}: {record.message[:300]}")


def daemons(root: Root) -> dict[str, tuple[int, int]]:
    """Process id and number of restarts of every core daemon."""
    return {name: (pid, restarts) for name, pid, restarts in units(root)}


def left_over(root: Root, component: str, seconds: float = 60.0) -> list[dict[str, object]]:
    """Connections of others than ``component`` that are still there after a while."""
    deadline = time.monotonic() + seconds
    while True:
        others = [each for each in connections(root) if each["component"] != component]
        if not others or time.monotonic() > deadline:
            return others
        time.sleep(0.2)
