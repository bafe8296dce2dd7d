"""What a deployment wants: every component with its configuration, its scripts and whom they run as.

Everything here is worked out before anything on the device is changed, so that a deployment that cannot work fails with
the device as it was.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ggl.deploymentd.configuration import Change, configure
from ggl.deploymentd.current import NUCLEUS, SERVICES, Current, configuration_path
from ggl.deploymentd.document import ComponentUpdate, Document
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.store import check_deployable, recipe_failure
from ggl.deploymentd.users import RunAs, privilege_failure, run_as
from ggl.log import get_logger
from ggl.recipe.lifecycle import Lifecycle, lifecycle_path, parse_lifecycle, select_lifecycle
from ggl.recipe.model import BUILT_IN, Manifest, Recipe, RecipeError
from ggl.recipe.platform import device_attributes, require_manifest
from ggl.recipe.units import component_units
from ggl.recipe.variables import ComponentValues, Variables, interpolate

if TYPE_CHECKING:
    from ggl.host.unit import Unit
    from ggl.paths import Root

_NOT_RUN_BY_UNITS = ("bootstrap", "uninstall")
_log = get_logger("deployment")


@dataclass(frozen=True)
class Target:
    """One component as it shall be. ``raw_lifecycle`` is the section for this device with its variables replaced."""

    recipe: Recipe
    manifest: Manifest
    configuration: Mapping[str, Any]
    raw_lifecycle: Mapping[str, Any]
    lifecycle: Lifecycle
    run_as: RunAs
    run_with: Mapping[str, Any]
    shell: str = "sh"

    @property
    def name(self) -> str:
        return self.recipe.name


@dataclass(frozen=True)
class Targets:
    """``components`` come after those they depend on. ``operations`` put all configurations in place."""

    components: tuple[Target, ...]
    operations: tuple[dict[str, Any], ...]


def make_targets(
    root: Root,
    recipes: Iterable[Recipe],
    document: Document,
    current: Current,
    *,
    update: bool = True,
    euid: int | None = None,
) -> Targets:
    """Raises ``DeploymentError``. ``update`` false leaves the document's resets and merges out: they have been done."""
    recipes = tuple(recipes)
    known = {recipe.name for recipe in recipes}
    for name in document.updates:
        if name not in known and name not in BUILT_IN:
            text = f"the deployment configures {name}, which is not part of it"
            raise DeploymentError(text, "COMPONENT_METADATA_NOT_VALID_IN_DEPLOYMENT")
    updates = document.updates if update else {}
    changes = {name: _configure(name, {}, updates[name], document, current) for name in updates if name not in known}
    for recipe in recipes:
        entry = updates.get(recipe.name, ComponentUpdate())
        changes[recipe.name] = _configure(recipe.name, recipe.default_configuration, entry, document, current)
    nucleus = next((changes[name].result for name in changes if name in BUILT_IN and _is_nucleus(name)), None)
    if nucleus is None:
        nucleus = _map(current.value(NUCLEUS, "configuration"))
    values = {
        recipe.name: ComponentValues(recipe.name, recipe.version, changes[recipe.name].result) for recipe in recipes
    }
    attributes = device_attributes(_map(nucleus.get("platformOverride")))
    components = []
    for recipe in recipes:
        check_deployable(recipe)
        variables = Variables(
            root,
            values[recipe.name],
            {
                dependency.name: values[dependency.name]
                for dependency in recipe.dependencies
                if dependency.name in values
            },
            current.thing_name,
        )
        with_limits = _run_with(document.updates.get(recipe.name), _map(current.value(recipe.name, "runWith")))
        try:
            components.append(_target(recipe, attributes, variables, nucleus, with_limits, euid))
        except RecipeError as error:
            raise recipe_failure(error) from None
    return Targets(
        tuple(components), tuple(operation for change in changes.values() for operation in change.operations)
    )


def target_units(root: Root, target: Target, digests: Mapping[str, str]) -> tuple[Unit, ...]:
    """The units of ``target``, whose artifacts have the contents ``digests``."""
    content = json.dumps(digests, sort_keys=True)
    user = target.run_as.user
    try:
        return component_units(
            target.recipe, target.lifecycle, root=root, user=user, shell=target.shell, content=content
        )
    except RecipeError as error:
        raise recipe_failure(error) from None


def service_operations(target: Target, current: Current) -> list[dict[str, Any]]:
    """The operations that record what is deployed, besides the configuration.

    What is there is deleted first: on a device whose clock was set back the writes would be older and lose.
    """
    recipe = target.recipe
    path = [SERVICES, recipe.name]
    before = current.value(recipe.name, "version")
    record: dict[str, Any] = {
        "version": recipe.version,
        "componentType": "GENERIC",
        "dependencies": [f"{each.name}:{'HARD' if each.hard else 'SOFT'}" for each in recipe.dependencies],
        "lifecycle": target.raw_lifecycle,
        "runWith": target.run_with,
    }
    if before not in (None, recipe.version):
        record["previousVersion"] = before
    operations: list[dict[str, Any]] = []
    for key, value in record.items():
        operations.append({"op": "delete", "key_path": [*path, key]})
        if value or key != "runWith":
            operations.append({"op": "write", "key_path": [*path, key], "value": value})
    return operations


def _configure(
    name: str, defaults: Mapping[str, Any], update: ComponentUpdate, document: Document, current: Current
) -> Change:
    return configure(
        configuration_path(name),
        current.configuration(name),
        defaults,
        update.reset,
        update.merge,
        document.timestamp,
    )


def _target(
    recipe: Recipe,
    attributes: Mapping[str, str],
    variables: Variables,
    nucleus: Mapping[str, Any],
    run_with: Mapping[str, Any],
    euid: int | None,
) -> Target:
    manifest = require_manifest(recipe, attributes)
    selected, warnings = select_lifecycle(recipe, manifest)
    path = lifecycle_path(manifest)
    raw, unresolved = interpolate(selected, variables, path=path)
    for warning in (*warnings, *unresolved):
        _log.warning("%s %s: %s", recipe.name, recipe.version, warning)
    lifecycle = parse_lifecycle(raw, file=recipe.file, path=path)
    defaults = _map(nucleus.get("runWithDefault"))
    return Target(
        recipe=recipe,
        manifest=manifest,
        configuration=variables.own.configuration,
        raw_lifecycle=raw,
        lifecycle=lifecycle,
        run_as=_run_as(
            recipe.name, lifecycle, str(run_with.get("posixUser") or ""), _text(defaults, "posixUser"), euid
        ),
        run_with=run_with,
        shell=_text(defaults, "posixShell") or "sh",
    )


def _run_as(component: str, lifecycle: Lifecycle, own: str, default: str, euid: int | None) -> RunAs:
    steps = [step for step in lifecycle.steps.values() if step.name not in _NOT_RUN_BY_UNITS]
    privileged = [step.name for step in steps if step.privileged]
    if privileged and (os.geteuid() if euid is None else euid) != 0:
        raise privilege_failure(component, " and ".join(privileged))
    if len(privileged) == len(steps) and not own:
        return RunAs()  # nothing runs as anybody but root
    return run_as(component, own, default, euid)


def _run_with(update: ComponentUpdate | None, before: Mapping[str, Any]) -> dict[str, Any]:
    """What is recorded as ``runWith``: an absent user keeps the one of before, an empty one removes it; limits are
    those of this deployment."""
    if update is None or update.run_with is None:
        return dict(before)
    wanted = update.run_with
    user = before.get("posixUser") if wanted.posix_user is None else wanted.posix_user
    limits = {key: value for key, value in (("memory", wanted.memory), ("cpus", wanted.cpus)) if value is not None}
    return {key: value for key, value in (("posixUser", user), ("systemResourceLimits", limits)) if value}


def _is_nucleus(name: str) -> bool:
    return configuration_path(name) == configuration_path(NUCLEUS)


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    return value if isinstance(value, str) else ""
