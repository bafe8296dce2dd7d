"""Unpack a ZIP that somebody else made, into a directory that then holds that and nothing more.

An archive is refused as a whole when an entry would leave the directory, is a link or a device, is encrypted, or when
it holds more than the limits allow. What is unpacked is counted while it is written; what the archive says about
itself is not believed. The directory appears complete under its name or not at all.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

MAX_ENTRIES = 100_000
MAX_BYTES = 4 * 1024**3
"""Bytes of everything unpacked."""
MAX_RATIO = 200
"""How many times the size of the archive its content may be, above ``RATIO_FLOOR``."""
RATIO_FLOOR = 64 * 1024**2
_CHUNK = 1024 * 1024
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM, errno.ENOENT)


class BadArchive(Exception):
    """The archive cannot be unpacked; the text says why."""


def unpack(archive: Path, target: Path) -> None:
    """Replace ``target`` by the content of ``archive``. Raises ``BadArchive`` or ``OSError``; ``target`` then is as it
    was."""
    from zipfile import ZipFile

    temporary = target.with_name(f".{target.name}.new")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        with ZipFile(archive) as source:
            _extract(source, temporary, archive.stat().st_size)
        _swap(temporary, target)
    except BadArchive:
        raise
    except Exception as error:  # zipfile lets nearly every exception through for a damaged archive
        if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
            raise
        raise BadArchive(f"{archive.name} is no usable ZIP file: {error or type(error).__name__}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _extract(source: ZipFile, directory: Path, archive_size: int) -> None:
    entries = source.infolist()
    if len(entries) > MAX_ENTRIES:
        raise BadArchive(f"the archive has {len(entries)} entries, more than {MAX_ENTRIES}")
    budget = min(MAX_BYTES, max(RATIO_FLOOR, archive_size * MAX_RATIO))
    for entry in entries:
        path = directory.joinpath(*_safe_parts(entry))
        try:
            if entry.is_dir():
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            budget = _write(source, entry, path, budget)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise BadArchive(f"the archive's entry {entry.filename!r} collides with another one") from None


def _write(source: ZipFile, entry: ZipInfo, path: Path, budget: int) -> int:
    """What is left of ``budget``, the number of bytes that may still be written."""
    with source.open(entry) as content, path.open("xb") as file:
        while chunk := content.read(_CHUNK):
            budget -= len(chunk)
            if budget < 0:
                raise BadArchive("the archive unpacks to more than the limits allow (is it a bomb?)")
            file.write(chunk)
    return budget


def _safe_parts(entry: ZipInfo) -> list[str]:
    name = entry.filename
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise BadArchive(f"the archive's entry {name!r} is a link or a special file")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if not name or name.startswith("/") or "\\" in name or "\0" in name or ".." in parts:
        raise BadArchive(f"the archive's entry {name!r} would leave its directory")
    return parts


def _swap(new: Path, target: Path) -> None:
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        os.rename(target, old)
    os.rename(new, target)
    shutil.rmtree(old, ignore_errors=True)
