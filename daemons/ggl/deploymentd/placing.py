"""Make the component store hold what a deployment needs; the one place where the live store changes.

A path whose file differs gets its content from the staging area or from ``packages/kept``, where contents lie under
their SHA-256. What is replaced goes there, so that the way back is the same as the way forward, with the contents of
the deployment before. In this order, and each of them on the disk before the next begins:

1. everything that will be replaced is linked to ``kept``; the store is as it was,
2. new files get their owner and mode where they are; those from ``kept`` get another name first,
3. they are renamed to their places, each in one step: a component that has the old file open keeps it,
4. unpacked directories are swapped, with a copy made from the archive where there is none in the staging area.

So whatever interrupts this, every content is still somewhere, and doing it again completes it. Nothing leaves ``kept``
here: another generation may need it at another path. What none needs is removed by ``cleanup``.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ggl.deploymentd.contents import ARTIFACTS, RECIPES, Contents
from ggl.deploymentd.digests import Digests
from ggl.deploymentd.durable import sync_filesystem
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.folders import above, clear, files_below, is_linked, make_directory, version_folders
from ggl.deploymentd.unarchived import hand_over, wrong_owner
from ggl.deploymentd.unpacking import damaged, place_archives

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
    wrong = [path for path, file in contents.files.items() if placed_digest(packages, path, digests) != file.digest]
    stray = list(strays(root, contents))
    replaced = dict.fromkeys(file for path in (*wrong, *stray) for file in _files_at(packages, path))
    digest_of = {file: digests.of(file) for file in replaced}
    sources = _sources(root, staging, contents, wrong, digests, set(digest_of.values()))
    kept = packages / KEPT
    make_directory(packages, kept, 0o700)
    for replaced_file, digest in digest_of.items():
        _keep(replaced_file, kept / digest, digests)
    if digest_of:
        sync_filesystem(kept)
    ready = _ready(packages, staging, contents, sources)
    if ready:
        sync_filesystem(packages)
    for path in stray:
        os.unlink(packages / path)
    for path, source in ready.items():
        clear(packages, packages / path)
        _make_parent(packages, path)
        os.rename(source, packages / path)
    for path, file in contents.files.items():
        hand_over(packages / path, file.mode, file.owner)
        _make_parent(packages, path)
    sync_filesystem(packages)
    place_archives(root, staging, contents)
    digests.save()


def _make_parent(packages: Path, path: str) -> None:
    """Recipes hold default configurations, which are nobody's business: there may be passwords in them."""
    make_directory(packages, (packages / path).parent, 0o700 if path.startswith(f"{RECIPES}/") else 0o755)


def differences(root: Root, contents: Contents) -> list[str]:
    """The paths of ``contents`` that the store of ``root`` does not hold as they are there. Raises ``OSError``."""
    packages, digests = root.packages, Digests(root)
    found = []
    for path, file in contents.files.items():
        if placed_digest(packages, path, digests) == file.digest:
            status = (packages / path).lstat()
            if stat.S_IMODE(status.st_mode) == file.mode and not wrong_owner(status, file.owner):
                continue
        found.append(path)
    found += damaged(root, contents)
    digests.save()
    return found


def strays(root: Root, contents: Contents) -> Iterator[str]:
    """What an earlier deployment put into the folders of the component versions in ``contents``, and is not in it."""
    packages = root.packages
    stems = {PurePosixPath(path).stem for path in contents.files if path.startswith(f"{RECIPES}/")}
    recipes = packages / RECIPES
    for file in () if recipes.is_symlink() else sorted(recipes.glob("*")):
        path = f"{RECIPES}/{file.name}"
        if file.stem in stems and path not in contents.files and not file.name.startswith("."):
            yield path
    for folder in version_folders(packages / ARTIFACTS):
        if f"{folder.parent.name}-{folder.name}" in stems:
            for file in files_below(folder):
                path = file.relative_to(packages).as_posix()
                if path not in contents.files and not stat.S_IMODE(file.lstat().st_mode) & WRITABLE:
                    yield path


def placed_digest(packages: Path, path: str, digests: Digests) -> str | None:
    """The digest of the file at ``path`` of the store; ``None`` when it has none. Raises ``OSError``."""
    return None if is_linked(packages, packages / path) else _digest(digests, packages / path)


# -- what is there ---------------------------------------------------------------------------------------------------


def _digest(digests: Digests, path: Path) -> str | None:
    """The digest of the regular file ``path``; ``None`` when there is none."""
    return digests.of(path) if path.is_file() and not path.is_symlink() else None


def _files_at(packages: Path, path: str) -> Iterator[Path]:
    """The files that are, or are below, ``path``, or in the way to it."""
    target = packages / path
    if target.is_dir() and not target.is_symlink():
        yield from files_below(target)
    for candidate in (target, *above(packages, target)):
        if candidate.is_file() and not candidate.is_symlink():
            yield candidate


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
        elif stored := _stored(root.packages, digest, digests):
            sources[path] = stored
        else:
            codes = ("IO_ERROR", "IO_READ_ERROR") if path.startswith(f"{ARTIFACTS}/") else ("LOCAL_RECIPE_NOT_FOUND",)
            text = f"the content that {path} should have is not on this device any more: deploy that component again"
            raise DeploymentError(text, _FAILURE, *codes)
    return sources


def _stored(packages: Path, digest: str, digests: Digests) -> Path | None:
    """A file of the store that has the content, wherever it is. Slow: it may read everything there is."""
    for folder in (packages / RECIPES, packages / ARTIFACTS):
        for path in files_below(folder):
            if _digest(digests, path) == digest:
                return path
    return None


def _keep(file: Path, kept: Path, digests: Digests) -> None:
    """Have the content of ``file`` as ``kept``, too."""
    if _digest(digests, kept) == kept.name:
        return
    temporary = kept.with_name(f".{kept.name}.new")
    temporary.unlink(missing_ok=True)
    _duplicate(file, temporary, link=True)
    os.rename(temporary, kept)


def _ready(packages: Path, staging: Staging | None, contents: Contents, sources: dict[str, Path]) -> dict[str, Path]:
    """For each path a file to rename to it, with the right owner and mode. Only what is staged is moved itself."""
    uses = Counter(sources.values())
    ready: dict[str, Path] = {}
    device = packages.stat().st_dev
    for left in (packages / KEPT).glob(".*.new"):  # a link that an interruption left would count as a use
        left.unlink()
    for path, source in sources.items():
        uses[source] -= 1
        status = source.lstat()
        staged = staging is not None and source.is_relative_to(staging.path)
        if not staged or uses[source] or status.st_nlink > 1 or status.st_dev != device:
            temporary = packages / KEPT / f".{len(ready)}.new"
            # Two paths never share a file, since each has its own mode and owner; in ``kept`` these do not matter.
            _duplicate(source, temporary, link=source.parent == packages / KEPT and status.st_nlink == 1)
            source = temporary
        hand_over(source, contents.files[path].mode, contents.files[path].owner)
        ready[path] = source
    return ready


def _duplicate(source: Path, target: Path, *, link: bool) -> None:
    """Have ``source`` at ``target``, too: as a ``link``, which takes no room, or else a copy."""
    if link:
        try:
            os.link(source, target)
            return
        except OSError:  # not every file system has links
            pass
    shutil.copyfile(source, target)
    target.chmod(0o600)
