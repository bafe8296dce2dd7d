"""What a deployment wants: every component with its configuration, its scripts and whom they run as.

Everything here is worked out before anything on the device is changed, so that a deployment that cannot work fails with
the device as it was.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ggl.deploymentd.configuration import Change, configure, plain
from ggl.deploymentd.current import SERVICES, Current, configuration_path
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
from ggl.version import NUCLEUS, NUCLEUS_VERSION

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
    values = {name: ComponentValues(name, NUCLEUS_VERSION, _built_in(name, changes, current)) for name in BUILT_IN}
    values |= {recipe.name: ComponentValues(recipe.name, recipe.version) for recipe in recipes}
    nucleus = values[NUCLEUS].configuration
    replacing = _is_true(nucleus.get("interpolateComponentConfiguration"))
    for recipe in recipes:
        defaults, entry = recipe.default_configuration, updates.get(recipe.name, ComponentUpdate())
        if replacing:
            variables = _variables(root, recipe, values, current.thing_name)
            defaults = _replaced(defaults, variables)
            entry = replace(entry, merge=_replaced(entry.merge, variables))
        changes[recipe.name] = _configure(recipe.name, defaults, entry, document, current)
    for recipe in recipes:
        values[recipe.name] = replace(values[recipe.name], configuration=changes[recipe.name].result)
    attributes = device_attributes(_map(nucleus.get("platformOverride")))
    components = []
    for recipe in recipes:
        check_deployable(recipe)
        variables = _variables(root, recipe, values, current.thing_name)
        before = _map(current.value(recipe.name, "runWith"))
        run_with = _run_with(recipe.name, document.updates.get(recipe.name), before)
        try:
            components.append(_target(recipe, attributes, variables, nucleus, run_with, euid))
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


def _built_in(name: str, changes: Mapping[str, Change], current: Current) -> Mapping[str, Any]:
    """The configuration of a component that is part of the runtime, as it will be."""
    path = configuration_path(name)
    change = next((change for changed, change in changes.items() if configuration_path(changed) == path), None)
    return plain(current.configuration(name)) if change is None else change.result


def _variables(root: Root, recipe: Recipe, values: Mapping[str, ComponentValues], thing_name: str) -> Variables:
    direct = {each.name: values[each.name] for each in recipe.dependencies if each.name in values}
    return Variables(root, values[recipe.name], direct, thing_name)


def _replaced(configuration: Any, variables: Variables) -> Any:
    """``configuration`` with its variables replaced, but for those that stand for configuration themselves."""
    own = variables.own
    result, unresolved = interpolate(configuration, variables, path="configuration", configuration=False)
    for warning in unresolved:
        _log.warning("%s %s: %s", own.name, own.version, warning)
    return result


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
    if "bootstrap" in lifecycle.steps:
        text = f"{recipe.name} {recipe.version} has a bootstrap step, which this runtime cannot run yet"
        raise DeploymentError(f"{text}: do the same in its install step", "COMPONENT_BOOTSTRAP_ERROR")
    if "uninstall" in lifecycle.steps:
        _log.warning("%s %s: its uninstall step will not be run", recipe.name, recipe.version)
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


def _run_with(name: str, update: ComponentUpdate | None, before: Mapping[str, Any]) -> dict[str, Any]:
    """What is recorded as ``runWith``: an absent user keeps the one of before, an empty one removes it."""
    if update is None or update.run_with is None:
        return dict(before)
    wanted = update.run_with
    if wanted.memory is not None or wanted.cpus is not None:
        text = f"{name} shall run within systemResourceLimits, which this runtime cannot enforce yet: leave them out"
        raise DeploymentError(text, "RUN_WITH_CONFIG_NOT_VALID")
    user = before.get("posixUser") if wanted.posix_user is None else wanted.posix_user
    return {"posixUser": user} if user else {}


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(data: Mapping[str, Any], key: str) -> str:
    """A string, or a number as one: ``posixUser: 1000``."""
    value = data.get(key)
    return str(value) if type(value) in (str, int) else ""


def _is_true(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.lower() == "true")
