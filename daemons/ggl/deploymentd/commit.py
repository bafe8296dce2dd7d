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
    worse,
)
from ggl.deploymentd.queue import now

if TYPE_CHECKING:
    from ggl.deploymentd.activation import Activation
    from ggl.deploymentd.record import Deployment
    from ggl.deploymentd.runtime import Runtime


def leave_operations(generations: Generations, image: Image, current: Current) -> list[dict[str, Any]]:
    """The present generation as it is left: with what components have stored since it was made.

    The device before its first deployment becomes generation 0.
    """
    generation = generations.get(generations.current)
    first = [] if generation is not None else [current_operation(generations.current)]
    generation = generation or Generation(generations.current, created=now(), components=current.versions)
    return [*put_operations(generation, replace(image, services=current.services)), *first]


def commit_operations(
    deployment: Deployment, activation: Activation, runtime: Runtime, *, good: bool
) -> tuple[int, list[dict[str, Any]]]:
    """The number of the generation that is current from now on, and the operations that record it.

    A deployment that changed nothing makes none: going back from it would lead nowhere.
    """
    generations, current = runtime.generations(), runtime.current()
    target = generations.get(deployment.target)
    if target is not None:
        spoilt = [] if good else put_operations(worse(target))
        return target.number, [*spoilt, current_operation(target.number)]
    base = generations.get(deployment.base)
    if good and base is not None and base.good and _is_same(deployment, activation, runtime, current):
        return base.number, []
    generation = Generation(
        number=generations.next_number,
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


def _is_same(deployment: Deployment, activation: Activation, runtime: Runtime, current: Current) -> bool:
    if deployment.changed or activation.touched or activation.removed:
        return False
    image = runtime.image(deployment.base)
    return image is not None and Current(image.services).groups == current.groups
