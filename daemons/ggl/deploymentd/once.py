"""The steps that belong to a deployment and not to a component's life: bootstrap at its begin, uninstall at its end.

Each becomes a unit that the host runs once. A bootstrap is due when the component is new, has another version, or when
its bootstrap section has changed; on the way back only where the recipe says so (``BootstrapOnRollback``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ggl.host.unit import ONCE_PHASES
from ggl.log import get_logger
from ggl.recipe.fields import scalar_text
from ggl.recipe.lifecycle import Step, parse_lifecycle
from ggl.recipe.model import RecipeError
from ggl.recipe.units import once_unit

if TYPE_CHECKING:
    from ggl.deploymentd.current import Current
    from ggl.deploymentd.targets import Target
    from ggl.host.unit import Unit
    from ggl.paths import Root

BOOTSTRAP, UNINSTALL = ONCE_PHASES

_log = get_logger("deployment")


def is_bootstrap_due(target: Target, current: Current) -> bool:
    """Whether a deployment of ``target`` has to run its bootstrap step."""
    if BOOTSTRAP not in target.lifecycle.steps:
        return False
    if current.versions.get(target.name) != target.recipe.version:
        return True
    return is_other_bootstrap(target.raw_lifecycle, current.lifecycle(target.name))


def is_other_bootstrap(lifecycle: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether the bootstrap sections of two lifecycles say different things."""
    return bool(_section(lifecycle) != _section(other))


def bootstrap_unit(root: Root, target: Target) -> Unit:
    step = target.lifecycle.steps[BOOTSTRAP]
    return once_unit(target.name, target.recipe.version, step, root=root, user=target.run_as.user, shell=target.shell)


def uninstall_units(root: Root, gone: Iterable[str], current: Current, units: Iterable[Unit]) -> tuple[Unit, ...]:
    """What runs for the components in ``gone`` when they are down. ``units`` are those they had."""
    found = []
    owners = {unit.component: unit for unit in units}
    for name in gone:
        step = _step(current.lifecycle(name), UNINSTALL, name)
        owner = owners.get(name)
        if step is not None and owner is not None:
            found.append(once_unit(name, owner.version, step, root=root, user=owner.user, shell=owner.shell))
    return tuple(found)


def rollback_bootstrap_units(
    root: Root, lifecycles: Mapping[str, Mapping[str, Any]], units: Iterable[Unit]
) -> tuple[Unit, ...]:
    """The bootstrap steps of the components in ``lifecycles`` that are to run on the way back too, in the order of
    ``units``, which are those the components will have."""
    found = []
    for name, unit in {unit.component: unit for unit in units if unit.component in lifecycles}.items():
        step = _step(lifecycles[name], BOOTSTRAP, name)
        if step is not None and step.on_rollback:
            found.append(once_unit(name, unit.version, step, root=root, user=unit.user, shell=unit.shell))
    return tuple(found)


def _step(lifecycle: Mapping[str, Any], name: str, component: str) -> Step | None:
    try:
        return parse_lifecycle(lifecycle).steps.get(name)
    except RecipeError as error:
        _log.warning("the recorded lifecycle of %s cannot be read, its %s is left out: %s", component, name, error)
        return None


def _section(lifecycle: Mapping[str, Any]) -> Any:
    """The bootstrap section in a form that can be compared: keys in any case, values as text."""
    return _comparable(next((value for key, value in lifecycle.items() if key.lower() == BOOTSTRAP), None))


def _comparable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key).lower(): _comparable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_comparable(item) for item in value]
    return scalar_text(value)
