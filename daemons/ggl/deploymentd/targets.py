"""What a deployment wants: every component with its configuration, its scripts and whom they run as.

Everything here is worked out before anything on the device is changed, so that a deployment that cannot work fails with
the device as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ggl.deploymentd.configuration import DEFAULT_TIMESTAMP, Change, configure, plain
from ggl.deploymentd.current import SERVICES, Current, configuration_path
from ggl.deploymentd.document import Document
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.store import check_deployable, recipe_failure
from ggl.deploymentd.update import ComponentUpdate, limits_of
from ggl.deploymentd.users import RunAs, privilege_failure, run_as
from ggl.host.unit import Limits
from ggl.log import get_logger
from ggl.privilege import can_change_users
from ggl.recipe.lifecycle import Lifecycle, lifecycle_path, parse_lifecycle, select_lifecycle
from ggl.recipe.model import BUILT_IN, Manifest, Recipe, RecipeError
from ggl.recipe.platform import device_attributes, require_manifest
from ggl.recipe.units import component_units
from ggl.recipe.variables import ComponentValues, Variables, interpolate
from ggl.values import InvalidValue
from ggl.version import NUCLEUS, NUCLEUS_VERSION

if TYPE_CHECKING:
    from ggl.host.unit import Unit
    from ggl.paths import Root

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
    limits: Limits = field(default_factory=Limits)
    shell: str = "sh"

    @property
    def name(self) -> str:
        return self.recipe.name


@dataclass(frozen=True)
class Targets:
    """``components`` come after those they depend on. ``operations`` put all configurations in place; ``changed`` holds
    the configurations that differ from those of now, by component."""

    components: tuple[Target, ...]
    operations: tuple[dict[str, Any], ...]
    changed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def make_targets(
    root: Root,
    recipes: Iterable[Recipe],
    document: Document,
    current: Current,
    *,
    euid: int | None = None,
) -> Targets:
    """Raises ``DeploymentError``."""
    recipes = tuple(recipes)
    known = {recipe.name for recipe in recipes}
    _check_names({*known, *current.versions})
    for name in document.updates:
        if name not in known and name not in BUILT_IN:
            text = f"the deployment configures {name}, which is not part of it"
            raise DeploymentError(text, "COMPONENT_METADATA_NOT_VALID_IN_DEPLOYMENT")
    updates = document.updates
    changes = {name: _configure(name, {}, updates[name], document, current) for name in updates if name not in known}
    values = {name: ComponentValues(name, NUCLEUS_VERSION, _built_in(name, changes, current)) for name in BUILT_IN}
    values |= {recipe.name: ComponentValues(recipe.name, recipe.version) for recipe in recipes}
    nucleus = values[NUCLEUS].configuration
    _check_defaults(_map(nucleus.get("runWithDefault")), current, euid)
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
    differing = {
        name: change.result
        for name, change in changes.items()
        if change.result != plain(current.configuration(name)) or _lacks_configuration(name, current)
    }
    operations = (
        operation
        for name, change in changes.items()
        for operation in change.operations
        if name in differing or operation.get("timestamp") != DEFAULT_TIMESTAMP
    )
    return Targets(tuple(components), tuple(operations), differing)


def target_units(root: Root, target: Target, content: str) -> tuple[Unit, ...]:
    """The units of ``target``; ``content`` is the digest of its artifacts."""
    try:
        return component_units(
            target.recipe,
            target.lifecycle,
            root=root,
            user=target.run_as.user,
            shell=target.shell,
            content=content,
            limits=target.limits,
        )
    except RecipeError as error:
        raise recipe_failure(error) from None


def service_operations(target: Target, current: Current, arn: str = "") -> list[dict[str, Any]]:
    """The operations that record what is deployed, besides the configuration, where it differs from what is recorded.
    ``arn`` is what the cloud calls the component version; empty when it does not come from there.

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
        "runWith": target.run_with or None,
        "arn": arn or None,
    }
    if before not in (None, recipe.version):
        record["previousVersion"] = before
    operations: list[dict[str, Any]] = []
    for key, value in record.items():
        if value == current.value(recipe.name, key):
            continue
        operations.append({"op": "delete", "key_path": [*path, key]})
        if value is not None:
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
        limits=_limits(recipe.name, run_with, defaults),
        shell=_text(defaults, "posixShell") or "sh",
    )


def _run_as(component: str, lifecycle: Lifecycle, own: str, default: str, euid: int | None) -> RunAs:
    steps = list(lifecycle.steps.values())
    privileged = [step.name for step in steps if step.privileged]
    if privileged and not (can_change_users() if euid is None else euid == 0):
        raise privilege_failure(component, " and ".join(privileged))
    if len(privileged) == len(steps) and not own:
        return RunAs()  # nothing runs as anybody but root
    return run_as(component, own, default, euid)


def _run_with(name: str, update: ComponentUpdate | None, before: Mapping[str, Any]) -> dict[str, Any]:
    """What is recorded as ``runWith``: an absent user keeps the one of before, an empty one removes it; limits are what
    the deployment says."""
    if update is None or update.run_with is None:
        return dict(before)
    wanted = update.run_with
    user = before.get("posixUser") if wanted.posix_user is None else wanted.posix_user
    limits = {"memory": wanted.memory, "cpus": wanted.cpus}
    limits = {key: value for key, value in limits.items() if value is not None}
    return {**({"posixUser": user} if user else {}), **({"systemResourceLimits": limits} if limits else {})}


def _limits(name: str, run_with: Mapping[str, Any], defaults: Mapping[str, Any]) -> Limits:
    """The component's own limits, else the default ones; each of memory and processors for itself."""
    own, default = _map(run_with.get("systemResourceLimits")), _map(defaults.get("systemResourceLimits"))
    try:
        wanted = limits_of({**default, **own})
    except InvalidValue as error:
        text = f"{name} cannot run here: runWithDefault of the nucleus configuration: {error}"
        raise DeploymentError(text, "RUN_WITH_CONFIG_NOT_VALID") from None
    return Limits(wanted.memory, wanted.cpus)


def _check_defaults(defaults: Mapping[str, Any], current: Current, euid: int | None) -> None:
    """Other defaults must be good for something, also while every component has a user of its own."""
    before = plain(current.configuration(NUCLEUS)).get("runWithDefault")
    user = _text(defaults, "posixUser")
    if defaults == before:
        return
    if user:
        run_as("a component without a posixUser of its own", "", user, euid)
    _limits("a component without limits of its own", {}, defaults)


def _check_names(names: Iterable[str]) -> None:
    """The configuration knows no upper and lower case: two such components would be one in it."""
    seen: dict[str, str] = {}
    for name in sorted(names):
        other = seen.setdefault(name.lower(), name)
        if other != name:
            text = f"the components {other} and {name} differ in letter case only: rename one, or remove it first"
            raise DeploymentError(text, "COMPONENT_METADATA_NOT_VALID_IN_DEPLOYMENT")


def _lacks_configuration(name: str, current: Current) -> bool:
    return current.value(*configuration_path(name)[1:]) is None


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(data: Mapping[str, Any], key: str) -> str:
    """A string, or a number as one: ``posixUser: 1000``."""
    value = data.get(key)
    return str(value) if type(value) in (str, int) else ""


def _is_true(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.lower() == "true")
