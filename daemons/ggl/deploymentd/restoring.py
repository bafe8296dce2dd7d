"""The way back to a generation: the activation that makes the device what it was.

What no deployment has changed since is left alone, with whatever the components have stored in the meantime. What a
component has under ``runtime`` and ``_private`` is never put back, nor are work directories and logs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ggl.deploymentd.activation import Activation
from ggl.deploymentd.configuration import Stamped, is_leaf, plain
from ggl.deploymentd.contents import RECIPES, Contents, merge
from ggl.deploymentd.current import GROUPS_PATH, SERVICES, Current, configuration_path
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.generation import NOT_PUT_BACK, Generation, Generations, Image
from ggl.deploymentd.once import is_other_bootstrap, rollback_bootstrap_units, uninstall_units
from ggl.host.unit import COMPONENT_PREFIX
from ggl.recipe.model import BUILT_IN
from ggl.recipe.version import VersionError, parse_requirement, satisfies

if TYPE_CHECKING:
    from ggl.host.unit import Unit
    from ggl.paths import Root

_IMPOSSIBLE = ("NO_AVAILABLE_COMPONENT_VERSION", "COMPONENT_VERSION_REQUIREMENTS_NOT_MET")


def to_generation(
    root: Root,
    target: Generation,
    image: Image,
    current: Current,
    present: Image,
    scope: Collection[str],
    broken: Collection[str] = (),
    *,
    groups: bool = True,
) -> Activation:
    """Back to ``target``, whose image is ``image``. ``present`` is the image of what is there now.

    ``scope``: the components to put back, besides those that are there now and were not there then. ``broken``: those
    that need not come up. ``groups``: whether the roots of the groups are put back too.
    """
    gone = tuple(name for name in current.versions if name not in target.components)
    up = {unit.component for unit in image.units}
    operations: list[Mapping[str, Any]] = []
    for name in sorted(scope):
        if name in BUILT_IN:
            operations += _built_in_operations(name, image.services, current)
        elif name in target.components:
            operations += _component_operations(name, image.services, current)
    commit: list[Mapping[str, Any]] = [{"op": "delete", "key_path": [SERVICES, name]} for name in gone]
    if groups:
        commit.append(_restore(GROUPS_PATH, _node(image.services, GROUPS_PATH[1:]) or {}))
    # On the way back a bootstrap is due by the rules of the way there, but only where the recipe wants that.
    lifecycles = {name: _lifecycle(image.services, name) for name in target.components}
    lifecycles = {
        name: lifecycle
        for name, lifecycle in lifecycles.items()
        if current.versions.get(name) != target.components[name]
        or is_other_bootstrap(lifecycle, current.lifecycle(name))
    }
    return Activation(
        versions=target.components,
        requirements=target.requirements,
        units=image.units,
        contents=image.contents,
        operations=tuple(operations),
        commit=tuple(commit),
        touched=tuple(sorted({*scope, *gone})),
        removed=gone,
        bootstrap=rollback_bootstrap_units(root, lifecycles, image.units),
        uninstall=uninstall_units(root, gone, current, present.units),
        # A device that was taken over may know of components that have never run here.
        excused=_with_dependents({*broken, *(name for name in target.components if name not in up)}, image.units),
    )


def scope_of(generations: Generations, target: Generation) -> set[str]:
    """The components to put back when going to ``target``: those that deployments have changed on the way."""
    touched = generations.touched_between(generations.current, target.number)
    if touched is not None:
        return touched
    current = generations.get(generations.current)
    return {*target.components, *(current.components if current else ()), *BUILT_IN}


def is_other(component: str, one: tuple[Generation, Image], other: tuple[Generation, Image]) -> bool:
    """Whether ``component`` is there and something else in one generation than in the other."""

    def of(generation: Generation, image: Image) -> tuple[Any, ...]:
        units = [unit for unit in image.units if unit.component == component]
        configuration = _node(image.services, (component, "configuration"))
        return units, _part(image, generation, component, others=False), plain(configuration or {})

    return component in one[0].components and of(*one) != of(*other)


def one_component(
    root: Root, component: str, source: Generation, image: Image, target: Generation, present: Image, current: Current
) -> Activation:
    """Only ``component`` as in ``source``, everything else as in ``target``, the current generation.

    Raises ``DeploymentError`` when the parts do not go together.
    """
    version = source.components.get(component)
    if version is None:
        text = f"{component} was not there in generation {source.number}: remove it, or go back as a whole"
        raise DeploymentError(text, *_IMPOSSIBLE)
    needs = source.requirements.get(component, {})
    components = {**target.components, component: version}
    requirements = {**target.requirements, component: needs}
    _check_requirements(components, requirements)
    mixed = replace(target, components=_ordered(components, requirements), requirements=requirements)
    order = list(mixed.components)
    others = (unit for unit in present.units if unit.component != component)
    own = (unit for unit in image.units if unit.component == component)
    units = sorted((*others, *own), key=lambda unit: order.index(unit.component))
    contents = merge((_part(present, target, component, others=True), _part(image, source, component, others=False)))
    services = {component: image.services.get(component, {})}
    activation = to_generation(
        root,
        mixed,
        Image(services, tuple(units), contents),
        current,
        present,
        {component},
        groups=False,
    )
    roots = [
        operation
        for group, names in current.groups.items()
        if component in names
        for operation in _root_version([*GROUPS_PATH, group, component, "version"], version)
    ]
    return replace(activation, commit=(*activation.commit, *roots))


def _root_version(path: list[str], version: str) -> tuple[dict[str, Any], ...]:
    return {"op": "delete", "key_path": path}, {"op": "write", "key_path": path, "value": version}


def _component_operations(name: str, services: Stamped, current: Current) -> Iterable[dict[str, Any]]:
    then, now = services.get(name, {}), current.services.get(name, {})
    for key in {**now, **then}:
        if key in NOT_PUT_BACK or now.get(key) == then.get(key):
            continue
        path = (SERVICES, name, key)
        yield _restore(path, then[key]) if key in then else {"op": "delete", "key_path": list(path)}


def _built_in_operations(name: str, services: Stamped, current: Current) -> Iterable[dict[str, Any]]:
    path = configuration_path(name)
    then, now = _node(services, path[1:]), _node(current.services, path[1:])
    if then != now:
        yield _restore(path, then or {})


def _restore(path: Iterable[str], value: Stamped) -> dict[str, Any]:
    return {"op": "restore", "key_path": list(path), "value": value}


def _node(services: Stamped, path: Iterable[str]) -> Any:
    node: Any = services
    for key in path:
        if is_leaf(node) or key not in node:
            return None
        node = node[key]
    return node


def _lifecycle(services: Stamped, component: str) -> Mapping[str, Any]:
    node = _node(services, (component, "lifecycle"))
    return {} if node is None or is_leaf(node) else plain(node)


def _with_dependents(broken: Collection[str], units: Iterable[Unit]) -> tuple[str, ...]:
    """``broken``, and everything that cannot be up without it."""
    excused = set(broken)
    requires = {unit.component: [name.removeprefix(COMPONENT_PREFIX) for name in unit.requires] for unit in units}
    while more := {name for name, needs in requires.items() if name not in excused and excused & set(needs)}:
        excused |= more
    return tuple(sorted(excused))


def _check_requirements(components: Mapping[str, str], requirements: Mapping[str, Mapping[str, str]]) -> None:
    for dependent, needs in requirements.items():
        for name, requirement in needs.items():
            version = components.get(name)
            try:
                fits = version is not None and satisfies(version, [parse_requirement(requirement)])
            except VersionError:
                fits = False
            if dependent in components and not fits:
                text = (
                    f"{dependent} {components[dependent]} requires {name} {requirement}, but there "
                    f"{f'would be {version}' if version else 'is none'}: go back to a generation as a whole"
                )
                raise DeploymentError(text, *_IMPOSSIBLE)


def _ordered(components: Mapping[str, str], requirements: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Each after those it depends on."""
    ordered: dict[str, str] = {}

    def visit(name: str, path: frozenset[str]) -> None:
        for needed in requirements.get(name, {}):
            if needed in components and needed not in ordered and needed not in path:
                visit(needed, path | {name})
        ordered.setdefault(name, components[name])

    for name in components:
        visit(name, frozenset())
    return ordered


def _part(image: Image, generation: Generation, component: str, *, others: bool) -> Contents:
    """The files of ``component``, or (``others``) of all but it; and all images, since they name no component."""
    version = generation.components.get(component, "")

    def belongs(path: str) -> bool:
        folder, _, rest = path.partition("/")
        if folder == RECIPES:
            return (rest.rpartition(".")[0] == f"{component}-{version}") != others
        return rest.startswith(f"{component}/") != others

    contents = image.contents
    return Contents(
        {path: file for path, file in contents.files.items() if belongs(path)},
        {path: archive for path, archive in contents.archives.items() if belongs(path)},
        contents.images,
    )
