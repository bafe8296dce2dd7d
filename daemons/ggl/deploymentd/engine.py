"""One deployment from its document to its outcome.

The steps, each of which may be done again after an interruption::

    ingest      take recipes and artifacts from the staging area into the store
    resolve     choose the versions
    prepare     work out configurations, scripts and users; check and unpack artifacts
    configure   one transaction: configuration, and what is deployed
    stop        what is removed or changed, with its old shutdown script
    start       the new units
    wait        until everything is RUNNING or FINISHED, or one is BROKEN
    remove      what is not wanted any more; the roots of the group are recorded

Up to ``prepare`` nothing on the device changes but the store. The record says that ``configure`` is done as soon as it
is, so that a reset is not done twice, with what a component has written in between.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ggl.deploymentd.artifacts import prepare
from ggl.deploymentd.current import GROUPS_PATH, SERVICES, Current
from ggl.deploymentd.document import Document, decode, decode_request, encode, local_document
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.plan import Plan, make_plan
from ggl.deploymentd.record import IN_PROGRESS, QUEUED, Deployment
from ggl.deploymentd.resolver import Demand, Known, resolve
from ggl.deploymentd.settling import Settling
from ggl.deploymentd.staging import staging_of
from ggl.deploymentd.store import Store
from ggl.deploymentd.targets import Target, Targets, make_targets, service_operations, target_units
from ggl.host.unit import COMPONENT_PREFIX
from ggl.log import get_logger
from ggl.recipe.model import BUILT_IN
from ggl.version import NUCLEUS_ALIAS, NUCLEUS_VERSION

if TYPE_CHECKING:
    from ggl.deploymentd.runtime import Runtime
    from ggl.paths import Root

STEPS = ("ingest", "resolve", "prepare", "configure", "stop", "start", "wait", "remove")
CAPABILITIES = ("LARGE_CONFIGURATION", "SUB_DEPLOYMENTS")
INGEST = "taking over recipes and artifacts"
_POLL = 1.0
"""Seconds after which a wait looks whether it should go on."""

_log = get_logger("deployment")


@dataclass
class Engine:
    """``progress(durable, changes)`` records what is being done: on the disk, or only for those who watch."""

    root: Root
    runtime: Runtime
    deployment: Deployment
    progress: Callable[[bool, Mapping[str, Any]], None]
    closing: Callable[[], bool] = lambda: False
    changing: bool = False
    """The device is not as it was before the deployment."""

    def run(self) -> None:
        """Raises ``DeploymentError``, or ``BusError`` and ``OSError`` when the runtime or the disk fails."""
        self.changing = self.deployment.step in STEPS[STEPS.index("stop") :]
        resumed = self.changing
        current = self.runtime.current()
        document = self._begin(current)
        self._step("ingest", INGEST)
        store = Store(self.root)
        store.ingest(staging_of(self.root, self.deployment.deployment_id))
        self._step("resolve", "choosing versions")
        versions = self._resolve(document, current, store)
        self.progress(False, {"components": versions})
        self._step("prepare", f"preparing {_count(versions)}" if versions else "no component is left")
        recipes = [store.recipe(name, version) for name, version in versions.items()]
        targets = make_targets(self.root, recipes, document, current, update=not resumed)
        plan = self._plan(targets)
        self._configure(targets, plan, current)
        self._switch(plan)
        failure = self._wait(targets, plan, document.wait_timeout)
        self._remove(plan, document, current, versions)
        if failure is not None:
            raise failure

    # -- before anything changes -------------------------------------------------------------------------------------

    def _begin(self, current: Current) -> Document:
        """The document; from now on the deployment goes on with this one, whatever happens."""
        deployment = self.deployment
        if deployment.status != QUEUED and deployment.document:
            return decode(deployment.document)
        if deployment.document:
            document = decode(deployment.document)
        else:
            request = decode_request(deployment.request)
            roots = current.groups.get(request.group, {})
            document = local_document(request, deployment.deployment_id, deployment.created, roots)
        if current.stamps_with_processing_time:
            document = replace(document, timestamp=time.time_ns() // 1_000_000)
        unknown = [name for name in document.required_capabilities if name not in CAPABILITIES]
        if unknown:
            text = f"the deployment needs what this runtime cannot do: {', '.join(unknown)}"
            raise DeploymentError(text, "NUCLEUS_MISSING_REQUIRED_CAPABILITIES")
        changes = {"document": encode(document), "roots": dict(document.roots), "group": document.group}
        self.progress(True, {"status": IN_PROGRESS, "step": STEPS[0], "message": INGEST, **changes})
        return document

    def _resolve(self, document: Document, current: Current, store: Store) -> dict[str, str]:
        groups = {**current.groups, document.group: dict(document.roots)}
        demands = [
            Demand(name, version, "the deployment" if group == document.group else f"the group {group}")
            for group, roots in groups.items()
            for name, version in roots.items()
        ]
        # Only the nucleus has the version that requirements are written for; the others have numbers of their own.
        provided = {name: NUCLEUS_VERSION if name == NUCLEUS_ALIAS else None for name in BUILT_IN}
        return resolve(demands, Known(store.versions, store.dependencies, current.versions, provided))

    def _plan(self, targets: Targets) -> Plan:
        wanted = []
        for target in targets.components:
            digests = prepare(self.root, target.recipe, target.manifest, target.run_as.owner)
            wanted.append(target_units(self.root, target, digests))
        return make_plan(wanted, self.runtime.units())

    # -- the change --------------------------------------------------------------------------------------------------

    def _configure(self, targets: Targets, plan: Plan, current: Current) -> None:
        message = "writing the configuration"
        self._step("configure", message)
        operations = list(targets.operations)
        for target in targets.components:
            operations += service_operations(target, current)
        self.changing = True
        self.runtime.apply(operations)
        changed = tuple(dict.fromkeys((*self.deployment.changed, *plan.changed)))
        removed = tuple(dict.fromkeys((*self.deployment.removed, *plan.removed)))
        if plan.stop:
            message = f"stopping {_count(name.removeprefix(COMPONENT_PREFIX) for name in plan.stop)}"
        note = {"step": "stop", "message": message, "changed": changed, "removed": removed}
        self.progress(True, {**note, "components": {each.name: each.recipe.version for each in targets.components}})

    def _switch(self, plan: Plan) -> None:
        self.runtime.stop(plan.stop)
        self._step("start", f"starting {_count(plan.changed)}" if plan.changed else "nothing needs a restart")
        self.runtime.load(plan.load, plan.start)

    def _wait(self, targets: Targets, plan: Plan, timeout: float) -> DeploymentError | None:
        """The failure that keeps the components from being up; ``None`` when they are."""
        self._step("wait", "waiting for the components to be up")
        new = set(plan.changed)
        probation = {target.name for target in targets.components if target.name in new and _has_run(target)}
        settling = Settling((target.name for target in targets.components), probation)
        deadline = time.monotonic() + timeout
        with self.runtime.watch_health() as watch:
            while True:
                now = time.monotonic()
                remaining = settling.remaining(now)
                if remaining is not None and remaining <= 0:
                    return None
                if now >= deadline:
                    return _too_late(settling, timeout)
                settling.tell(watch.next(min(_POLL, remaining or _POLL, deadline - now)), time.monotonic())
                self.progress(False, {"states": settling.states})
                if settling.broken:
                    return _broken(settling)

    def _remove(self, plan: Plan, document: Document, current: Current, versions: Mapping[str, str]) -> None:
        gone = [name for name in current.versions if name not in versions]
        self._step("remove", f"removing {_count(gone)}" if gone else "recording the outcome")
        self.runtime.unload(plan.unload)
        group = [*GROUPS_PATH, document.group]
        operations: list[dict[str, Any]] = [{"op": "delete", "key_path": [SERVICES, name]} for name in gone]
        operations.append({"op": "delete", "key_path": group})
        for name, version in document.roots.items():
            operations.append({"op": "write", "key_path": [*group, name], "value": {"version": version}})
        self.runtime.apply(operations)
        removed = tuple(dict.fromkeys((*self.deployment.removed, *plan.removed, *gone)))
        self.progress(False, {"removed": removed})

    def _step(self, step: str, message: str) -> None:
        if self.closing():
            raise InterruptedError("the daemon is about to end")
        _log.info("deployment %s: %s: %s", self.deployment.deployment_id, step, message)
        # After an interruption the record must go on saying that the configuration is done.
        self.progress(False, {"step": step, "message": message})


def _has_run(target: Target) -> bool:
    return "run" in target.lifecycle.steps and "startup" not in target.lifecycle.steps


def _broken(settling: Settling) -> DeploymentError:
    broken = settling.broken
    text = "; ".join(f"{component} is broken: {reason}" for component, reason in sorted(broken.items()))
    return DeploymentError(text, "COMPONENT_UPDATE_ERROR", "COMPONENT_BROKEN", broken=sorted(broken))


def _too_late(settling: Settling, timeout: float) -> DeploymentError:
    waiting = ", ".join(f"{component} is {state}" for component, state in sorted(settling.waiting.items()))
    text = f"not every component is up within {timeout:g} s: {waiting or 'one keeps failing'}"
    return DeploymentError(text, "COMPONENT_UPDATE_ERROR")


def _count(items: Any) -> str:
    names = list(items)
    return names[0] if len(names) == 1 else f"{len(names)} components"
