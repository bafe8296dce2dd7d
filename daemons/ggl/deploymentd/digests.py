"""SHA-256 of the files of the component store, computed once for a file that does not change.

Large artifacts (models, images) take a device many seconds to read, and every deployment has to know the contents of
all components. So the digest of a large file is remembered with what changes whenever the file does: its inode, size,
and times of change to the nanosecond. A file that changed in the last moments is read again: it might change once
more without its times telling. Not so in the staging area, which nobody else can reach.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.paths import Root

LARGE = 256 * 1024
"""Bytes from which on it is quicker to remember a digest than to compute it."""
SETTLED_NS = 2_000_000_000
"""A file must have been left alone for that long."""

_log = get_logger("deployment-store")


def file_digest(path: Path, algorithm: str = "sha256") -> bytes:
    """The hash of a file's content. Raises ``OSError``, or ``ValueError`` for an unknown algorithm."""
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).digest()


class Digests:
    """The digests of ``root``'s files: ``of`` one, and ``save`` what was learned."""

    def __init__(self, root: Root) -> None:
        self._file = root.packages / ".digests.json"
        self._staging = root.state / "deployments"
        self._known: dict[str, str] | None = None
        self._changed = False

    def of(self, path: Path) -> str:
        """SHA-256 of the content of ``path``, in hexadecimal. Raises ``OSError``."""
        before = os.stat(path)
        if before.st_size < LARGE:
            return file_digest(path).hex()
        identity = _identity(before)
        digest = self._load().get(identity)
        if digest is None:
            digest = file_digest(path).hex()
            settled = max(before.st_ctime_ns, before.st_mtime_ns) < time.time_ns() - SETTLED_NS
            if _identity(os.stat(path)) == identity and (settled or path.is_relative_to(self._staging)):
                self._load()[identity] = digest
                self._changed = True
        return digest

    def forget_others(self, paths: Iterable[Path]) -> None:
        """Forget every file but those at ``paths``."""
        known = self._load()
        kept = {identity: known[identity] for path in paths if (identity := _identity(os.stat(path))) in known}
        self._changed |= kept != known
        self._known = kept

    def save(self) -> None:
        """Remember what was learned. A failure is only logged: it costs time, no more."""
        if not self._changed:
            return
        temporary = self._file.with_name(f"{self._file.name}.new")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(self._load()))
            temporary.chmod(0o600)
            temporary.replace(self._file)
        except OSError as error:
            _log.warning("the digests of the artifacts cannot be remembered: %s", error)
        self._changed = False

    def _load(self) -> dict[str, str]:
        if self._known is None:
            try:
                data = json.loads(self._file.read_text())
            except (OSError, ValueError):
                data = {}
            self._known = data if isinstance(data, dict) else {}
        return self._known


def _identity(status: os.stat_result) -> str:
    return f"{status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
