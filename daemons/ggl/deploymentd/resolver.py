"""Which components a deployment consists of, and in which versions.

Pure. The roots of all groups and the requirements of every component chosen so far narrow down each component's
version: the one that runs now is kept if it will do, otherwise the newest that is known. A choice may bring new
requirements, which may change other choices; this is repeated until nothing changes. Where that leads nowhere, older
versions are tried: one component after the other, back to a choice that had a part in the failure, and within a limit
of attempts. So what can be put together from the known versions is found, and as a rule with the newest ones.

Where the cloud has a say, it is asked through ``Known.decide`` for each component with everything that is required of
it so far; what it answers becomes known.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ggl.deploymentd.errors import DeploymentError
from ggl.recipe.version import Requirement, VersionError, parse_requirement, parse_version, satisfies

if TYPE_CHECKING:
    from ggl.recipe.model import Dependency

ANY = "*"
MAX_ROUNDS = 200
"""Each round settles at least one level of dependencies; choices that still change by then go round in a circle."""
MAX_COMPONENTS = 1000
"""Of one device. Recipes that always bring others along, from wherever, come to an end there."""
MAX_ATTEMPTS = 1000
"""Versions that are tried when the first choices do not go together; some seconds on a small device."""


@dataclass(frozen=True)
class Demand:
    """``source`` (in words) asks for ``component`` in a version that meets ``requirement`` (an npm range)."""

    component: str
    requirement: str
    source: str
    by: str = ""
    """The component that asks; empty for a root."""
    group: str = ""
    """The group that a root belongs to."""


def _nobody(_component: str, _asked: Sequence[Demand], local: str | None) -> str | None:
    return local


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
    decide: Callable[[str, Sequence[Demand], str | None], str | None] = _nobody
    """The version of a component that everybody shall have, given the best that is known already (``None``: there is
    none); what it returns is known afterwards. It gives the same answer to the same question."""
    lacking: str = "there is no recipe for it: add one to the recipes that are deployed"
    """What to say of a component that nothing is known of."""


@dataclass(frozen=True)
class _Conflict:
    """Nothing does for ``component``. ``causes``: the components whose choices have a part in it."""

    component: str
    asked: Sequence[Demand]
    causes: frozenset[str]
    gave_up: bool = False


def resolve(roots: Sequence[Demand], known: Known) -> dict[str, str]:
    """Name and version of every component, each after those it depends on. Raises ``DeploymentError``."""
    try:
        return _resolved(roots, known)
    except RecursionError:
        text = "components depend on each other in a chain that is too long"
        raise DeploymentError(text, "COMPONENT_DEPENDENCY_NOT_VALID") from None


def _resolved(roots: Sequence[Demand], known: Known) -> dict[str, str]:
    chosen = _settle(roots, known)
    if isinstance(chosen, _Conflict):
        conflict, chosen = chosen, _Search(roots, known).run()
        if isinstance(chosen, _Conflict):
            raise _unsatisfied(conflict if conflict.component else chosen, known, gave_up=chosen.gave_up)
    return _in_order(chosen, known)


def _settle(roots: Sequence[Demand], known: Known) -> dict[str, str] | _Conflict:
    """Choose the best version of each component until nothing changes; a conflict of no component when that never
    happens."""
    chosen: dict[str, str | None] = {}
    for _ in range(MAX_ROUNDS):
        demands = _demands(roots, chosen, known)
        picked = {component: _pick(component, asked, known) for component, asked in demands.items()}
        if picked == chosen:
            break
        chosen = picked
    else:
        return _Conflict("", (), frozenset())
    settled = {}
    for component, version in chosen.items():
        if version is None:
            return _Conflict(component, demands[component], frozenset())
        settled[component] = version
    return settled


class _Search:
    """Tries versions one component after the other. A failure goes back to the last choice that has a part in it."""

    def __init__(self, roots: Sequence[Demand], known: Known) -> None:
        self._roots = roots
        self._known = known
        self._attempts = 0
        self._first: _Conflict | None = None
        self._circle: DeploymentError | None = None

    def run(self) -> dict[str, str] | _Conflict:
        """The versions, or the first of the conflicts. Raises ``DeploymentError`` when there are only circles."""
        found = self._extend({})
        if not isinstance(found, _Conflict):
            return found
        if self._first is None:
            assert self._circle is not None, "nothing fails without a reason"
            raise self._circle
        return replace(self._first, gave_up=self._attempts > MAX_ATTEMPTS)

    def _extend(self, chosen: dict[str, str]) -> dict[str, str] | _Conflict:
        known = self._known
        demands = _demands(self._roots, chosen, known)
        for component, asked in demands.items():
            version = known.provided.get(component) or chosen.get(component)
            if version and not satisfies(version, _requirements(component, asked)):
                return self._conflict(component, asked, {component} & chosen.keys())
        component = next((name for name in demands if name not in chosen and name not in known.provided), "")
        if not component:
            return self._complete(chosen)
        asked = demands[component]
        causes: set[str] = set()
        for version in _candidates(component, asked, known):
            self._attempts += 1
            if self._attempts > MAX_ATTEMPTS:
                break
            found = self._extend({**chosen, component: version})
            if not isinstance(found, _Conflict) or component not in found.causes:
                return found
            causes |= found.causes - {component}
        return self._conflict(component, asked, causes)

    def _complete(self, chosen: dict[str, str]) -> dict[str, str] | _Conflict:
        try:
            _in_order(chosen, self._known)
        except DeploymentError as circle:
            self._circle = circle
            return _Conflict("", (), frozenset(chosen))
        return chosen

    def _conflict(self, component: str, asked: Sequence[Demand], causes: Collection[str]) -> _Conflict:
        found = _Conflict(component, asked, frozenset((*causes, *(demand.by for demand in asked if demand.by))))
        self._first = self._first or found
        return found


def _demands(roots: Sequence[Demand], chosen: Mapping[str, str | None], known: Known) -> dict[str, list[Demand]]:
    """Everything asked for, by component, when walking from the roots through the versions chosen so far."""
    found: dict[str, list[Demand]] = {}
    waiting = deque(roots)
    while waiting:
        demand = waiting.popleft()
        asked = found.setdefault(demand.component, [])
        if len(found) > MAX_COMPONENTS:
            text = f"the deployment needs more than {MAX_COMPONENTS} components: {demand.source} brings the next one"
            raise DeploymentError(text, "COMPONENT_DEPENDENCY_NOT_VALID")
        if not asked and demand.component not in known.provided:
            version = chosen.get(demand.component)
            if version is not None:
                source = f"{demand.component} {version}"
                waiting += [
                    Demand(dependency.name, dependency.requirement, source, demand.component)
                    for dependency in known.dependencies(demand.component, version)
                ]
        asked.append(demand)
    return found


def _requirements(component: str, asked: Sequence[Demand]) -> list[Requirement]:
    requirements = []
    for demand in asked:
        try:
            requirements.append(parse_requirement(demand.requirement))
        except VersionError as error:
            text = f"{demand.source} asks for {component} in a version that cannot be read: {error}"
            raise DeploymentError(text, "COMPONENT_VERSION_NOT_VALID") from None
    return requirements


def _pick(component: str, asked: Sequence[Demand], known: Known) -> str | None:
    if component in known.provided:
        provided = known.provided[component]
        requirements = _requirements(component, asked)
        return ANY if provided is None else provided if satisfies(provided, requirements) else None
    return known.decide(component, asked, next(_candidates(component, asked, known), None))


def _candidates(component: str, asked: Sequence[Demand], known: Known) -> Iterator[str]:
    """The versions that will do, the best first: one that is asked for by its very name, the running one, then from
    the newest to the oldest."""
    requirements = _requirements(component, asked)
    versions = known.versions(component)
    fitting = [version for version in versions if satisfies(version, requirements)]
    exact = [demand.requirement for demand in asked if demand.requirement in fitting]
    running = [version for version in fitting if version == known.running.get(component)]
    fitting.sort(key=parse_version, reverse=True)
    return iter(dict.fromkeys((*exact, *running, *fitting)))


def _unsatisfied(conflict: _Conflict, known: Known, *, gave_up: bool) -> DeploymentError:
    component, asked = conflict.component, conflict.asked
    if component in known.provided:
        available = f"it is part of the runtime, in version {known.provided[component]}"
    elif versions := known.versions(component):
        available = f"available: {', '.join(sorted(versions, key=parse_version))}"
    else:
        available = known.lacking
    sources = "; ".join(f"{demand.source} requires {demand.requirement or '*'}" for demand in asked)
    more = f"; {MAX_ATTEMPTS} other choices do not go together either" if gave_up else ""
    return DeploymentError(
        f"no version of {component} can be used: {sources}; {available}{more}",
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
