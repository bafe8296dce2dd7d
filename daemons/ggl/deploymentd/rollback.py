"""Which generation to go back to, and the activation that leads there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ggl.deploymentd.configuration import plain
from ggl.deploymentd.current import Current
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.generation import Generation, Generations, Image
from ggl.deploymentd.plan import make_plan
from ggl.deploymentd.restoring import is_other, one_component, scope_of, to_generation
from ggl.recipe.model import BUILT_IN

if TYPE_CHECKING:
    from ggl.deploymentd.activation import Activation
    from ggl.deploymentd.record import Deployment
    from ggl.deploymentd.runtime import Runtime
    from ggl.host.status import UnitStatus
    from ggl.paths import Root


class NoGeneration(DeploymentError):
    """There is no such generation, or nothing to go back to."""


@dataclass(frozen=True)
class WayBack:
    """``target`` is the generation to go back to, or the one that a single component is taken from. ``configurations``
    are those that are written, ``groups`` the roots of every group as they will be."""

    target: Generation
    activation: Activation
    configurations: Mapping[str, Any]
    groups: Mapping[str, Mapping[str, str]]


def way_back(root: Root, runtime: Runtime, to: int | None, component: str | None) -> WayBack:
    """Raises ``NoGeneration``, or ``DeploymentError`` when the way cannot be taken."""
    generations = runtime.generations()
    now = generations.get(generations.current)
    if now is None:
        raise NoGeneration("nothing has been deployed yet: there is nothing to go back to")
    present = runtime.image(now.number) or Image()
    current = runtime.current()
    if component:
        source = _source(generations, runtime, now, present, to, component)
        image = _image(runtime, source)
        activation = one_component(root, component, source, image, now, present, current)
        version = source.components[component]
        groups = {
            group: {**roots, component: version} if component in roots else roots
            for group, roots in current.groups.items()
        }
        return WayBack(source, activation, _configurations(image, (component,)), groups)
    target = _target(generations, to)
    scope = scope_of(generations, target)
    image = _image(runtime, target)
    activation = to_generation(root, target, image, current, present, scope)
    return WayBack(target, activation, _configurations(image, scope), Current(image.services).groups)


def undo(root: Root, runtime: Runtime, deployment: Deployment, forward: Activation | None) -> Activation:
    """Back to what ran before ``deployment``, which was doing ``forward``; without that, everything is put back.

    Raises ``DeploymentError``.
    """
    generations = runtime.generations()
    target = generations.get(deployment.base)
    if target is None:
        raise NoGeneration(f"what ran before (generation {deployment.base}) is not known any more")
    current = runtime.current()
    if forward is None:
        present, scope = Image(), {*target.components, *current.versions, *BUILT_IN}
    else:
        present, scope = Image({}, forward.units, forward.contents), set(forward.touched)
    return to_generation(
        root,
        target,
        _image(runtime, target),
        current,
        present,
        scope,
        {*deployment.broken_before, *target.broken},
        groups=deployment.step == "commit",  # only then they have been written
    )


def _configurations(image: Image, scope: Iterable[str]) -> dict[str, Any]:
    then = Current(image.services)
    return {name: plain(then.configuration(name)) for name in scope}


def changed_by(activation: Activation, statuses: Mapping[str, UnitStatus]) -> tuple[str, ...]:
    """The components that are started anew."""
    return make_plan(activation.units, statuses).changed


def _target(generations: Generations, to: int | None) -> Generation:
    if to is not None:
        found = generations.get(to)
        if found is None:
            known = ", ".join(str(number) for number in sorted(generations.known))
            raise NoGeneration(f"there is no generation {to}: there are {known}")
        return found
    before = generations.ancestors(generations.current)
    for generation in before:
        if generation.good and generation.number > 0:
            return generation
    if any(generation.number == 0 for generation in before):
        text = "only generation 0 ran before, the device without components: name it to go there (--to 0)"
        raise NoGeneration(text)
    others = ", ".join(str(number) for number in sorted(generations.known) if number != generations.current)
    text = f"nothing that ran before generation {generations.current} is kept"
    raise NoGeneration(f"{text}; others can be named (--to): {others}" if others else text)


def _source(
    generations: Generations, runtime: Runtime, now: Generation, present: Image, to: int | None, component: str
) -> Generation:
    """Where ``component`` is taken from: the nearest ancestor in which it was there and something else."""
    if to is not None:
        found = _target(generations, to)
        if component not in found.components:
            raise NoGeneration(f"{component} was not there in generation {to}")
        return found
    for generation in generations.ancestors(now.number):
        image = runtime.image(generation.number)
        if image is not None and is_other(component, (generation, image), (now, present)):
            return generation
    raise NoGeneration(f"no generation before {now.number} has another {component}")


def _image(runtime: Runtime, generation: Generation) -> Image:
    image = runtime.image(generation.number)
    if image is None:
        raise NoGeneration(f"what generation {generation.number} consisted of is not kept any more")
    return image
