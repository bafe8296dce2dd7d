"""The copy of what came with a local deployment, made before the request is acknowledged.

The sender's folders are often temporary, and the deployment may have to wait or be taken up again. So recipes and
artifacts are copied to ``<state>/deployments/<id>/{recipes,artifacts}``, which goes away when the deployment is over:
as long as there is such a directory there is a deployment to go on with, and the host starts this daemon for it.
What a deployment fetches and unpacks is put there as well, in the layout of the component store. Nothing leaves the
staging area before the deployment is ready to be put in place, and then it is moved: see ``placing``.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from ggl.deploymentd.durable import sync_filesystem
from ggl.deploymentd.space import STORE_LIMIT, check_free, check_limit
from ggl.log import get_logger
from ggl.recipe.load import check_component_name, is_recipe_file
from ggl.recipe.version import is_version
from ggl.values import InvalidValue

if TYPE_CHECKING:
    from ggl.paths import Root

_BYTECODE = "__pycache__"
"""What the sender's Python left beside the modules is no part of a component."""
MAX_RECIPES = 1000
"""Recipe files of one deployment: more than that is somebody's home directory."""
_LONGEST_NAME = 100

_log = get_logger("deployment-staging")


@dataclass(frozen=True)
class Staging:
    """The staging area of one deployment."""

    path: Path

    @property
    def recipes(self) -> Path:
        return self.path / "recipes"

    @property
    def artifacts(self) -> Path:
        return self.path / "artifacts"

    @property
    def unarchived(self) -> Path:
        return self.path / "artifacts-unarchived"

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def staging_of(root: Root, deployment_id: str) -> Staging:
    # Ids of cloud deployments come from outside: whatever they hold, they are one name, and each another one.
    name = re.sub("[^A-Za-z0-9_-]", "+", deployment_id)
    if not name or name != deployment_id or len(name) > _LONGEST_NAME:
        name = f"{name[:_LONGEST_NAME]}.{sha256(deployment_id.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
    return Staging(_base(root) / name)


def stage(staging: Staging, recipes: str, artifacts: str, store: Path, limit: int = STORE_LIMIT) -> None:
    """Copy the folders (an empty name: there is none). ``store`` is the runtime's own artifact directory, ``limit``
    what the whole component store may take, in bytes.

    Raises ``InvalidValue`` when a folder is not as it should be, ``DeploymentError`` when it does not fit, ``OSError``
    when it cannot be copied; then nothing stays. The copy is on the disk when this returns.
    """
    copies: list[tuple[Path, Path]] = []
    if recipes:
        copies += _recipes(_folder("recipe_directory_path", recipes), staging.recipes)
    if artifacts:
        source = _folder("artifacts_directory_path", artifacts)
        own = Path(os.path.realpath(store))
        if own == source or source in own.parents or own in source.parents:
            raise InvalidValue(f"'artifacts_directory_path' must not contain the runtime's own artifacts: {source}")
        copies += _artifacts(source, staging.artifacts)
    _check_space(staging, copies, store, limit)
    staging.path.mkdir(parents=True, mode=0o700)
    try:
        for original, target in copies:
            _copy(original, target)
        sync_filesystem(staging.path)
    except BaseException:
        staging.remove()
        raise


def orphans(root: Root, known: set[str]) -> list[Staging]:
    """The staging areas that belong to none of the deployments in ``known``."""
    keep = {staging_of(root, deployment_id).path for deployment_id in known}
    return [Staging(path) for path in _base(root).glob("*") if path not in keep]


def _base(root: Root) -> Path:
    return root.state / "deployments"


def _folder(key: str, name: str) -> Path:
    if not os.path.isabs(name):
        raise InvalidValue(f"'{key}' must be an absolute path, not {name!r}")
    path = Path(os.path.realpath(name))
    if not path.is_dir():
        raise InvalidValue(f"'{key}': there is no directory {name}")
    return path


def _recipes(source: Path, target: Path) -> Iterator[tuple[Path, Path]]:
    """Recipes of any name in any depth; their names are made unique, since only the content counts."""
    count = 0
    for path in _files(source):
        if not is_recipe_file(path):
            continue
        count += 1
        if count > MAX_RECIPES:
            raise InvalidValue(f"{source} holds more than {MAX_RECIPES} recipe files")
        yield path, target / f"{count:04d}-{path.name}"


def _artifacts(source: Path, target: Path) -> Iterator[tuple[Path, Path]]:
    """``<component>/<version>/...``; what else lies around is left out."""
    for component in sorted(source.iterdir()):
        if not component.is_dir() or check_component_name(component.name):
            continue
        for version in sorted(component.iterdir()):
            if not version.is_dir() or not is_version(version.name):
                _log.warning("%s is no directory of a component version and is left out", version)
                continue
            for path in _files(version, within=source):
                yield path, target / component.name / version.name / path.relative_to(version)


def _check_space(staging: Staging, copies: Sequence[tuple[Path, Path]], store: Path, limit: int) -> None:
    """Refuse early what would not fit. What is in the store already, by its size, takes no more room there."""
    total = fresh = 0
    for source, target in copies:
        size = source.stat().st_size
        total += size
        if target.is_relative_to(staging.artifacts):
            stored = store / target.relative_to(staging.artifacts)
            fresh += 0 if stored.is_file() and stored.stat().st_size == size else size
    check_free(staging.path, total)
    if fresh:
        check_limit(store.parent, fresh, limit)


def _files(directory: Path, within: Path | None = None) -> Iterator[Path]:
    """The files below ``directory``. A link must lead to a file inside ``within`` (default: ``directory``)."""
    within = within or directory
    for folder, folders, names in os.walk(directory):
        folders[:] = sorted(set(folders) - {_BYTECODE})
        for name in folders:
            if os.path.islink(os.path.join(folder, name)):
                raise InvalidValue(f"{os.path.join(folder, name)} is a link to a directory: put a copy in its place")
        for name in sorted(names):
            path = Path(folder, name)
            real = Path(os.path.realpath(path))
            if real != path and within not in real.parents:
                raise InvalidValue(f"{path} is a link that leads out of {within}: put a copy in its place")
            if not real.is_file():
                raise InvalidValue(f"{path} is no regular file")
            yield path


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o600)  # whoever may read or run the file later is said by the recipe
