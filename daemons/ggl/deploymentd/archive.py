"""Unpack a ZIP or TAR that somebody else made, into a directory that then holds that and nothing more.

An archive is refused as a whole when an entry would leave the directory, is a device or the like, is encrypted, comes
twice, or when it holds more than the limits allow. What is unpacked is counted while it is written; what the archive
says about itself is not believed. Symbolic links are made when all files are there, and only if every one of them leads
to something in the directory; a hard link becomes a copy. Owners and permissions in the archive do not matter. The
directory appears complete under its name or not at all.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

MAX_ENTRIES = 100_000
MAX_BYTES = 4 * 1024**3
"""Bytes of everything unpacked."""
MAX_RATIO = 200
"""How many times the size of the archive its content may be, above ``RATIO_FLOOR``."""
RATIO_FLOOR = 64 * 1024**2
MAX_DIRECTORY = 32 * 1024**2
"""Bytes of a ZIP file's list of entries, which is read into memory."""
MAX_LINK = 4096
"""Characters of the target of a symbolic link."""
CHUNK = 1024 * 1024
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM, errno.ENOENT)
_ENCRYPTED = 0x1


class BadArchive(Exception):
    """The archive cannot be unpacked; the text says why."""


class NoRoom(Exception):
    """The archive holds more than the ``room`` that it was given."""


def unpack(archive: Path, target: Path, kind: str = "ZIP", room: int | None = None) -> None:
    """Replace ``target`` by the content of ``archive``, a ``ZIP`` or ``TAR`` (which may be compressed).

    ``room`` are the bytes that there is space for. Raises ``BadArchive``, ``NoRoom`` or ``OSError``; ``target`` then is
    as it was.
    """
    temporary = target.with_name(f".{target.name}.new")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        size = archive.stat().st_size
        tree = Tree(temporary, min(MAX_BYTES, max(RATIO_FLOOR, size * MAX_RATIO)), room)
        if kind == "TAR":
            from ggl.deploymentd.tar import extract

            extract(archive, tree)
        else:
            _extract(archive, tree)
        tree.finish()
        _swap(temporary, target)
    except (BadArchive, NoRoom):
        raise
    except Exception as error:  # zipfile and tarfile let nearly every exception through for a damaged archive
        if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
            raise
        reason = str(error) or type(error).__name__
        raise BadArchive(f"{archive.name} is no usable {kind} file: {reason}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


class Tree:
    """What has been unpacked so far. ``budget`` are the bytes that may be written, ``room`` those that fit."""

    def __init__(self, directory: Path, budget: int, room: int | None = None) -> None:
        self._directory = directory
        self._room = room
        self._links: list[tuple[str, Path, str]] = []
        self._entries = 0
        self.budget = budget

    def directory(self, name: str) -> None:
        path = self._path(name)
        with _collisions(name):
            path.mkdir(parents=True, exist_ok=True)

    def file(self, name: str, content: IO[bytes]) -> None:
        path = self._path(name)
        with _collisions(name):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                while chunk := content.read(CHUNK):
                    self._spend(len(chunk))
                    file.write(chunk)

    def copy(self, name: str, original: str) -> None:
        """A hard link to the file that came before under the name ``original``."""
        source = self._directory.joinpath(*_safe_parts(original))
        if not source.is_file():
            raise BadArchive(f"the archive's entry {name!r} is a link to {original!r}, which is no file before it")
        with source.open("rb") as content:
            self.file(name, content)

    def link(self, name: str, target: str) -> None:
        """A symbolic link, made by ``finish``."""
        path = self._path(name)
        inside = os.path.normpath(os.path.join(os.path.relpath(path.parent, self._directory), target))
        if not target or len(target) > MAX_LINK or target.startswith("/") or inside.split("/")[0] == "..":
            raise BadArchive(f"the archive's entry {name!r} is a link that leads out of its directory")
        self._links.append((name, path, target))

    def finish(self) -> None:
        for name, path, _target in self._links:
            with _collisions(name):
                path.parent.mkdir(parents=True, exist_ok=True)
        for name, path, target in self._links:
            with _collisions(name):
                os.symlink(target, path)
        top = os.path.realpath(self._directory)
        for name, path, target in self._links:
            try:
                real = os.path.realpath(path, strict=True)
            except OSError:
                raise BadArchive(f"the archive's entry {name!r} is a link to {target!r}, which is not there") from None
            if os.path.commonpath((top, real)) != top:
                raise BadArchive(f"the archive's entry {name!r} is a link that leads out of its directory")

    def _path(self, name: str) -> Path:
        self._entries += 1
        if self._entries > MAX_ENTRIES:
            raise BadArchive(f"the archive has more than {MAX_ENTRIES} entries")
        return self._directory.joinpath(*_safe_parts(name))

    def _spend(self, size: int) -> None:
        self.budget -= size
        if self.budget < 0:
            raise BadArchive("the archive unpacks to more than the limits allow (is it a bomb?)")
        if self._room is not None:
            self._room -= size
            if self._room < 0:
                raise NoRoom


@contextmanager
def _collisions(name: str) -> Iterator[None]:
    try:
        yield
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise BadArchive(f"the archive's entry {name!r} collides with another one") from None


def _safe_parts(name: str) -> list[str]:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if not name or name.startswith("/") or "\\" in name or ".." in parts:
        raise BadArchive(f"the archive's entry {name!r} would leave its directory")
    if any(ord(character) < ord(" ") or character == "\x7f" for character in name):
        raise BadArchive(f"the archive's entry {name!r} has a control character in its name")
    return parts


def _extract(archive: Path, tree: Tree) -> None:
    """Unpack a ZIP file."""
    import zipfile

    with archive.open("rb") as file:
        # The whole list of entries becomes objects before anything else can be asked: look at its size first.
        end: Any = getattr(zipfile, "_EndRecData")(file)  # noqa: B009 - private, and the only way
        if end and end[getattr(zipfile, "_ECD_SIZE")] > MAX_DIRECTORY:  # noqa: B009
            raise BadArchive(f"the archive has more than {MAX_ENTRIES} entries")
    with zipfile.ZipFile(archive) as source:
        for entry in source.infolist():
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if entry.flag_bits & _ENCRYPTED:
                raise BadArchive(f"the archive's entry {entry.filename!r} is encrypted")
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise BadArchive(f"the archive's entry {entry.filename!r} is compressed in another way than 'deflate'")
            if kind == stat.S_IFLNK:
                with source.open(entry) as content:
                    tree.link(entry.filename, os.fsdecode(content.read(MAX_LINK + 1)))
            elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise BadArchive(f"the archive's entry {entry.filename!r} is a device or another special file")
            elif entry.is_dir():
                tree.directory(entry.filename)
            else:
                with source.open(entry) as content:
                    tree.file(entry.filename, content)


def _swap(new: Path, target: Path) -> None:
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        os.rename(target, old)
    os.rename(new, target)
    shutil.rmtree(old, ignore_errors=True)
