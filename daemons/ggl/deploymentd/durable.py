"""Put on the disk what has been written, so that it is still there after the power was cut."""

from __future__ import annotations

import os
from pathlib import Path


def sync_filesystem(path: Path) -> None:
    """Return when everything that was written to the file system of the directory ``path`` is on the disk.

    One call for many files: on the flash of small devices an ``fsync`` for each takes a hundred times as long.
    Raises ``OSError``.
    """
    import ctypes

    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:
        os.sync()
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
    finally:
        os.close(descriptor)
