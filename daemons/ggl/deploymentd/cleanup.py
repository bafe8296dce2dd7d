"""Remove from the component store what no deployment that somebody may go back to needs, and put back what only earlier
ones have: a deployment that failed may have changed it.

Best effort: what cannot be done is logged, and tried again the next time.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ggl.deploymentd import images
from ggl.deploymentd.contents import ARTIFACTS, RECIPES, UNARCHIVED, Archive, Contents, File, merge
from ggl.deploymentd.digests import Digests
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.folders import is_linked, version_folders
from ggl.deploymentd.placing import KEPT, differences, place, placed_digest, strays
from ggl.deploymentd.unarchived import marker
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.paths import Root

_log = get_logger("deployment-store")


def clean(root: Root, keep: Iterable[Contents], current: Contents | None = None) -> list[str]:
    """Remove every component version that is in none of ``keep``, kept contents that none of them has, container images
    that were pulled for none of them, and what interrupted deployments left; returns the paths of what was removed,
    relative to ``<root>/packages``.

    ``keep`` are the contents of generations, the oldest first. A component version that ``current``, the one of them
    that runs, does not have becomes what it is in the latest that has it; without ``current`` nothing is put back.
    Nobody may be changing the store meanwhile.
    """
    keep = tuple(keep)
    if current is not None:
        _put_back(root, keep, current)
    wanted = merge(keep)
    removed = []
    for path in sorted({*_stale(root.packages, wanted), *_needless(root, keep), *_unfinished(root.packages)}):
        if not is_linked(root.packages, path) and _remove(path):
            removed.append(path.relative_to(root.packages).as_posix())
    for folder in (ARTIFACTS, UNARCHIVED):
        _remove_empty(root.packages / folder)
    _forget(root)
    images.remove_others(root, wanted.images)
    return removed


def _put_back(root: Root, keep: Iterable[Contents], current: Contents) -> None:
    latest: dict[str, Contents] = {}
    for contents in keep:
        latest.update(_by_version(contents))
    for version in _by_version(current):
        latest.pop(version, None)
    together = merge(latest.values())
    try:
        wrong = {_version(path) for path in (*differences(root, together), *strays(root, together))}
    except OSError as error:
        _log.warning("what earlier deployments need cannot be checked: %s", error)
        return
    for version in sorted(wrong):
        try:
            place(root, None, latest[version])
        except (DeploymentError, OSError) as error:
            _log.warning("%s cannot be made what it was in an earlier deployment: %s", version, error)


def _by_version(contents: Contents) -> dict[str, Contents]:
    """What of ``contents`` belongs to each component version."""
    files: dict[str, dict[str, File]] = {}
    archives: dict[str, dict[str, Archive]] = {}
    for path, file in contents.files.items():
        files.setdefault(_version(path), {})[path] = file
    for path, archive in contents.archives.items():
        archives.setdefault(_version(path), {})[path] = archive
    return {version: Contents(files[version], archives.get(version, {})) for version in files}


def _version(path: str) -> str:
    """``<component>-<version>`` that ``path`` belongs to."""
    parts = PurePosixPath(path)
    return parts.stem if parts.parts[0] == RECIPES else "-".join(parts.parts[1:3])


def _stale(packages: Path, wanted: Contents) -> Iterator[Path]:
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


def _needless(root: Root, keep: Iterable[Contents]) -> Iterator[Path]:
    """Kept contents that none of ``keep`` has, or only at paths where they are now: when one is replaced there it is
    kept again."""
    digests = Digests(root)
    paths: dict[str, set[str]] = {}
    for contents in keep:
        for path, file in contents.files.items():
            paths.setdefault(file.digest, set()).add(path)
    for content in (root.packages / KEPT).glob("*"):
        users = paths.get(content.name, ())
        try:
            if all(placed_digest(root.packages, path, digests) == content.name for path in users):
                yield content
        except OSError as error:
            _log.warning("a file of the component store cannot be read: %s", error)
    digests.save()


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
