"""The component store: the recipes and artifacts on this device.

::

    packages/recipes/<name>-<version>.<ext>
    packages/artifacts/<name>/<version>/<file>
    packages/artifacts-unarchived/<name>/<version>/<archive without extension>/...
    packages/kept/<sha256>                  contents that an earlier deployment needs: see ``placing``

Here it is only read, together with what was staged for the deployment under way, which comes first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ggl.deploymentd.answers import Answers, is_answer
from ggl.deploymentd.digests import Digests
from ggl.deploymentd.errors import DeploymentError, recipe_codes
from ggl.host.unit import INSTALL_SUFFIX, ONCE_PHASES
from ggl.log import get_logger
from ggl.recipe.load import is_recipe_file, load_recipe
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
_RESERVED_SUFFIXES = (INSTALL_SUFFIX, *(f".{phase}" for phase in ONCE_PHASES))
"""Unit names: ``ggl.core.<daemon>`` is a daemon, ``ggl.<component>.install`` an install step."""

_log = get_logger("deployment-store")


class Store:
    """The recipes of ``root`` and, before those, of ``staging``; each is read once. An instance lives as long as one
    deployment. ``arns``: those of components that run, by name and version."""

    def __init__(
        self, root: Root, staging: Staging | None = None, arns: Mapping[tuple[str, str], str] | None = None
    ) -> None:
        self._root = root
        self._staging = staging
        self._arns = dict(arns or {})
        self._answers = None if staging is None else Answers(staging)
        self._staged: dict[tuple[str, str], tuple[Recipe, Path]] | None = None
        self._recipes: dict[str, dict[str, tuple[Recipe, Path]]] = {}
        self.digests = Digests(root)

    def versions(self, name: str) -> Collection[str]:
        """The versions of component ``name`` that there is a usable recipe for."""
        return self._known(name)

    def recipe(self, name: str, version: str) -> Recipe:
        """Raises ``KeyError``."""
        return self._known(name)[version][0]

    def source(self, name: str, version: str) -> Path:
        """The file that ``recipe`` was read from: in the staging area or in the store. Raises ``KeyError``."""
        return self._known(name)[version][1]

    def dependencies(self, name: str, version: str) -> tuple[Dependency, ...]:
        return self.recipe(name, version).dependencies

    def is_given(self, name: str, version: str) -> bool:
        """Whether the recipe came with the deployment itself: then it is meant, whatever others there are."""
        found = self._read_staged().get((name, version))
        return found is not None and not is_answer(found[1])

    def arn(self, name: str, version: str) -> str:
        """What the cloud calls this component version; empty when that is not known."""
        answered = "" if self._answers is None else self._answers.arn(name, version)
        return answered or self._arns.get((name, version), "")

    def adopt(self, recipe: Recipe, text: bytes, arn: str) -> None:
        """Take a recipe that came from the cloud; it counts from now on, unless there is the same already.

        Raises ``DeploymentError`` for one that cannot run here, and ``OSError``.
        """
        check_deployable(recipe)
        assert self._answers is not None, "only a deployment asks the cloud"
        known = self._known(recipe.name).get(recipe.version)
        if known is None or known[0] != recipe:
            path = self._answers.keep(recipe, text)
            self._read_staged()[recipe.name, recipe.version] = recipe, path
            self._known(recipe.name)[recipe.version] = recipe, path
        self._answers.keep_arn(recipe.name, recipe.version, arn)

    def check(self) -> list[str]:
        """Read what was staged; returns ``name version`` of each recipe. Raises ``DeploymentError``."""
        return [f"{name} {version}" for name, version in self._read_staged()]

    def _read_staged(self) -> dict[tuple[str, str], tuple[Recipe, Path]]:
        if self._staged is not None:
            return self._staged
        found: dict[tuple[str, str], tuple[Recipe, Path]] = {}
        for path in _recipe_files(self._staging):
            recipe = _load_staged(path)
            if recipe is None or (is_answer(path) and (recipe.name, recipe.version) in found):
                continue
            other = found.setdefault((recipe.name, recipe.version), (recipe, path))
            if other[0] != recipe:
                text = f"two different recipes are {recipe.name} {recipe.version}: {_name(other[1])} and {_name(path)}"
                raise DeploymentError(text, "COMPONENT_PACKAGE_LOADING_ERROR", "RECIPE_PARSE_ERROR")
        self._staged = found
        return found

    def _known(self, name: str) -> dict[str, tuple[Recipe, Path]]:
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
                        known[recipe.version] = recipe, path
            staged = self._read_staged().values()
            known.update({recipe.version: (recipe, path) for recipe, path in staged if recipe.name == name})
        return known


def check_deployable(recipe: Recipe) -> None:
    """Raises ``DeploymentError`` for a component that this runtime cannot run, or whose name has another meaning."""
    name = recipe.name
    if recipe.type != GENERIC:
        text = f"{name} is a component of type {recipe.type}: only {GENERIC} can run here"
        raise DeploymentError(text, "COMPONENT_PACKAGE_LOADING_ERROR", "CUSTOM_PLUGIN_NOT_SUPPORTED")
    if name in RESERVED or name in BUILT_IN or name.startswith(_RESERVED_PREFIX) or name.endswith(_RESERVED_SUFFIXES):
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


def _recipe_files(staging: Staging | None) -> Iterator[Path]:
    if staging is not None and staging.recipes.is_dir():
        yield from sorted(staging.recipes.glob("*"))


def recipe_failure(error: RecipeError) -> DeploymentError:
    return DeploymentError(str(error), *recipe_codes(error.code))


def _name(path: Path) -> str:
    """What the sender called a staged recipe."""
    return path.name.partition("-")[2] or path.name


def _escape(name: str) -> str:
    # Of the characters in a component's name none is special to glob; this keeps it so.
    from glob import escape

    return escape(name)
