"""Make the component store hold what a deployment needs; the one place where the live store changes.

A path whose file differs gets its content from the staging area or from ``packages/kept``, where contents lie under
their SHA-256. What is replaced goes there, so that the way back is the same as the way forward, with the contents of
the deployment before. In this order, and each of them on the disk before the next begins:

1. everything that will be replaced is linked to ``kept``; the store is as it was,
2. new files get their owner and mode where they are,
3. they are renamed to their places, each in one step: a component that has the old file open keeps it,
4. unpacked directories are swapped, with a copy made from the archive where there is none in the staging area.

So whatever interrupts this, every content is still somewhere, and doing it again completes it.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ggl.deploymentd.archive import BadArchive, NoRoom
from ggl.deploymentd.contents import ARTIFACTS, RECIPES, UNARCHIVED, Contents
from ggl.deploymentd.digests import Digests
from ggl.deploymentd.durable import sync_filesystem
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.space import no_room_to_unpack, room
from ggl.deploymentd.unarchived import hand_over, is_unpacked, made_from, marker, unpack_to, wrong_owner

if TYPE_CHECKING:
    from ggl.deploymentd.staging import Staging
    from ggl.paths import Root

KEPT = "kept"
WRITABLE = 0o222
"""A file that somebody may write to was made by a component: what is placed never has these bits."""
_FAILURE = "COMPONENT_PACKAGE_LOADING_ERROR"


def place(root: Root, staging: Staging | None, contents: Contents) -> None:
    """Make the store of ``root`` hold ``contents``, for every component version in it exactly that.

    Can be repeated after an interruption at any point. Raises ``DeploymentError`` before anything is changed when a
    content is nowhere, ``OSError`` when the disk fails.
    """
    packages, digests = root.packages, Digests(root)
    wrong = [path for path, file in contents.files.items() if _digest(digests, packages / path) != file.digest]
    stray = list(_stray(packages, contents))
    replaced = dict.fromkeys(file for path in (*wrong, *stray) for file in _files_at(packages, path))
    digest_of = {file: digests.of(file) for file in replaced}
    sources = _sources(root, staging, contents, wrong, digests, set(digest_of.values()))
    kept = packages / KEPT
    _directory(packages, kept, 0o700)
    for replaced_file, digest in digest_of.items():
        _keep(replaced_file, kept / digest, digests)
    if digest_of:
        sync_filesystem(kept)
    ready = _ready(packages, contents, sources)
    if ready:
        sync_filesystem(packages)
    for path in stray:
        os.unlink(packages / path)
    for path, source in ready.items():
        _clear(packages, packages / path)
        _directory(packages, (packages / path).parent)
        os.rename(source, packages / path)
    for path, file in contents.files.items():
        hand_over(packages / path, file.mode, file.owner)
        _directory(packages, (packages / path).parent)
    sync_filesystem(packages)
    _place_archives(root, staging, contents)
    digests.save()


def differences(root: Root, contents: Contents) -> list[str]:
    """The paths of ``contents`` that the store of ``root`` does not hold as they are there. Raises ``OSError``."""
    packages, digests = root.packages, Digests(root)
    found = []
    for path, file in contents.files.items():
        if _digest(digests, packages / path) == file.digest:
            status = (packages / path).lstat()
            if stat.S_IMODE(status.st_mode) == file.mode and not wrong_owner(status, file.owner):
                continue
        found.append(path)
    for path, archive in contents.archives.items():
        if not is_unpacked(packages / path, made_from(archive, contents.files[archive.source].digest)):
            found.append(path)
    digests.save()
    return found


# -- what is there ---------------------------------------------------------------------------------------------------


def _digest(digests: Digests, path: Path) -> str | None:
    """The digest of the regular file ``path``; ``None`` when there is none."""
    return digests.of(path) if path.is_file() and not path.is_symlink() else None


def _stray(packages: Path, contents: Contents) -> Iterator[str]:
    """What an earlier deployment put into the folders of the component versions in ``contents``, and is not in it."""
    stems = {PurePosixPath(path).stem for path in contents.files if path.startswith(f"{RECIPES}/")}
    for file in sorted((packages / RECIPES).glob("*")):
        path = f"{RECIPES}/{file.name}"
        if file.stem in stems and path not in contents.files and not file.name.startswith("."):
            yield path
    for folder in version_folders(packages / ARTIFACTS):
        if f"{folder.parent.name}-{folder.name}" in stems:
            for file in _below(folder):
                path = file.relative_to(packages).as_posix()
                if path not in contents.files and not stat.S_IMODE(file.lstat().st_mode) & WRITABLE:
                    yield path


def version_folders(directory: Path) -> Iterator[Path]:
    """``<directory>/<component>/<version>``."""
    for component in sorted(directory.glob("*")):
        if component.is_dir() and not component.is_symlink():
            yield from (path for path in sorted(component.glob("*")) if path.is_dir() and not path.is_symlink())


def _below(directory: Path) -> Iterator[Path]:
    for folder, _folders, names in os.walk(directory):
        for name in names:
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink():
                yield path


def _files_at(packages: Path, path: str) -> Iterator[Path]:
    """The files that are, or are below, ``path``, or in the way to it."""
    target = packages / path
    if target.is_dir() and not target.is_symlink():
        yield from _below(target)
    for candidate in (target, *_above(packages, target)):
        if candidate.is_file() and not candidate.is_symlink():
            yield candidate


def _above(packages: Path, target: Path) -> list[Path]:
    """The directories of ``target`` within ``packages``, from the outermost."""
    return [path for path in reversed(target.parents) if packages in path.parents]


# -- where contents come from ----------------------------------------------------------------------------------------


def _sources(
    root: Root, staging: Staging | None, contents: Contents, wrong: list[str], digests: Digests, replaced: set[str]
) -> dict[str, Path]:
    """For each path of ``wrong`` the file to take; those of ``replaced`` will be among the kept."""
    recipes = {}
    if staging is not None and staging.recipes.is_dir():
        recipes = {digests.of(path): path for path in staging.recipes.iterdir() if path.is_file()}
    kept = root.packages / KEPT
    sources = {}
    for path in wrong:
        digest = contents.files[path].digest
        staged = recipes.get(digest)
        if path.startswith(f"{ARTIFACTS}/"):
            staged = None if staging is None else staging.path / path
        if staged is not None and _digest(digests, staged) == digest:
            sources[path] = staged
        elif digest in replaced or _digest(digests, kept / digest) == digest:
            sources[path] = kept / digest
        else:
            codes = ("IO_ERROR", "IO_READ_ERROR") if path.startswith(f"{ARTIFACTS}/") else ("LOCAL_RECIPE_NOT_FOUND",)
            text = f"the content that {path} should have is not on this device any more: deploy that component again"
            raise DeploymentError(text, _FAILURE, *codes)
    return sources


def _keep(file: Path, kept: Path, digests: Digests) -> None:
    """Have the content of ``file`` as ``kept``, too."""
    if _digest(digests, kept) == kept.name:
        return
    temporary = kept.with_name(f".{kept.name}.new")
    temporary.unlink(missing_ok=True)
    try:
        os.link(file, temporary)
    except OSError:  # not every file system has links
        shutil.copyfile(file, temporary)
        temporary.chmod(0o600)
    os.rename(temporary, kept)


def _ready(packages: Path, contents: Contents, sources: dict[str, Path]) -> dict[str, Path]:
    """For each path a file to rename to it, with the right owner and mode: a copy where the source is needed elsewhere
    or lies on another disk."""
    uses = Counter(sources.values())
    ready: dict[str, Path] = {}
    device = packages.stat().st_dev
    for path, source in sources.items():
        uses[source] -= 1
        status = source.lstat()
        if uses[source] or status.st_nlink > 1 or status.st_dev != device:
            temporary = packages / KEPT / f".{len(ready)}.new"
            temporary.unlink(missing_ok=True)
            shutil.copyfile(source, temporary)
            source = temporary
        hand_over(source, contents.files[path].mode, contents.files[path].owner)
        ready[path] = source
    return ready


def _clear(packages: Path, target: Path) -> None:
    """Remove what is in the way of a file ``target``."""
    for path in _above(packages, target):
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            path.unlink()
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)


def _directory(packages: Path, directory: Path, mode: int = 0o755) -> None:
    """Make ``directory``, which every user may then reach, whatever the umask is; the files' own modes decide."""
    for path in (packages, *_above(packages, directory), directory):
        wanted = mode if path == directory else 0o755
        if not path.is_dir():
            path.mkdir(parents=True)
        if stat.S_IMODE(path.stat().st_mode) != wanted:
            path.chmod(wanted)


# -- unpacked directories --------------------------------------------------------------------------------------------


def _place_archives(root: Root, staging: Staging | None, contents: Contents) -> None:
    packages = root.packages
    swaps = []
    for path, archive in contents.archives.items():
        target = packages / path
        digest = contents.files[archive.source].digest
        text = made_from(archive, digest)
        if is_unpacked(target, text):
            continue
        new = target.with_name(f".{target.name}.next")
        staged = None if staging is None else staging.path / path
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
        swaps.append((new, target, text))
    if swaps:
        sync_filesystem(packages)
    for new, target, text in swaps:
        _directory(packages, target.parent)
        _swap(new, target, text)
    dropped = list(_dropped(packages, contents))
    for directory in dropped:
        marker(directory).unlink()
        shutil.rmtree(directory)
    if swaps or dropped:
        sync_filesystem(packages)


def _swap(new: Path, target: Path, text: str) -> None:
    """Put the directory ``new`` in the place of ``target``, and mark it when it is there."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    marker(target).unlink(missing_ok=True)
    if target.is_symlink() or target.is_file():
        target.unlink()
    elif target.exists():
        os.rename(target, old)
    os.rename(new, target)
    temporary = target.with_name(f".{target.name}.marker.new")
    temporary.write_text(text)
    os.rename(temporary, marker(target))
    marker(new).unlink(missing_ok=True)
    shutil.rmtree(old, ignore_errors=True)


def _dropped(packages: Path, contents: Contents) -> Iterator[Path]:
    """The unpacked directories of component versions in ``contents`` that it does not have."""
    stems = {PurePosixPath(path).stem for path in contents.files if path.startswith(f"{RECIPES}/")}
    for folder in version_folders(packages / UNARCHIVED):
        if f"{folder.parent.name}-{folder.name}" in stems:
            for directory in sorted(folder.iterdir()):
                path = directory.relative_to(packages).as_posix()
                if path not in contents.archives and directory.is_dir() and marker(directory).exists():
                    yield directory
