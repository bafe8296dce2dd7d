"""The entries of a TAR file, plain or compressed with gzip, bzip2 or xz.

The archive is read as a stream that only goes forward, with what comes out of the decompression counted: headers that
claim to be huge and dictionaries that would be are refused before they take memory.
"""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from ggl.deploymentd.archive import CHUNK, BadArchive

if TYPE_CHECKING:
    from ggl.deploymentd.archive import Tree

MAX_DICTIONARY = 128 * 1024**2
"""Bytes of memory that xz may take; its strongest preset takes half of it."""
_MAX_READ = 4 * 1024**2
"""Bytes that are read at once; only a header that lies asks for more."""
_OVERHEAD = 256 * 1024**2
"""Bytes of headers and padding, above those of the files."""


def extract(archive: Path, tree: Tree) -> None:
    """Raises ``BadArchive``, or whatever the decompression raises for damaged data."""
    with archive.open("rb") as file:
        stream = _Stream(_decompressed(file), tree.budget + _OVERHEAD)
        with tarfile.TarFile(fileobj=cast("IO[bytes]", stream)) as source:
            while (entry := source.next()) is not None:
                source.members.clear()  # type: ignore[attr-defined]
                _extract(source, entry, tree)
        if any(stream.last):
            raise BadArchive("the archive is damaged: it does not end where it should")
        while stream.read(CHUNK):
            pass  # the checksum of what was compressed comes at its end


def _extract(source: tarfile.TarFile, entry: tarfile.TarInfo, tree: Tree) -> None:
    if entry.isdir():
        tree.directory(entry.name)
    elif entry.issym():
        tree.link(entry.name, entry.linkname)
    elif entry.islnk():
        tree.copy(entry.name, entry.linkname)
    elif entry.isreg() and not entry.issparse():
        content = source.extractfile(entry)
        if content is not None:
            tree.file(entry.name, content)
    else:
        raise BadArchive(f"the archive's entry {entry.name!r} is a device or another special file")


class _Stream:
    """As much of a file object as ``tarfile`` needs."""

    def __init__(self, file: Any, budget: int) -> None:
        self._file = file
        self._budget = budget
        self._position = 0
        self.last = b""
        """What was read last: the zeros at the end of an archive."""

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _MAX_READ:
            raise BadArchive("the archive has a header that is too large")
        data = bytes(self._file.read(size))
        while 0 < len(data) < size and (more := self._file.read(size - len(data))):
            data += more
        self._position += len(data)
        if self._position > self._budget:
            raise BadArchive("the archive unpacks to more than the limits allow (is it a bomb?)")
        self.last = data
        return data

    def seek(self, position: int) -> None:
        if position < self._position:
            raise BadArchive("the archive is damaged: its entries overlap")
        while self._position < position and self.read(min(CHUNK, position - self._position)):
            pass

    def tell(self) -> int:
        return self._position


def _decompressed(file: IO[bytes]) -> Any:
    magic = file.read(6)
    file.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        import gzip

        return gzip.GzipFile(fileobj=file)
    if magic.startswith(b"BZh"):
        import bz2

        return bz2.BZ2File(file)
    if magic == b"\xfd7zXZ\0":
        return _Xz(file)
    return file


class _Xz:
    """An xz file, with less memory than it may demand."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._decompressor = _xz_decompressor()

    def read(self, size: int) -> bytes:
        while True:
            if self._decompressor.eof:
                rest = self._decompressor.unused_data.lstrip(b"\0") or self._file.read(CHUNK).lstrip(b"\0")
                if not rest:
                    return b""
                self._decompressor = _xz_decompressor()
            else:
                rest = self._file.read(64 * 1024) if self._decompressor.needs_input else b""
                if not rest and self._decompressor.needs_input:
                    raise EOFError("the archive is cut off")
            if data := self._decompressor.decompress(rest, size):
                return bytes(data)


def _xz_decompressor() -> Any:
    import lzma

    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=MAX_DICTIONARY)
