"""What is written about generations when a deployment begins to change the device, and when it has.

Pure, but for ``commit_operations``, which reads the configuration as it is at the end.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ggl.deploymentd.current import Current
from ggl.deploymentd.generation import (
    DEFAULT_KEEP,
    Generation,
    Generations,
    Image,
    current_operation,
    drop_operations,
    put_operations,
)
from ggl.deploymentd.queue import now

if TYPE_CHECKING:
    from ggl.deploymentd.activation import Activation
    from ggl.deploymentd.record import Deployment
    from ggl.deploymentd.runtime import Runtime


def leave_operations(generations: Generations, image: Image | None, current: Current) -> list[dict[str, Any]]:
    """The present generation as it is left: with what components have stored since it was made.

    The device before its first deployment becomes generation 0. A generation whose image is lost gets no new one:
    without its units and files there is no going back to it.
    """
    generation = generations.get(generations.current)
    if generation is None:
        first = Generation(generations.current, created=now(), components=current.versions)
        image = image or (Image() if not generations.known else None)
        left = None if image is None else replace(image, services=current.services)
        return [*put_operations(first, left), current_operation(first.number)]
    return [] if image is None else put_operations(generation, replace(image, services=current.services))


def commit_operations(
    deployment: Deployment, activation: Activation, runtime: Runtime, *, good: bool
) -> tuple[int, list[dict[str, Any]]]:
    """The number of the generation that is current from now on, and the operations that record it.

    A deployment that changed nothing makes none: going back from it would lead nowhere.
    """
    generations, current = runtime.generations(), runtime.current()
    target = generations.get(deployment.target)
    if target is not None:
        learned = [] if good == target.good else put_operations(replace(target, good=good))
        return target.number, [*learned, current_operation(target.number)]
    base = generations.get(deployment.base)
    if good and base is not None and base.good and _is_same(deployment, activation, runtime, current):
        return base.number, []
    generation = Generation(
        number=_number(deployment, generations),
        parent=deployment.base,
        created=now(),
        good=good,
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
    image = Image(current.services, activation.units, activation.contents)
    keep = current.generations_to_keep or DEFAULT_KEEP
    known = Generations({**generations.known, generation.number: generation}, generation.number)
    return generation.number, [
        *put_operations(generation, image),
        current_operation(generation.number),
        *drop_operations(known.outdated(keep)),
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
