"""What of the component store belongs to a deployment: the files with their contents, what is unpacked from them, and
the container images beside it.

Paths are relative to ``<root>/packages`` and have ``/`` between their parts. A record of this is enough to bring the
store back to what it was: see ``placing``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from ggl.values import InvalidValue, get_dict, get_int, get_list, get_str, get_str_list

RECIPES = "recipes"
ARTIFACTS = "artifacts"
UNARCHIVED = "artifacts-unarchived"

Owner = tuple[int, int] | None
"""uid and gid; ``None``: the runtime's own."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class File:
    """A recipe or an artifact. ``digest`` is its SHA-256 in hexadecimal, ``mode`` its permission bits."""

    digest: str
    mode: int
    owner: Owner


@dataclass(frozen=True)
class Archive:
    """A directory that holds what is in the archive file ``source`` (a path of the same contents)."""

    source: str
    kind: str
    """``ZIP`` or ``TAR``."""
    mode: int
    """Permission bits of every file in it."""
    owner: Owner


@dataclass(frozen=True)
class Contents:
    """Files and unpacked directories by path; the names of container images."""

    files: Mapping[str, File] = field(default_factory=dict)
    archives: Mapping[str, Archive] = field(default_factory=dict)
    images: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data that ``from_dict`` reads."""
        return {
            "files": {
                path: {"digest": file.digest, "mode": file.mode, "owner": _plain(file.owner)}
                for path, file in self.files.items()
            },
            "archives": {
                path: {
                    "source": archive.source,
                    "kind": archive.kind,
                    "mode": archive.mode,
                    "owner": _plain(archive.owner),
                }
                for path, archive in self.archives.items()
            },
            "images": list(self.images),
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Contents:
        """Raises ``InvalidValue`` for what is no contents, or would reach out of the store."""
        files = {}
        for path, entry in get_dict(data, "files", {}).items():
            digest = get_str(_checked(path, entry, RECIPES, ARTIFACTS), "digest")
            if not _DIGEST.fullmatch(digest):
                raise InvalidValue(f"the digest of {path!r} is none")
            files[path] = File(digest, _mode(entry), _owner(entry))
        archives = {}
        for path, entry in get_dict(data, "archives", {}).items():
            source = get_str(_checked(path, entry, UNARCHIVED), "source")
            if source not in files:
                raise InvalidValue(f"{path!r} is unpacked from {source!r}, which is not there")
            archives[path] = Archive(source, get_str(entry, "kind"), _mode(entry), _owner(entry))
        return Contents(files, archives, tuple(get_str_list(data, "images", [])))

    def digests(self) -> frozenset[str]:
        return frozenset(file.digest for file in self.files.values())


def merge(each: Iterable[Contents]) -> Contents:
    """All of them in one. Where two speak of the same path the later one counts."""
    files: dict[str, File] = {}
    archives: dict[str, Archive] = {}
    images: dict[str, None] = {}
    for contents in each:
        files.update(contents.files)
        archives.update(contents.archives)
        images.update(dict.fromkeys(contents.images))
    return Contents(files, archives, tuple(images))


def _checked(path: str, entry: Any, *folders: str) -> dict[str, Any]:
    parts = PurePosixPath(path).parts
    if not isinstance(entry, dict) or len(parts) < 2 or parts[0] not in folders or ".." in parts or "\0" in path:
        raise InvalidValue(f"{path!r} is nothing that belongs to the component store")
    return entry


def _mode(entry: Mapping[str, Any]) -> int:
    mode: int = get_int(entry, "mode")
    if not 0 <= mode <= 0o777:
        raise InvalidValue(f"'mode' must be permission bits, not {mode:o}")
    return mode


def _plain(owner: Owner) -> list[int] | None:
    return None if owner is None else list(owner)


def _owner(entry: Mapping[str, Any]) -> Owner:
    if entry.get("owner") is None:
        return None
    numbers = get_list(entry, "owner")
    if len(numbers) != 2 or any(type(number) is not int for number in numbers):
        raise InvalidValue("'owner' must be a uid and a gid")
    return numbers[0], numbers[1]
