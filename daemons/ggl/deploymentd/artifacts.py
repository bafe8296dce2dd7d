"""The artifacts of one component version: there, genuine, unpacked, and what they are by content.

``prepare`` looks for each artifact in the staging area, then in the store, and at last has it fetched. Nothing outside
the staging area changes; what it returns says how the store shall be, and ``placing`` makes it so. Doing it again is
quick, and comes to the same.
"""

from __future__ import annotations

import hmac
import os
import stat
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ggl.deploymentd.archive import BadArchive, NoRoom
from ggl.deploymentd.contents import ARTIFACTS, RECIPES, UNARCHIVED, Archive, Contents, File, Owner
from ggl.deploymentd.digests import Digests, file_digest
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.fetch import Context, fetcher
from ggl.deploymentd.patience import Patience
from ggl.deploymentd.space import STORE_LIMIT, check_limit, check_space, no_room_to_unpack, room
from ggl.deploymentd.unarchived import is_unpacked, made_from, unpack_to
from ggl.recipe.model import DOCKER

if TYPE_CHECKING:
    from ggl.deploymentd.staging import Staging
    from ggl.deploymentd.store import Store
    from ggl.paths import Root
    from ggl.recipe.model import Artifact, Manifest, Recipe

RECIPE_MODE = 0o644
_UNLISTED = 0o550
"""Mode of a file that the recipe does not list: that of one listed without permissions."""
_WRITABLE = 0o222
_PACKAGE = "COMPONENT_PACKAGE_LOADING_ERROR"
_DOWNLOAD = "ARTIFACT_DOWNLOAD_ERROR"
_DOWNLOADS = 2
"""How often a file is fetched: what has come in several pieces may not fit together."""


@dataclass(frozen=True)
class _Work:
    """Where the artifacts of one component version are looked for: ``staged`` before ``stored``."""

    root: Root
    recipe: Recipe
    staging: Staging
    digests: Digests
    limit: int
    arn: str
    patience: Patience

    @property
    def folder(self) -> str:
        return f"{self.recipe.name}/{self.recipe.version}"

    @property
    def staged(self) -> Path:
        return self.staging.artifacts / self.folder

    @property
    def stored(self) -> Path:
        return self.root.artifacts / self.folder

    def what(self, artifact: Artifact) -> str:
        return f"{self.recipe.name} {self.recipe.version}: the artifact {artifact.uri}"


def prepare(
    root: Root,
    staging: Staging,
    recipe: Recipe,
    manifest: Manifest,
    owner: Owner,
    store: Store,
    limit: int = STORE_LIMIT,
    patience: Patience | None = None,
) -> Contents:
    """Check, fetch and unpack what ``recipe`` needs on this device; returns how the store shall be for it.

    ``owner`` is the uid and gid that the component runs as (``None``: the runtime's own), ``limit`` what the whole
    component store may take in bytes, ``patience`` (default: none) how long to wait for what must be downloaded.
    Container images are only named, not pulled: see ``images``. Raises ``DeploymentError`` or ``OSError``, and what
    ``patience.check`` raises.
    """
    arn = store.arn(recipe.name, recipe.version)
    work = _Work(root, recipe, staging, store.digests, limit, arn, patience or Patience())
    for artifact in manifest.artifacts:
        _have(work, artifact)
    source = store.source(recipe.name, recipe.version)
    name = f"{RECIPES}/{recipe.name}-{recipe.version}{source.suffix.lower()}"
    files = {name: File(store.digests.of(source), RECIPE_MODE, None)}
    modes = {artifact.file_name: artifact.mode for artifact in manifest.artifacts}
    fresh = 0
    for name, path in sorted(_found(work, modes).items()):
        digest = store.digests.of(path)
        files[f"{ARTIFACTS}/{work.folder}/{name}"] = File(digest, modes.get(name, _UNLISTED), owner)
        stored = work.stored / name
        if path != stored and not (stored.is_file() and store.digests.of(stored) == digest):
            fresh += path.stat().st_size
    if fresh:
        check_limit(root.packages, fresh, limit)
    images = tuple(artifact.image for artifact in manifest.artifacts if artifact.scheme == DOCKER)
    archives: dict[str, Archive] = {}
    for artifact in manifest.artifacts:
        if artifact.unarchive != "NONE":
            target = f"{UNARCHIVED}/{work.folder}/{artifact.unarchived_name}"
            source_name = f"{ARTIFACTS}/{work.folder}/{artifact.file_name}"
            archive = Archive(source_name, artifact.unarchive, artifact.mode, owner)
            if archives.setdefault(target, archive).source != source_name:
                text = f"{work.what(artifact)} would be unpacked to where another one is: give it another name"
                raise DeploymentError(text, _PACKAGE, "RECIPE_PARSE_ERROR")
            _unarchive(work, artifact, archive, files[source_name].digest)
    store.digests.save()
    return Contents(files, archives, images)


def content_digest(contents: Contents) -> str:
    """One digest of all artifacts in ``contents`` and of what is unpacked from them; it changes with their contents and
    names, not with their modes and owners, nor with the recipe."""
    from hashlib import sha256

    lines = [f"{path} {file.digest}" for path, file in contents.files.items() if not path.startswith(f"{RECIPES}/")]
    lines += [f"{path} {archive.kind} {archive.source}" for path, archive in contents.archives.items()]
    lines += contents.images
    return sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _have(work: _Work, artifact: Artifact) -> None:
    """See to it that the file of ``artifact`` is there and genuine."""
    if artifact.scheme == DOCKER:
        return
    staged, stored = work.staged / artifact.file_name, work.stored / artifact.file_name
    path = staged if _is_file(staged) else stored
    if _is_file(path) and _is_genuine(work, artifact, path):
        return
    # What was given with the deployment is meant, and nothing else. And what comes from the cloud without a digest
    # could be anything, some time later.
    patience = work.patience
    if path != staged and patience.cloud is not None and (artifact.digest or not patience.waits):
        _fetch(work, artifact, staged)
    elif _is_file(path):
        raise _forged(work, artifact, f"the digest of {path} differs from the recipe's")
    else:
        raise _missing(work, artifact, stored)


def _fetch(work: _Work, artifact: Artifact, staged: Path) -> None:
    get = fetcher(artifact.scheme)
    assert get is not None, "every scheme that a recipe may have has a fetcher"
    staged.parent.mkdir(parents=True, exist_ok=True)
    part = staged.with_name(f".{staged.name}.part")
    context = _context(work)
    for _ in range(_DOWNLOADS):
        context.reserve(1)
        get(artifact, part, context)
        if _is_genuine(work, artifact, part):
            os.rename(part, staged)
            return
        part.unlink()
    raise _forged(work, artifact, "what was downloaded has another digest than the recipe says")


def _forged(work: _Work, artifact: Artifact, why: str) -> DeploymentError:
    text = f"{work.what(artifact)} is not the file the recipe was made for: {why}"
    return DeploymentError(text, _DOWNLOAD, "ARTIFACT_CHECKSUM_MISMATCH")


def _missing(work: _Work, artifact: Artifact, stored: Path) -> DeploymentError:
    code, why = "RECIPE_MISSING_ARTIFACT_HASH_ALGORITHM", f"there is no file {stored}"
    if work.patience.cloud is None:
        why += ", and a device that is not provisioned cannot download it"
        if artifact.digest:
            code = "DEVICE_CONFIG_NOT_VALID_FOR_ARTIFACT_DOWNLOAD"
    elif not artifact.digest:
        why += ", and without a Digest in the recipe it is not downloaded"
    text = f"{work.what(artifact)} is missing: {why}. Put it into the artifacts folder as"
    return DeploymentError(f"{text} {work.folder}/{artifact.file_name} and deploy again", _DOWNLOAD, code)


def _context(work: _Work) -> Context:
    return Context(
        root=work.root,
        component=work.recipe.name,
        version=work.recipe.version,
        reserve=lambda needed: check_space(work.root, needed, work.limit, work.staging.artifacts),
        arn=work.arn,
        patience=work.patience,
    )


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _is_genuine(work: _Work, artifact: Artifact, path: Path) -> bool:
    """Whether ``path`` has the digest that the recipe says; anything is genuine when it says none."""
    if not artifact.digest:
        return True
    algorithm = (artifact.algorithm or "SHA-256").lower().replace("-", "")
    try:
        found = bytes.fromhex(work.digests.of(path)) if algorithm == "sha256" else file_digest(path, algorithm)
    except (ValueError, TypeError):  # TypeError: an algorithm whose digests have no length of their own
        text = f"{work.what(artifact)} has a digest of the unknown algorithm {artifact.algorithm!r}"
        raise DeploymentError(text, _PACKAGE, "HASHING_ALGORITHM_UNAVAILABLE") from None
    return hmac.compare_digest(_base64(artifact.digest), found)


def _base64(text: str) -> bytes:
    from base64 import b64decode

    try:
        return b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""


def _found(work: _Work, listed: Container[str]) -> dict[str, Path]:
    """Every file of the component version by its name below the artifact directory.

    A stored file that somebody may write to was not put there by a deployment (``hand_over`` never leaves it so): the
    component itself made it, and it is none of the artifacts unless the recipe lists it.
    """
    staged = dict(_files(work.staged))
    folders = {str(folder) for name in staged for folder in PurePosixPath(name).parents}
    found = {}
    for name, path in _files(work.stored):
        # A staged file takes the place of a directory, and the other way round.
        if name in folders or any(str(folder) in staged for folder in PurePosixPath(name).parents):
            continue
        if name in listed or not stat.S_IMODE(path.stat().st_mode) & _WRITABLE:
            found[name] = path
    return {**found, **staged}


def _files(directory: Path) -> Iterator[tuple[str, Path]]:
    """The regular files below ``directory``, without those that are being written."""
    for folder, _folders, names in os.walk(directory):
        for name in names:
            path = Path(folder, name)
            unfinished = name.startswith(".") and name.endswith((".new", ".part"))
            if not unfinished and _is_file(path):
                yield path.relative_to(directory).as_posix(), path


def _unarchive(work: _Work, artifact: Artifact, archive: Archive, digest: str) -> None:
    """Unpack ``archive`` in the staging area, unless it is there or in the store already."""
    target = f"{work.folder}/{artifact.unarchived_name}"
    text = made_from(archive, digest)
    if is_unpacked(work.root.artifacts_unarchived / target, text) or is_unpacked(
        work.staging.unarchived / target, text
    ):
        return
    staged = work.staged / artifact.file_name
    file = staged if _is_file(staged) else work.stored / artifact.file_name
    try:
        unpack_to(work.staging.unarchived / target, file, archive, digest, room(work.root.packages))
    except BadArchive as error:
        text = f"{work.recipe.name} {work.recipe.version}: cannot unpack {artifact.uri}: {error}"
        raise DeploymentError(text, _DOWNLOAD, "IO_ERROR", "IO_UNZIP_ERROR") from None
    except NoRoom:
        raise no_room_to_unpack(work.root.packages, file.name) from None
