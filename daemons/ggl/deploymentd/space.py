"""Whether there is room for what a deployment brings: on the disk, and within the limit of the component store."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ggl.deploymentd.errors import DeploymentError

if TYPE_CHECKING:
    from ggl.paths import Root

RESERVE = 20 * 1024**2
"""Bytes that must stay free on the disk, whatever a deployment brings."""
STORE_LIMIT = 10_000_000_000
"""Bytes the component store may take when the nucleus' ``componentStoreMaxSizeBytes`` says nothing else."""


def check_space(root: Root, needed: int, limit: int = STORE_LIMIT, staged: Path | None = None) -> None:
    """Raises ``DeploymentError`` when ``needed`` more bytes do not fit on the disk or into the component store.

    ``limit`` is what the whole store may take, in bytes. The artifacts below ``staged`` will be put into it as well.
    """
    if needed > 0:
        check_free(root.packages, needed)
        check_limit(root.packages, needed + (_fresh(staged, root.artifacts) if staged else 0), limit)


def _fresh(staged: Path, stored: Path) -> int:
    """The bytes of the files below ``staged`` that, by their size, are not below ``stored`` already."""
    total = 0
    for folder, _folders, names in os.walk(staged):
        for name in names:
            path = Path(folder, name)
            there = stored / path.relative_to(staged)
            size = path.lstat().st_size
            total += 0 if there.is_file() and there.stat().st_size == size else size
    return total


def check_free(path: Path, needed: int) -> None:
    """Raises ``DeploymentError`` when less than ``RESERVE`` bytes would stay free on the disk that ``path`` is on."""
    free = room(path) + RESERVE
    if free - needed < RESERVE:
        raise _critical(
            f"the deployment needs {size_text(needed)} on the disk of {path}, of which {size_text(free)} are free "
            f"and {size_text(RESERVE)} must stay so: remove what is not needed there, or deploy less"
        )


def check_limit(packages: Path, needed: int, limit: int) -> None:
    """Raises ``DeploymentError`` when the component store would become larger than ``limit`` bytes."""
    used = tree_size(packages)
    if used + needed > limit:
        raise _critical(
            f"the deployment needs {size_text(needed)} in the component store, which holds {size_text(used)} and may "
            f"hold {size_text(limit)}: remove components that are not needed, or raise componentStoreMaxSizeBytes in "
            "the configuration of aws.greengrass.NucleusLite"
        )


def no_room_to_unpack(path: Path, archive: str) -> DeploymentError:
    """The error for an archive whose content does not fit on the disk that ``path`` is on."""
    left = size_text(max(0, room(path)))
    return _critical(
        f"what is in {archive} takes more than the {left} that may still be written to the disk of {path} "
        f"({size_text(RESERVE)} must stay free): remove what is not needed there, or deploy less"
    )


def disk_is_full(path: Path) -> DeploymentError:
    """The error for a disk that had room when it was asked, and has none now that ``path`` is written."""
    return _critical(f"the disk became full while {path.name.strip('.')} was written: remove what is not needed there")


def room(path: Path) -> int:
    """How many bytes may still be written to the disk that ``path`` is, or will be, on; negative when there is less
    than the reserve already."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free - RESERVE


def tree_size(directory: Path) -> int:
    """The bytes of all files below ``directory``; those that vanish meanwhile do not count."""
    total = 0
    for folder, _folders, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size
            except OSError:
                continue
    return total


def size_text(size: float) -> str:
    """``size`` bytes for people: ``1.5 MB``."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _critical(text: str) -> DeploymentError:
    return DeploymentError(f"there is not enough space: {text}", "ARTIFACT_DOWNLOAD_ERROR", "DISK_SPACE_CRITICAL")
