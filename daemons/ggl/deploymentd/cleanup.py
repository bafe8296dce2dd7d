"""Remove from the component store what no deployment that somebody may go back to needs.

Best effort: what cannot be removed is logged, and tried again the next time.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ggl.deploymentd.contents import ARTIFACTS, RECIPES, UNARCHIVED, Contents, merge
from ggl.deploymentd.digests import Digests
from ggl.deploymentd.placing import KEPT, version_folders
from ggl.deploymentd.unarchived import marker
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.paths import Root

_log = get_logger("deployment-store")


def clean(root: Root, keep: Iterable[Contents]) -> list[str]:
    """Remove every component version that is in none of ``keep``, kept contents that none of them has, and what
    interrupted deployments left; returns the paths of what was removed, relative to ``<root>/packages``.

    Nobody may be changing the store meanwhile.
    """
    keep = tuple(keep)
    wanted = merge(keep)
    needed = frozenset[str]().union(*(contents.digests() for contents in keep))
    removed = []
    for path in sorted({*_stale(root.packages, wanted, needed), *_unfinished(root.packages)}):
        if _remove(path):
            removed.append(path.relative_to(root.packages).as_posix())
    for folder in (ARTIFACTS, UNARCHIVED):
        _remove_empty(root.packages / folder)
    _forget(root)
    return removed


def _stale(packages: Path, wanted: Contents, needed: frozenset[str]) -> Iterator[Path]:
    stems = {PurePosixPath(path).stem for path in wanted.files if path.startswith(f"{RECIPES}/")}
    folders = {"/".join(PurePosixPath(path).parts[1:3]) for path in (*wanted.files, *wanted.archives)}
    for recipe in (packages / RECIPES).glob("*"):
        if f"{RECIPES}/{recipe.name}" not in wanted.files:
            yield recipe
    for tree in (packages / ARTIFACTS, packages / UNARCHIVED):
        for folder in version_folders(tree):
            # What a component has made beside its artifacts stays as long as they do.
            name = f"{folder.parent.name}/{folder.name}"
            if name not in folders and name.replace("/", "-") not in stems:
                yield folder
            elif tree.name == UNARCHIVED:
                yield from _not_unpacked(packages, folder, wanted)
    for content in (packages / KEPT).glob("*"):
        if content.name not in needed:
            yield content


def _not_unpacked(packages: Path, folder: Path, wanted: Contents) -> Iterator[Path]:
    """Directories that nothing is unpacked to any more, with their markers."""
    directories = {packages / path for path in wanted.archives}
    mine = directories | {marker(directory) for directory in directories}
    for path in folder.iterdir():
        if path not in mine and (path.name.startswith(".") or marker(path).exists()):
            yield path


def _unfinished(packages: Path) -> Iterator[Path]:
    """Files that were being written when something was interrupted."""
    yield from packages.glob(".*.new")
    for folder, _folders, names in os.walk(packages / ARTIFACTS):
        yield from (Path(folder, name) for name in names if name.startswith(".") and name.endswith(".new"))


def _remove(path: Path) -> bool:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        _log.warning("%s is not needed any more, and cannot be removed: %s", path, error)
        return False
    return True


def _remove_empty(tree: Path) -> None:
    for folder in (*version_folders(tree), *tree.glob("*")):
        try:
            os.rmdir(folder)
        except OSError:
            continue  # it is not empty


def _forget(root: Root) -> None:
    digests = Digests(root)
    trees = (root.artifacts, root.packages / KEPT)
    try:
        digests.forget_others(
            Path(folder, name) for tree in trees for folder, _, names in os.walk(tree) for name in names
        )
    except OSError as error:
        _log.warning("the store changed while it was cleaned: %s", error)
        return
    digests.save()
