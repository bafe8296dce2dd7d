"""Which files of a project folder are never part of a component."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

BUILD_FOLDERS = ("greengrass-build", "zip-build")


def walk(folder: Path, excludes: Sequence[str] = ()) -> Iterator[Path]:
    """The files below ``folder`` in a stable order, without build output, hidden files, caches, virtual environments.

    ``excludes``: glob patterns relative to ``folder``, in which ``**/`` stands for any number of folders.
    """
    patterns = [glob_pattern(exclude) for exclude in excludes]
    for directory, folders, files in os.walk(folder, followlinks=True):
        base = Path(directory)
        folders[:] = sorted(
            name for name in folders if not _skipped(base / name) and not _excluded(base / name, folder, patterns)
        )
        for name in sorted(files):
            path = base / name
            if not name.startswith(".") and path.is_file() and not _excluded(path, folder, patterns):
                yield path


def glob_pattern(glob: str) -> re.Pattern[str]:
    """``*`` and ``?`` stay within a path's element, ``**/`` stands for any number of them."""
    text = ""
    for part in re.split(r"(\*\*/|\*\*|\*|\?|\[[^]]+\])", glob.strip("/")):
        text += {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(part) or (
            part.replace("[!", "[^") if part.startswith("[") else re.escape(part)
        )
    return re.compile(text)


def _skipped(folder: Path) -> bool:
    return (
        folder.name.startswith(".")
        or folder.name == "__pycache__"
        or folder.name in BUILD_FOLDERS
        or (folder / "pyvenv.cfg").is_file()
    )


def _excluded(path: Path, root: Path, patterns: Sequence[re.Pattern[str]]) -> bool:
    relative = path.relative_to(root).as_posix()
    return any(pattern.fullmatch(relative) for pattern in patterns)
