"""The component store: the recipes and artifacts on this device.

::

    packages/recipes/<name>-<version>.<ext>
    packages/artifacts/<name>/<version>/<file>
    packages/artifacts-unarchived/<name>/<version>/<archive without extension>/...

A file is put in place as a whole (written beside, then renamed), so that an interrupted deployment leaves either the
old or the new one, and a component that runs keeps the file it has open. Everything can be done again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from ggl.deploymentd.errors import DeploymentError
from ggl.log import get_logger
from ggl.recipe.load import SUFFIXES, is_recipe_file, load_recipe
from ggl.recipe.model import BUILT_IN, GENERIC, RecipeError
from ggl.recipe.syntax import SIZE_LIMIT
from ggl.recipe.version import is_version

if TYPE_CHECKING:
    from ggl.deploymentd.staging import Staging
    from ggl.paths import Root
    from ggl.recipe.model import Dependency, Recipe

RESERVED = frozenset({"main", "DeploymentService", "FleetStatusService", "TelemetryAgent", "UpdateSystemPolicyService"})
"""Names under ``services`` in the configuration that are no components."""
_RESERVED_PREFIX = "core."
_RESERVED_SUFFIX = ".install"
"""Unit names: ``ggl.core.<daemon>`` is a daemon, ``ggl.<component>.install`` an install step."""

_log = get_logger("deployment-store")


class Store:
    """The recipes of ``root``, each read once. An instance lives as long as one deployment."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._recipes: dict[str, dict[str, Recipe]] = {}

    def versions(self, name: str) -> Collection[str]:
        """The versions of component ``name`` that there is a usable recipe for."""
        return self._known(name)

    def recipe(self, name: str, version: str) -> Recipe:
        """Raises ``KeyError``."""
        return self._known(name)[version]

    def dependencies(self, name: str, version: str) -> tuple[Dependency, ...]:
        return self.recipe(name, version).dependencies

    def ingest(self, staging: Staging) -> list[str]:
        """Take over what was staged; returns ``name version`` of each recipe. Raises ``DeploymentError``."""
        found: dict[tuple[str, str], tuple[Recipe, Path]] = {}
        for path in sorted(staging.recipes.glob("*")) if staging.recipes.is_dir() else ():
            recipe = _load_staged(path)
            if recipe is None:
                continue
            other = found.setdefault((recipe.name, recipe.version), (recipe, path))
            if other[0] != recipe:
                text = f"two different recipes are {recipe.name} {recipe.version}: {_name(other[1])} and {_name(path)}"
                raise DeploymentError(text, "COMPONENT_PACKAGE_LOADING_ERROR", "RECIPE_PARSE_ERROR")
        for recipe, path in found.values():
            self._put_recipe(recipe, path)
        self._put_artifacts(staging.artifacts)
        self._recipes.clear()
        return [f"{name} {version}" for name, version in found]

    def _known(self, name: str) -> dict[str, Recipe]:
        known = self._recipes.get(name)
        if known is None:
            known = self._recipes[name] = {}
            for path in sorted(self._root.recipes.glob(f"{_escape(name)}-*")):
                # "a-1.0.0-b-2.0.0.yaml" may be a version of "a" or of "a-1.0.0-b": the content decides.
                if is_recipe_file(path) and is_version(path.stem[len(name) + 1 :]):
                    try:
                        recipe = load_recipe(path)
                    except RecipeError as error:
                        _log.error("a recipe of the store cannot be used: %s", error)
                        continue
                    if recipe.name == name:
                        known[recipe.version] = recipe
        return known

    def _put_recipe(self, recipe: Recipe, source: Path) -> None:
        directory = self._root.recipes
        directory.mkdir(parents=True, exist_ok=True)
        stem = f"{recipe.name}-{recipe.version}"
        suffix = source.suffix.lower()
        temporary = directory / f".{stem}.new"
        shutil.copyfile(source, temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(directory / (stem + suffix))
        for other in SUFFIXES:
            if other != suffix:
                (directory / (stem + other)).unlink(missing_ok=True)

    def _put_artifacts(self, source: Path) -> None:
        for folder, _folders, names in os.walk(source):
            target = self._root.artifacts / os.path.relpath(folder, source)
            for name in names:
                if target.is_symlink() or (target.exists() and not target.is_dir()):
                    target.unlink()
                target.mkdir(parents=True, exist_ok=True)
                put_file(Path(folder, name), target / name)


def put_file(source: Path, target: Path) -> None:
    """Put a copy of ``source`` in the place of ``target``, unless they are the same already."""
    if target.is_file() and not target.is_symlink() and digest(source) == digest(target):
        return
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    temporary = target.with_name(f".{target.name}.new")
    temporary.unlink(missing_ok=True)
    shutil.copyfile(source, temporary)
    temporary.chmod(0o600)
    temporary.replace(target)


def digest(path: Path, algorithm: str = "sha256") -> bytes:
    """The hash of a file's content. Raises ``OSError``, or ``ValueError`` for an unknown algorithm."""
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).digest()


def check_deployable(recipe: Recipe) -> None:
    """Raises ``DeploymentError`` for a component that this runtime cannot run, or whose name has another meaning."""
    name = recipe.name
    if recipe.type != GENERIC:
        text = f"{name} is a component of type {recipe.type}: only {GENERIC} can run here"
        raise DeploymentError(text, "COMPONENT_PACKAGE_LOADING_ERROR", "CUSTOM_PLUGIN_NOT_SUPPORTED")
    if name in RESERVED or name in BUILT_IN or name.startswith(_RESERVED_PREFIX) or name.endswith(_RESERVED_SUFFIX):
        text = f"{name} cannot be the name of a component here: it means something else to the runtime"
        raise DeploymentError(text, "COMPONENT_PACKAGE_LOADING_ERROR", "RECIPE_PARSE_ERROR")


def _load_staged(path: Path) -> Recipe | None:
    """The recipe in ``path``; ``None`` for a file that does not even try to be one (package.json and the like)."""
    with path.open("rb") as file:
        text = file.read(SIZE_LIMIT + 1).lower()  # it may as well be somebody's data
    if b"recipeformatversion" not in text and b"componentname" not in text:
        _log.warning("%s is no recipe and is left out", _name(path))
        return None
    try:
        recipe = load_recipe(path)
    except RecipeError as error:
        raise recipe_failure(error) from None
    check_deployable(recipe)
    return recipe


def recipe_failure(error: RecipeError) -> DeploymentError:
    return DeploymentError(str(error), "COMPONENT_PACKAGE_LOADING_ERROR", error.code)


def _name(path: Path) -> str:
    """What the sender called a staged recipe."""
    return path.name.partition("-")[2] or path.name


def _escape(name: str) -> str:
    # Of the characters in a component's name none is special to glob; this keeps it so.
    from glob import escape

    return escape(name)
