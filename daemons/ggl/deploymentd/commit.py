"""What is written about generations when a deployment begins to change the device, and when it has.

Pure, but for ``commit_operations``, which reads the configuration as it is at the end.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ggl.deploymentd.configuration import applied
from ggl.deploymentd.current import SERVICES, Current
from ggl.deploymentd.generation import (
    DEFAULT_KEEP,
    Generation,
    Generations,
    Image,
    current_operation,
    drop_operations,
    image_fits,
    put_operations,
    services_to_keep,
)
from ggl.deploymentd.queue import now
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.deploymentd.activation import Activation
    from ggl.deploymentd.record import Deployment
    from ggl.deploymentd.runtime import Runtime

_log = get_logger("deployment")


def leave_operations(generations: Generations, image: Image | None, current: Current) -> list[dict[str, Any]]:
    """The present generation as it is left: with what components have stored since it was made.

    The device before its first deployment becomes generation 0. A generation whose image is lost gets no new one:
    without its units and files there is no going back to it. One whose configuration has grown beyond what can be kept
    stays as it was made: deployments go on, and only they can make the configuration smaller.
    """
    generation = generations.get(generations.current)
    if generation is None:
        first = Generation(generations.current, created=now(), components=current.versions)
        image = image or (Image() if not generations.known else None)
        return [*put_operations(first, _left(first, image, current)), current_operation(first.number)]
    left = _left(generation, image, current)
    return [] if left is None else put_operations(generation, left)


def _left(generation: Generation, image: Image | None, current: Current) -> Image | None:
    if image is None:
        return None
    left = replace(image, services=services_to_keep(current.services, generation.components))
    if image_fits(left):
        return left
    _log.warning(
        "the configuration is too large to be kept as it is now: going back to generation %d will put back the "
        "configuration that it was made with",
        generation.number,
    )
    return None


def image_after(activation: Activation, current: Current) -> Image:
    """What will be kept of the generation that ``activation`` makes, as far as can be told before it is done: ask
    ``image_fits`` about it while nothing has changed yet."""
    operations = (*activation.operations, *activation.commit)
    services = applied(operations, {SERVICES: current.services}, now()).get(SERVICES, {})
    return Image(services_to_keep(services, activation.versions), activation.units, activation.contents)


def commit_operations(
    deployment: Deployment, activation: Activation, runtime: Runtime, *, good: bool
) -> tuple[int, list[dict[str, Any]]]:
    """The number of the generation that is current from now on, and the operations that record it.

    A deployment that changed nothing makes none: going back from it would lead nowhere.
    """
    generations, current = runtime.generations(), runtime.current()
    target = generations.get(deployment.target)
    if target is not None:
        known_now = replace(target, good=good, broken=() if good else deployment.broken)
        learned = [] if known_now == target else put_operations(known_now)
        return target.number, [*learned, current_operation(target.number)]
    base = generations.get(deployment.base)
    if good and base is not None and base.good and _is_same(deployment, activation, runtime, current):
        return base.number, []
    generation = Generation(
        number=_number(deployment, generations),
        parent=deployment.base,
        created=now(),
        good=good,
        broken=() if good else deployment.broken,
        deployment_id=deployment.deployment_id,
        type=deployment.type,
        name=deployment.name,
        by=deployment.requested_by,
        group=deployment.group,
        components=activation.versions,
        requirements=activation.requirements,
        changed=deployment.changed,
        removed=deployment.removed,
        touched=activation.touched,
    )
    image = Image(services_to_keep(current.services, activation.versions), activation.units, activation.contents)
    keep = current.generations_to_keep or DEFAULT_KEEP
    known = Generations({**generations.known, generation.number: generation}, generation.number)
    return generation.number, [
        *drop_operations(known.outdated(keep)),  # first: the new image then takes the room of the old one
        *put_operations(generation, image),
        current_operation(generation.number),
    ]


def _number(deployment: Deployment, generations: Generations) -> int:
    """A new one; but what was recorded without an answer being heard is recorded again under its number."""
    current = generations.get(generations.current)
    made = current is not None and current.deployment_id == deployment.deployment_id
    return generations.current if made and generations.current != deployment.base else generations.next_number


def _is_same(deployment: Deployment, activation: Activation, runtime: Runtime, current: Current) -> bool:
    if deployment.changed or activation.touched or activation.removed:
        return False
    image = runtime.image(deployment.base)
    return image is not None and Current(image.services).groups == current.groups
