"""Which components a deployment consists of, and in which versions.

Pure. The roots of all groups and the requirements of every component chosen so far narrow down each component's
version: the one that runs now is kept if it will do, otherwise the newest that is known. A choice may bring new
requirements, which may change other choices; this is repeated until nothing changes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ggl.deploymentd.errors import DeploymentError
from ggl.recipe.version import VersionError, newest, parse_requirement, satisfies

if TYPE_CHECKING:
    from ggl.recipe.model import Dependency

ANY = "*"
MAX_ROUNDS = 200
"""Each round settles at least one level of dependencies; choices that still change by then go round in a circle."""


@dataclass(frozen=True)
class Demand:
    """``source`` (in words) asks for ``component`` in a version that meets ``requirement`` (an npm range)."""

    component: str
    requirement: str
    source: str


@dataclass(frozen=True)
class Known:
    """What there is to choose from."""

    versions: Callable[[str], Collection[str]]
    """The versions of a component for which there is a recipe."""
    dependencies: Callable[[str, str], Sequence[Dependency]]
    """The dependencies of a component in a version."""
    running: Mapping[str, str]
    provided: Mapping[str, str | None]
    """Components that the runtime itself is, with the version they count as; ``None`` will do for every requirement."""


def resolve(roots: Sequence[Demand], known: Known) -> dict[str, str]:
    """Name and version of every component, each after those it depends on. Raises ``DeploymentError``."""
    chosen: dict[str, str | None] = {}
    for _ in range(MAX_ROUNDS):
        demands = _demands(roots, chosen, known)
        picked = {component: _pick(component, asked, known) for component, asked in demands.items()}
        if picked == chosen:
            break
        chosen = picked
    else:
        raise DeploymentError(
            "the requirements of the components go round in a circle: no choice of versions is stable",
            "COMPONENT_VERSION_REQUIREMENTS_NOT_MET",
        )
    for component, version in chosen.items():
        if version is None:
            raise _unsatisfied(component, demands[component], known)
    return _in_order({name: version for name, version in chosen.items() if version is not None}, known)


def _demands(roots: Sequence[Demand], chosen: Mapping[str, str | None], known: Known) -> dict[str, list[Demand]]:
    """Everything asked for, by component, when walking from the roots through the versions chosen so far."""
    found: dict[str, list[Demand]] = {}
    waiting = list(roots)
    while waiting:
        demand = waiting.pop(0)
        asked = found.setdefault(demand.component, [])
        if not asked and demand.component not in known.provided:
            version = chosen.get(demand.component)
            if version is not None:
                source = f"{demand.component} {version}"
                waiting += [
                    Demand(dependency.name, dependency.requirement, source)
                    for dependency in known.dependencies(demand.component, version)
                ]
        asked.append(demand)
    return found


def _pick(component: str, asked: Sequence[Demand], known: Known) -> str | None:
    requirements = []
    for demand in asked:
        try:
            requirements.append(parse_requirement(demand.requirement))
        except VersionError as error:
            text = f"{demand.source} asks for {component} in a version that cannot be read: {error}"
            raise DeploymentError(text, "COMPONENT_VERSION_NOT_VALID") from None
    if component in known.provided:
        provided = known.provided[component]
        return ANY if provided is None else provided if satisfies(provided, requirements) else None
    versions = known.versions(component)
    exact = [demand.requirement for demand in asked if demand.requirement in versions]
    for preferred in (*exact, known.running.get(component)):
        if preferred in versions and satisfies(preferred, requirements):
            return preferred
    return newest(versions, requirements)


def _unsatisfied(component: str, asked: Sequence[Demand], known: Known) -> DeploymentError:
    if component in known.provided:
        available = f"it is part of the runtime, in version {known.provided[component]}"
    elif versions := known.versions(component):
        available = f"available: {', '.join(sorted(versions))}"
    else:
        available = "there is no recipe for it: add one to the recipes that are deployed"
    sources = "; ".join(f"{demand.source} requires {demand.requirement or '*'}" for demand in asked)
    return DeploymentError(
        f"no version of {component} can be used: {sources}; {available}",
        "NO_AVAILABLE_COMPONENT_VERSION",
        "COMPONENT_VERSION_REQUIREMENTS_NOT_MET",
    )


def _in_order(versions: Mapping[str, str], known: Known) -> dict[str, str]:
    """The components that are not part of the runtime, dependencies first. Raises ``DeploymentError`` for a circle."""
    ordered: dict[str, str] = {}

    def visit(component: str, path: tuple[str, ...]) -> None:
        if component in path:
            circle = " -> ".join((*path[path.index(component) :], component))
            text = f"components depend on each other in a circle: {circle}"
            raise DeploymentError(text, "COMPONENT_CIRCULAR_DEPENDENCY_ERROR")
        if component in ordered or component in known.provided:
            return
        for dependency in known.dependencies(component, versions[component]):
            visit(dependency.name, (*path, component))
        ordered[component] = versions[component]

    for component in sorted(versions):
        visit(component, ())
    return ordered
