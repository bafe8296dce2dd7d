"""Directories of the component store, which no link may lead out of.

Whoever owns a part of the disk may have put a symbolic link where a directory of the store was. Nothing is ever written
or removed at the other end: the link goes, and the directory is made anew.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path


def version_folders(directory: Path) -> Iterator[Path]:
    """``<directory>/<component>/<version>``."""
    if not directory.is_symlink():
        for component in sorted(directory.glob("*")):
            if component.is_dir() and not component.is_symlink():
                yield from (path for path in sorted(component.glob("*")) if path.is_dir() and not path.is_symlink())


def files_below(directory: Path) -> Iterator[Path]:
    """The regular files in ``directory``, however deep."""
    for folder, _folders, names in os.walk(directory):
        for name in names:
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink():
                yield path


def above(packages: Path, target: Path) -> list[Path]:
    """The directories of ``target`` within ``packages``, from the outermost."""
    return [path for path in reversed(target.parents) if packages in path.parents]


def is_linked(packages: Path, target: Path) -> bool:
    """Whether a link within ``packages`` leads to ``target``: what is there is not in the store."""
    return any(path.is_symlink() for path in above(packages, target))


def clear_way(packages: Path, target: Path) -> None:
    """Remove what is no directory, and in the way to ``target``."""
    for path in above(packages, target):
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            path.unlink()


def clear(packages: Path, target: Path) -> None:
    """Remove what is in the way of a file ``target``."""
    clear_way(packages, target)
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)


def make_directory(packages: Path, directory: Path, mode: int = 0o755) -> None:
    """Make ``directory``, which every user may then reach, whatever the umask is; the files' own modes decide."""
    for path in (packages, *above(packages, directory), directory):
        wanted = mode if path == directory else 0o755
        if not path.is_dir():
            path.mkdir(parents=True)
        if stat.S_IMODE(path.stat().st_mode) != wanted:
            path.chmod(wanted)
