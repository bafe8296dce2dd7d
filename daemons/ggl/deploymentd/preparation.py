"""What a deployment does before anything on the device changes: from what was asked for to the activation.

Each stage is shown and written down as a step; between two of them the deployment can be canceled, and an interruption
makes it begin anew with the same document.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ggl.deploymentd import connected, consent, forward, images, rollback
from ggl.deploymentd.candidates import Candidates
from ggl.deploymentd.commit import image_after
from ggl.deploymentd.document import DO_NOTHING, NOTIFY, ROLLBACK, Document, decode, encode
from ggl.deploymentd.durable import sync_filesystem
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.generation import image_fits
from ggl.deploymentd.groups import left_groups
from ggl.deploymentd.large import CAPABILITY, completed
from ggl.deploymentd.local import decode_request, local_document
from ggl.deploymentd.patience import for_deployment
from ggl.deploymentd.queue import INPUTS, put
from ggl.deploymentd.record import IOT_JOBS, ROLLBACK_TYPE
from ggl.deploymentd.staging import staging_of
from ggl.deploymentd.store import Store
from ggl.deploymentd.switch import find_switch, try_out
from ggl.values import InvalidValue, get_float, get_int, get_str

if TYPE_CHECKING:
    from ggl.deploymentd.activation import Activation
    from ggl.deploymentd.current import Current
    from ggl.deploymentd.journal import Journal
    from ggl.deploymentd.patience import Patience
    from ggl.deploymentd.runtime import Runtime
    from ggl.paths import Root


@dataclass(frozen=True)
class Prepared:
    """``changed`` are the components that are started anew, ``record`` is what the deployment's record says from the
    activation on."""

    activation: Activation
    changed: tuple[str, ...]
    record: Mapping[str, Any]


def prepare(root: Root, runtime: Runtime, journal: Journal) -> Prepared:
    """Raises ``DeploymentError``, ``InvalidValue``, ``OSError`` and ``BusError``, and what ``Journal.check`` raises."""
    deployment = journal.deployment
    inputs = runtime.get(INPUTS, deployment.deployment_id)
    if not isinstance(inputs, dict):
        raise InvalidValue("what was to be deployed is not known any more")
    if deployment.type == ROLLBACK_TYPE:
        return _from_generation(root, runtime, journal, inputs)
    return _from_document(root, runtime, journal, inputs)


def _from_document(root: Root, runtime: Runtime, journal: Journal, inputs: dict[str, Any]) -> Prepared:
    deployment = journal.deployment
    cloud = connected.cloud_of(root, runtime, deployment)
    patience = for_deployment(journal, cloud.data_plane, cloud.online)
    current = runtime.current()
    document = _document(runtime, journal, inputs, current, patience)
    staging = staging_of(root, deployment.deployment_id)
    store = Store(root, staging, current.arns)
    store.check()
    journal.check()
    journal.enter("resolve", "choosing versions")
    left = left_groups(patience, current, document.group)
    current = current.without_groups(left)
    candidates = Candidates(patience, store, forward.attributes(current), prefers_local=deployment.is_local)
    versions = forward.choose(document, current, store, candidates)
    journal.check()
    journal.enter("download", f"preparing {count(versions)}" if versions else "no component is left")
    journal.note(components=versions)
    site = forward.Site(root, current, runtime.current_image(), runtime.units(), left)
    targets, contents = forward.fetch(site, document, versions, store, staging, patience)
    images.pull(root, targets.components, patience)
    journal.check()
    journal.enter("prepare", "working out what changes")
    worked = forward.work_out(site, document, targets, contents, store)
    runtime.check_operations((*worked.activation.operations, *worked.activation.commit))
    if not image_fits(image_after(worked.activation, current)):
        text = "the configuration of all components together would be too large to be kept for going back to it"
        raise DeploymentError(f"{text}: make it smaller", "COMPONENT_METADATA_NOT_VALID_IN_DEPLOYMENT")
    switch = find_switch(current, worked.configurations)
    if cloud.is_provisioned:
        sync_filesystem(staging.path)  # what was fetched is on the disk before the record that counts on it
    if document.update_action == NOTIFY:
        journal.check()
        journal.enter("notify", "asking the components whether the update may begin", notified=True)
        restarting = bool(worked.activation.bootstrap)
        consent.ask_for_update(
            runtime, journal, deployment.deployment_id, document.update_timeout, restarting=restarting
        )
    if proposed := worked.to_validate(current):
        journal.check()
        journal.enter("validate", "asking the components whether they accept their new configuration")
        consent.validate(runtime, journal.check, deployment.deployment_id, document.validation_timeout, proposed)
    if switch is not None and cloud.is_provisioned:
        journal.check()
        journal.enter("validate", "trying the new endpoints")
        try_out(runtime, switch)
    # What a bootstrap step did cannot be told from outside, and nobody reaches a device at the wrong endpoint: then
    # there is no staying half way.
    decided = ROLLBACK if worked.activation.bootstrap or switch is not None else document.failure_policy
    record = {
        "policy": decided,
        "wait_timeout": document.wait_timeout,
        "source_endpoint": switch.source_endpoint if switch is not None and cloud.is_provisioned else "",
    }
    return Prepared(worked.activation, worked.changed, record)


def _document(
    runtime: Runtime, journal: Journal, inputs: dict[str, Any], current: Current, patience: Patience
) -> Document:
    """The document; from now on the deployment goes on with this one, whatever happens."""
    deployment = journal.deployment
    operations = []
    if "document" in inputs:
        document = decode(inputs["document"])
    else:
        request = decode_request(inputs["request"])
        roots = current.groups.get(request.group, {})
        document = local_document(request, deployment.deployment_id, deployment.created, roots)
        operations.append(put(INPUTS, deployment.deployment_id, {"document": encode(document)}))
    forward.check(document, current, from_jobs=deployment.type == IOT_JOBS)
    if CAPABILITY in document.required_capabilities and "document" in inputs:
        journal.note(message="fetching the whole of the deployment document")
        document = decode(completed(inputs["document"], document.deployment_id, patience))
    journal.write(
        operations,
        roots=dict(document.roots),
        group=document.group,
        policy=document.failure_policy,
        name=document.name,
        configuration_arn=document.configuration_arn,
    )
    return document


def _from_generation(root: Root, runtime: Runtime, journal: Journal, inputs: dict[str, Any]) -> Prepared:
    journal.enter("prepare", "working out what changes")
    to, component = get_int(inputs, "to", None), get_str(inputs, "component", "")
    way = rollback.way_back(root, runtime, to, component)
    record = {
        "policy": DO_NOTHING,
        "wait_timeout": get_float(inputs, "timeout"),
        "target": -1 if component else way.target.number,
        "roots": {name: version for roots in way.groups.values() for name, version in roots.items()},
    }
    return Prepared(way.activation, rollback.changed_by(way.activation, runtime.units()), record)


def count(items: Iterable[str]) -> str:
    """``items`` in words: the name of the only one, or how many there are."""
    names = list(items)
    return names[0] if len(names) == 1 else f"{len(names)} components"
