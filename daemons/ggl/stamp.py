"""A number in a file that one process advances and others compare: has anything changed since they looked?

To ask costs less than a message and keeps no connection open, so that the process that makes the changes can leave when
nobody needs it. It advances the number before a change takes effect: whoever sees the new one, and asks for what has
changed, is answered after the change; if it is killed in between, somebody asks once in vain.
"""

from __future__ import annotations

import os
from pathlib import Path

POLICIES = "policies.stamp"
"""In the run directory: what components may do."""
_SIZE = 8


class Stamp:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1

    def value(self) -> bytes:
        """The stamp as it is now; only good to be compared. Empty while there is none."""
        if self._fd < 0:
            try:
                self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            except OSError:
                return b""
        return os.pread(self._fd, _SIZE, 0)

    def advance(self) -> None:
        """Make it another one. Raises ``OSError``."""
        if self._fd < 0:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        number = int.from_bytes(os.pread(self._fd, _SIZE, 0), "little") + 1
        os.pwrite(self._fd, (number % 2 ** (8 * _SIZE)).to_bytes(_SIZE, "little"), 0)
