"""The artifacts of one component version: there, genuine, unpacked, readable by whom the recipe says.

``prepare`` makes it so and returns what the files are, by content: a component is restarted when one of them changed.
Doing it again is quick, and changes nothing when nothing has changed.
"""

from __future__ import annotations

import hmac
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ggl.deploymentd.archive import BadArchive, unpack
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.store import digest

if TYPE_CHECKING:
    from ggl.paths import Root
    from ggl.recipe.model import Artifact, Manifest, Recipe

_PACKAGE = "COMPONENT_PACKAGE_LOADING_ERROR"
_DOWNLOAD = "ARTIFACT_DOWNLOAD_ERROR"
_UNLISTED = 0o550
"""Mode of a file that the recipe does not list: that of one listed without permissions."""


def prepare(root: Root, recipe: Recipe, manifest: Manifest, owner: tuple[int, int] | None) -> Mapping[str, str]:
    """Check, unpack and hand over the artifacts; returns the digest of every file in the artifact directory.

    ``owner`` is the uid and gid that the component runs as; ``None``: the runtime's own, nothing is handed over. Raises
    ``DeploymentError`` or ``OSError``.
    """
    directory = root.artifacts / recipe.name / recipe.version
    for artifact in manifest.artifacts:
        if artifact.scheme == "docker":
            text = (
                f"{recipe.name} {recipe.version}: the artifact {artifact.uri} is a Docker image, which cannot be used"
            )
            raise DeploymentError(text, _DOWNLOAD, "UNSUPPORTED_ARTIFACT_SCHEME")
        _check_file(recipe, artifact, directory / artifact.file_name)
    _make_way(root, directory)
    modes = {artifact.file_name: artifact.mode for artifact in manifest.artifacts}
    digests = {}
    for path in _files(directory):
        name = str(path.relative_to(directory))
        digests[name] = digest(path).hex()
        _hand_over(path, modes.get(name, _UNLISTED), owner)
    for artifact in manifest.artifacts:
        if artifact.unarchive == "ZIP":
            target = root.artifacts_unarchived / recipe.name / recipe.version / artifact.unarchived_name
            target.parent.mkdir(parents=True, exist_ok=True)
            _make_way(root, target.parent)
            _unarchive(recipe, artifact, directory / artifact.file_name, digests[artifact.file_name], target, owner)
    return digests


def _check_file(recipe: Recipe, artifact: Artifact, path: Path) -> None:
    what = f"{recipe.name} {recipe.version}: the artifact {artifact.uri}"
    if not path.is_file() or path.is_symlink():
        folder = f"{recipe.name}/{recipe.version}/{artifact.file_name}"
        text = f"{what} is missing: there is no file {path}"
        code = (
            "DEVICE_CONFIG_NOT_VALID_FOR_ARTIFACT_DOWNLOAD"
            if artifact.digest
            else "RECIPE_MISSING_ARTIFACT_HASH_ALGORITHM"
        )
        raise DeploymentError(f"{text}. Put it into the artifacts folder as {folder} and deploy again", _DOWNLOAD, code)
    if not artifact.digest:
        return
    algorithm = (artifact.algorithm or "SHA-256").lower().replace("-", "")
    try:
        found = digest(path, algorithm)
    except (ValueError, TypeError):  # TypeError: an algorithm whose digests have no length of their own
        text = f"{what} has a digest of the unknown algorithm {artifact.algorithm!r}"
        raise DeploymentError(text, _DOWNLOAD, "HASHING_ALGORITHM_UNAVAILABLE") from None
    if not hmac.compare_digest(_base64(artifact.digest), found):
        text = f"{what} is not the file the recipe was made for: the digest of {path} differs from the recipe's"
        raise DeploymentError(text, _DOWNLOAD, "ARTIFACT_CHECKSUM_MISMATCH")


def _base64(text: str) -> bytes:
    from base64 import b64decode

    try:
        return b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""


def _unarchive(
    recipe: Recipe, artifact: Artifact, archive: Path, content: str, target: Path, owner: tuple[int, int] | None
) -> None:
    """Unpack ``archive`` unless that was done before, from the same content, for the same owner and mode."""
    marker = target.with_name(f".{target.name}.unpacked")
    made_from = f"{content} {artifact.mode:o} {owner}"
    if target.is_dir() and marker.is_file() and marker.read_text() == made_from:
        return
    marker.unlink(missing_ok=True)
    try:
        unpack(archive, target)
    except BadArchive as error:
        text = f"{recipe.name} {recipe.version}: cannot unpack {artifact.uri}: {error}"
        raise DeploymentError(text, _PACKAGE, "IO_UNZIP_ERROR") from None
    for path in _files(target):
        _hand_over(path, artifact.mode, owner)
    for folder, _folders, _names in os.walk(target):
        _hand_over(Path(folder), 0o755, owner)
    marker.write_text(made_from)


def _files(directory: Path) -> list[Path]:
    """The files below ``directory``, without those that are being written."""
    return [
        Path(folder, name)
        for folder, folders, names in os.walk(directory)
        for name in sorted(names)
        if folders.sort() is None and not (name.startswith(".") and name.endswith(".new"))
    ]


def _make_way(root: Root, directory: Path) -> None:
    """Let every user reach ``directory`` and what is below, whatever the umask was; the files' own modes decide."""
    below = [Path(folder) for folder, _folders, _names in os.walk(directory)]
    above = [path for path in directory.parents if path == root.packages or root.packages in path.parents]
    for path in (*above, *below):
        if path.is_dir() and stat.S_IMODE(path.stat().st_mode) != 0o755:
            path.chmod(0o755)


def _hand_over(path: Path, mode: int, owner: tuple[int, int] | None) -> None:
    status = path.stat()
    if owner is not None and (status.st_uid, status.st_gid) != owner:
        os.chown(path, *owner)
    if stat.S_IMODE(status.st_mode) != mode:
        os.chmod(path, mode)
