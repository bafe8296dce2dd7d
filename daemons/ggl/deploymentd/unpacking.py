"""Put unpacked directories in their places in the component store, each swapped in whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ggl.deploymentd.archive import BadArchive, NoRoom
from ggl.deploymentd.contents import RECIPES, UNARCHIVED, Contents
from ggl.deploymentd.durable import sync_filesystem
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.folders import clear_way, is_linked, make_directory, version_folders
from ggl.deploymentd.space import no_room_to_unpack, room
from ggl.deploymentd.unarchived import is_unpacked, made_from, marker, unpack_to

if TYPE_CHECKING:
    from ggl.deploymentd.staging import Staging
    from ggl.paths import Root


def damaged(root: Root, contents: Contents) -> Iterator[str]:
    """The directories of ``contents`` that do not hold what was unpacked to them."""
    for path, archive in contents.archives.items():
        text = made_from(archive, contents.files[archive.source].digest)
        if is_linked(root.packages, root.packages / path) or not is_unpacked(root.packages / path, text):
            yield path


def place_archives(root: Root, staging: Staging | None, contents: Contents) -> None:
    """Have every archive of ``contents``, whose files are in place, unpacked. Raises ``DeploymentError`` or
    ``OSError``; can be repeated after an interruption at any point."""
    packages = root.packages
    swaps = []
    for path in damaged(root, contents):
        archive, target = contents.archives[path], packages / path
        digest = contents.files[archive.source].digest
        text = made_from(archive, digest)
        new = target.with_name(f".{target.name}.next")
        staged = None if staging is None else staging.path / path
        clear_way(packages, target)
        if staged is not None and is_unpacked(staged, text) and staged.stat().st_dev == packages.stat().st_dev:
            new = staged
        elif not is_unpacked(new, text):
            try:
                unpack_to(new, packages / archive.source, archive, digest, room(packages))
            except BadArchive as error:
                text = f"cannot unpack {archive.source}: {error}"
                raise DeploymentError(text, "ARTIFACT_DOWNLOAD_ERROR", "IO_ERROR", "IO_UNZIP_ERROR") from None
            except NoRoom:
                raise no_room_to_unpack(packages, archive.source) from None
        swaps.append((new, target))
    if swaps:
        sync_filesystem(packages)
    for new, target in swaps:
        make_directory(packages, target.parent)
        _swap(new, target)
    dropped = list(_dropped(packages, contents))
    for directory in dropped:
        marker(directory).unlink()
        shutil.rmtree(directory)
    if swaps or dropped:
        sync_filesystem(packages)


def _swap(new: Path, target: Path) -> None:
    """Put the directory ``new`` in the place of ``target``, and its marker after it when it is there."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    marker(target).unlink(missing_ok=True)
    if target.is_symlink() or target.is_file():
        target.unlink()
    elif target.exists():
        os.rename(target, old)
    os.rename(new, target)
    os.rename(marker(new), marker(target))
    shutil.rmtree(old, ignore_errors=True)


def _dropped(packages: Path, contents: Contents) -> Iterator[Path]:
    """The unpacked directories of component versions in ``contents`` that it does not have."""
    stems = {PurePosixPath(path).stem for path in contents.files if path.startswith(f"{RECIPES}/")}
    for folder in version_folders(packages / UNARCHIVED):
        if f"{folder.parent.name}-{folder.name}" in stems:
            for directory in sorted(folder.iterdir()):
                path = directory.relative_to(packages).as_posix()
                unpacked = directory.is_dir() and not directory.is_symlink() and marker(directory).exists()
                if unpacked and path not in contents.archives:
                    yield directory
