"""From a deployment document to what its activation will do. Nothing on the device is changed on the way.

Three stages, since each may take its time and is shown: ``choose`` the versions, ``fetch`` the artifacts (into the
deployment's staging area), ``work_out`` the activation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ggl.deploymentd import images
from ggl.deploymentd.activation import Activation
from ggl.deploymentd.artifacts import content_digest, prepare
from ggl.deploymentd.contents import Contents, merge
from ggl.deploymentd.current import (
    GROUPS_PATH,
    LAST_DEPLOYMENTS_PATH,
    NUCLEUS_NAMES,
    SERVICES,
    TIME_SOURCE,
    Current,
)
from ggl.deploymentd.document import Document
from ggl.deploymentd.errors import REJECTED_STALE, DeploymentError, Rejected
from ggl.deploymentd.large import CAPABILITY as LARGE
from ggl.deploymentd.once import bootstrap_unit, is_bootstrap_due, uninstall_units
from ggl.deploymentd.plan import make_plan
from ggl.deploymentd.queue import now
from ggl.deploymentd.resolver import ANY, Demand, Known, resolve
from ggl.deploymentd.space import STORE_LIMIT
from ggl.deploymentd.targets import make_targets, service_operations, target_units
from ggl.deploymentd.update import ComponentUpdate
from ggl.log import get_logger
from ggl.recipe.model import BUILT_IN
from ggl.recipe.platform import device_attributes
from ggl.version import NUCLEUS, NUCLEUS_ALIAS, NUCLEUS_VERSION

if TYPE_CHECKING:
    from ggl.deploymentd.candidates import Candidates
    from ggl.deploymentd.generation import Image
    from ggl.deploymentd.patience import Patience
    from ggl.deploymentd.staging import Staging
    from ggl.deploymentd.store import Store
    from ggl.deploymentd.targets import Target, Targets
    from ggl.host.status import UnitStatus
    from ggl.host.unit import Unit
    from ggl.paths import Root

_log = get_logger("deployment")
CAPABILITIES = ("SUB_DEPLOYMENTS", "LINUX_RESOURCE_LIMITS", LARGE)


@dataclass(frozen=True)
class Site:
    """What a deployment finds: ``image`` is that of the current generation, ``statuses`` the host's units. ``left`` are
    the groups that the device has left; ``current`` is without them."""

    root: Root
    current: Current
    image: Image
    statuses: Mapping[str, UnitStatus]
    left: tuple[str, ...] = ()


@dataclass(frozen=True)
class Worked:
    """The result."""

    activation: Activation
    changed: tuple[str, ...]
    """The components that are started anew."""
    configurations: Mapping[str, Mapping[str, Any]]
    """The configurations that differ from those of now, by component."""
    groups: Mapping[str, Mapping[str, str]]
    """The roots of every group."""

    def to_validate(self, current: Current) -> dict[str, Mapping[str, Any]]:
        """The configurations of those components whose version stays: they are asked whether they agree."""
        versions = self.activation.versions
        return {
            name: configuration
            for name, configuration in self.configurations.items()
            if name in versions and current.versions.get(name) == versions[name]
        }


def check(document: Document, current: Current, *, from_jobs: bool) -> None:
    """Whether the document may be done at all. Raises ``DeploymentError``, ``Rejected`` when it is out of date."""
    last = current.last_deployment(document.group)
    if from_jobs and document.timestamp < last:
        text = (
            f"a deployment of the group {document.group} that was made later has been done already "
            f"({document.timestamp} is before {last})"
        )
        raise Rejected(text, REJECTED_STALE)
    unknown = [name for name in document.required_capabilities if name not in CAPABILITIES]
    if unknown:
        text = f"the deployment needs what this runtime cannot do: {', '.join(unknown)}"
        raise DeploymentError(text, "NUCLEUS_MISSING_REQUIRED_CAPABILITIES")


def attributes(current: Current) -> dict[str, str]:
    """Those of this device, as manifests ask for them."""
    override = current.value(NUCLEUS, "configuration", "platformOverride")
    return device_attributes(override if isinstance(override, Mapping) else {})


def choose(document: Document, current: Current, store: Store, candidates: Candidates | None = None) -> dict[str, str]:
    """Name and version of every component, each after those it depends on. ``candidates``: how the cloud is asked.

    Raises ``DeploymentError``.
    """
    groups = {**current.groups, document.group: dict(document.roots)}
    named = document.roots.get(NUCLEUS_ALIAS, NUCLEUS_VERSION)
    if named != NUCLEUS_VERSION:
        _log.warning("the deployment names version %s of the nucleus: this runtime stays %s", named, NUCLEUS_VERSION)
    demands = [
        # A deployment cannot bring another runtime: whatever version it names, the one that is here is configured.
        Demand(name, ANY if name in BUILT_IN else version, _source(group, document), group=group)
        for group, roots in groups.items()
        for name, version in roots.items()
    ]
    # Only the nucleus has the version that requirements are written for; the others have numbers of their own.
    provided = {name: NUCLEUS_VERSION if name == NUCLEUS_ALIAS else None for name in BUILT_IN}
    known = Known(store.versions, store.dependencies, current.versions, provided)
    if candidates is not None:
        known = replace(known, decide=candidates.decide, lacking=candidates.lacking)
    return resolve(demands, known)


def _source(group: str, document: Document) -> str:
    return "the deployment" if group == document.group else f"the group {group}"


def fetch(
    site: Site,
    document: Document,
    versions: Mapping[str, str],
    store: Store,
    staging: Staging,
    patience: Patience,
) -> tuple[Targets, dict[str, Contents]]:
    """What every component shall be, and what its files are. ``patience`` is told of each component, and may raise.
    Raises ``DeploymentError`` or ``OSError``."""
    recipes = [store.recipe(name, version) for name, version in versions.items()]
    if _counts_from_now(document, site.current):
        document = replace(document, timestamp=now())
    targets = make_targets(site.root, recipes, document, site.current)
    images.check(
        targets.components, {*document.roots, *(name for roots in site.current.groups.values() for name in roots)}
    )
    contents = {}
    limit = site.current.store_limit or STORE_LIMIT
    for target in targets.components:
        patience.check()
        patience.tell(f"preparing {target.name}")
        contents[target.name] = prepare(
            site.root, staging, target.recipe, target.manifest, target.run_as.owner, store, limit, patience
        )
    return targets, contents


def work_out(
    site: Site, document: Document, targets: Targets, contents: Mapping[str, Contents], store: Store
) -> Worked:
    """The activation. Raises ``DeploymentError``."""
    current, image = site.current, site.image
    units: list[Unit] = []
    bootstrap: list[Unit] = []
    operations: list[Mapping[str, Any]] = list(targets.operations)
    touched = dict.fromkeys(targets.changed)
    for target in targets.components:
        own = target_units(site.root, target, content_digest(contents[target.name]))
        units += own
        record = service_operations(target, current, store.arn(target.name, target.recipe.version))
        operations += record
        if record or _differs(target, own, contents[target.name], image):
            touched[target.name] = None
        if is_bootstrap_due(target, current):
            bootstrap.append(bootstrap_unit(site.root, target))
    versions = {target.name: target.recipe.version for target in targets.components}
    gone = tuple(name for name in current.versions if name not in versions)
    plan = make_plan(units, site.statuses)
    activation = Activation(
        versions=versions,
        requirements=_requirements(targets.components),
        units=tuple(units),
        contents=merge(contents.values()),
        operations=tuple(operations),
        commit=(*_groups(document, site.left), *({"op": "delete", "key_path": [SERVICES, name]} for name in gone)),
        touched=(*touched, *gone),
        removed=tuple(dict.fromkeys((*gone, *plan.removed))),
        bootstrap=tuple(bootstrap),
        uninstall=uninstall_units(site.root, gone, current, image.units),
    )
    groups = {**current.groups, document.group: document.roots}
    return Worked(activation, plan.changed, targets.changed, groups)


def _counts_from_now(document: Document, current: Current) -> bool:
    """Whether what is merged counts from when it is done, rather than from when the deployment was made. A deployment
    that changes this setting is done by it."""
    source = current.time_source
    for name in NUCLEUS_NAMES:
        merge = document.updates.get(name, ComponentUpdate()).merge or {}
        source = next((value for key, value in merge.items() if key.lower() == TIME_SOURCE.lower()), source)
    return isinstance(source, str) and source.lower() == "deploymentprocessingtime"


def _differs(target: Target, units: tuple[Unit, ...], contents: Contents, image: Image) -> bool:
    if tuple(unit for unit in image.units if unit.component == target.name) != units:
        return True
    return any(image.contents.files.get(path) != file for path, file in contents.files.items())


def _requirements(targets: tuple[Target, ...]) -> dict[str, dict[str, str]]:
    return {
        target.name: {
            dependency.name: dependency.requirement
            for dependency in target.recipe.dependencies
            if dependency.name not in BUILT_IN
        }
        for target in targets
    }


def _groups(document: Document, left: Iterable[str]) -> list[dict[str, Any]]:
    """The operations that record the roots of the group, and which deployment it had last, and forget the groups that
    the device has ``left``.

    What is there is deleted first: on a device whose clock was set back the writes would be older and lose.
    """
    roots, last = [*GROUPS_PATH, document.group], [*LAST_DEPLOYMENTS_PATH, document.group]
    operations: list[dict[str, Any]] = [
        {"op": "delete", "key_path": [*path, group]}
        for group in (*left, document.group)
        for path in (GROUPS_PATH, LAST_DEPLOYMENTS_PATH)
    ]
    for name, version in document.roots.items():
        root = {"version": version, "groupConfigArn": document.configuration_arn, "groupConfigName": document.group}
        operations.append({"op": "write", "key_path": [*roots, name], "value": root})
    done = {"timestamp": document.timestamp, "configArn": document.configuration_arn}
    return [*operations, {"op": "write", "key_path": last, "value": done}]
