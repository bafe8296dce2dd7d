"""One deployment from its document to its outcome: an explicit state machine, every step of which is on the disk before
it is taken and can be taken twice.

::

    ingest     the document, as it will be whatever happens; recipes that came along are read
    resolve    choose the versions
    download   artifacts into the staging area, checked and unpacked
    prepare    work out everything else; the result is the activation
    notify     ask components whether the update may begin
    validate   ask components whether they accept their new configuration
    ---------  until here nothing has changed, and the deployment can be canceled; after an interruption it begins anew
    stop       what is changed, with its old shutdown script
    place      new files into the store, old ones aside
    configure  one transaction
    bootstrap  in the order of dependencies; may restart the runtime or the device
    start      the new units
    wait       until everything is RUNNING or FINISHED, or one is BROKEN
    remove     what is not wanted any more, with its uninstall script
    commit     one transaction: roots, generation, outcome

When a step after ``validate`` fails and the policy is ROLLBACK, the same steps from ``stop`` to ``commit`` lead back to
the generation that ran before. A failure before ``start`` always leads back: half a change is nobody's wish.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ggl.bus.errors import BusError
from ggl.deploymentd import bootstrap, consent, forward, outcome, rollback, steps
from ggl.deploymentd.activation import Activation
from ggl.deploymentd.commit import commit_operations, leave_operations
from ggl.deploymentd.document import (
    DO_NOTHING,
    NOTIFY,
    ROLLBACK,
    Document,
    decode,
    decode_request,
    encode,
    local_document,
)
from ggl.deploymentd.errors import DeploymentError, Rejected
from ggl.deploymentd.generation import Image
from ggl.deploymentd.queue import ACTIVATIONS, INPUTS, Canceled, Journal, forget, now, put
from ggl.deploymentd.record import (
    ACTIVATING,
    FAILED_NO_STATE_CHANGE,
    FAILED_ROLLBACK_COMPLETE,
    FAILED_ROLLBACK_NOT_REQUESTED,
    FAILED_UNABLE_TO_ROLLBACK,
    IN_PROGRESS,
    IOT_JOBS,
    QUEUED,
    REJECTED,
    ROLLBACK_TYPE,
    STEPS,
    SUCCEEDED,
)
from ggl.deploymentd.staging import staging_of
from ggl.deploymentd.store import Store
from ggl.log import get_logger
from ggl.values import InvalidValue, get_float, get_int, get_str

if TYPE_CHECKING:
    from ggl.deploymentd.record import Deployment
    from ggl.deploymentd.runtime import Runtime
    from ggl.paths import Root

MAX_ATTEMPTS = 10
"""How often one step is taken up again after an interruption: what kills the runtime each time must end somehow."""
_BEFORE_START = ("stop", "place", "configure", "bootstrap")

_log = get_logger("deployment")


class Engine:
    """Runs the deployment of ``journal`` until it is over."""

    def __init__(self, root: Root, runtime: Runtime, journal: Journal) -> None:
        self._root = root
        self._runtime = runtime
        self._journal = journal
        self._activation = Activation()

    @property
    def _deployment(self) -> Deployment:
        return self._journal.deployment

    def run(self) -> None:
        """Raises ``InterruptedError`` when the daemon ends, and ``BusError`` when the runtime cannot be reached: the
        deployment is then under way still, and is to be taken up again."""
        try:
            self._begin()
        except Canceled:
            return  # while it was on its way here; it is over
        while not self._deployment.is_over:
            try:
                self._go()
            except Canceled:
                self._end(**outcome.cancellation())
            except Exception as error:
                # Whatever happens while the daemon ends happens because of that. And a part of the runtime that is
                # away comes back.
                if isinstance(error, InterruptedError) or self._journal.closing or outcome.is_passing(error):
                    raise
                self._runtime.check_not_stopping()
                self._fail(error)

    def _begin(self) -> None:
        """Where to begin, or to go on."""
        deployment = self._deployment
        if deployment.status == QUEUED or not deployment.is_activating:
            attempts = 0 if deployment.status == QUEUED else deployment.attempts + 1
            self._journal.write(
                status=IN_PROGRESS, step=STEPS[0], message="reading what is to be deployed", attempts=attempts
            )
        else:
            self._journal.write(attempts=deployment.attempts + 1)
            data = self._runtime.get(ACTIVATIONS, deployment.deployment_id)
            try:
                self._activation = Activation.from_dict(data)
            except InvalidValue as error:
                text = f"what was still to be done cannot be read any more: {error}"
                lost = outcome.failure_of(DeploymentError(text, "DEPLOYMENT_INTERRUPTED"), deployment)
                self._go_back(dict(deployment.failure) or lost, None)

    def _go(self) -> None:
        deployment = self._deployment
        if deployment.attempts > MAX_ATTEMPTS:
            text = f"it was interrupted {deployment.attempts} times at the step '{deployment.step}'"
            raise DeploymentError(text, "DEPLOYMENT_INTERRUPTED")
        if not deployment.is_activating:
            self._prepare()
        taken: dict[str, Callable[[], None]] = {
            "stop": self._stop,
            "place": self._place,
            "configure": self._configure,
            "bootstrap": self._bootstrap,
            "start": self._start,
            "wait": self._wait,
            "remove": self._remove,
            "commit": self._commit,
        }
        while not self._deployment.is_over:
            taken[self._deployment.step]()

    # -- before anything changes -------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        deployment = self._deployment
        inputs = self._runtime.get(INPUTS, deployment.deployment_id)
        if not isinstance(inputs, dict):
            raise InvalidValue("what was to be deployed is not known any more")
        if deployment.type == ROLLBACK_TYPE:
            self._prepare_rollback(inputs)
        else:
            self._prepare_document(inputs)

    def _prepare_document(self, inputs: dict[str, Any]) -> None:
        runtime, journal, deployment = self._runtime, self._journal, self._deployment
        current = runtime.current()
        document = self._document(inputs)
        forward.check(document, current, from_jobs=deployment.type == IOT_JOBS)
        staging = staging_of(self._root, deployment.deployment_id)
        store = Store(self._root, staging)
        store.check()
        journal.check()
        journal.enter("resolve", "choosing versions")
        versions = forward.choose(document, current, store)
        journal.check()
        journal.enter("download", f"preparing {count(versions)}" if versions else "no component is left")
        journal.note(components=versions)

        def progress(component: str) -> None:
            journal.check()
            journal.note(message=f"preparing {component}")

        site = forward.Site(self._root, current, self._image(), runtime.units())
        targets, contents = forward.fetch(site, document, versions, store, staging, progress)
        journal.check()
        journal.enter("prepare", "working out what changes")
        worked = forward.work_out(site, document, targets, contents)
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
        self._activate(
            worked.activation,
            worked.changed,
            # What a bootstrap step did cannot be told from outside: then there is no staying half way.
            policy=ROLLBACK if worked.activation.bootstrap else document.failure_policy,
            wait_timeout=document.wait_timeout,
        )

    def _document(self, inputs: dict[str, Any]) -> Document:
        """The document; from now on the deployment goes on with this one, whatever happens."""
        deployment = self._deployment
        operations = []
        if "document" in inputs:
            document = decode(inputs["document"])
        else:
            request = decode_request(inputs["request"])
            roots = self._runtime.current().groups.get(request.group, {})
            document = local_document(request, deployment.deployment_id, deployment.created, roots)
            operations.append(put(INPUTS, deployment.deployment_id, {"document": encode(document)}))
        self._journal.write(
            operations,
            roots=dict(document.roots),
            group=document.group,
            policy=document.failure_policy,
            name=document.name,
        )
        return document

    def _prepare_rollback(self, inputs: dict[str, Any]) -> None:
        self._journal.enter("prepare", "working out what changes")
        to, component = get_int(inputs, "to", None), get_str(inputs, "component", "")
        way = rollback.way_back(self._root, self._runtime, to, component)
        self._activate(
            way.activation,
            rollback.changed_by(way.activation, self._runtime.units()),
            policy=DO_NOTHING,
            wait_timeout=get_float(inputs, "timeout"),
            target=-1 if component else way.target.number,
            roots={name: version for roots in way.groups.values() for name, version in roots.items()},
        )

    def _activate(self, activation: Activation, changed: tuple[str, ...], **more: Any) -> None:
        """The step from which on there is no way out but through: all it needs is on the disk now."""
        runtime, deployment = self._runtime, self._deployment
        generations = runtime.generations()
        broken = [each["component"] for each in runtime.healths() if each.get("state") == "BROKEN"]
        current = runtime.current()
        operations = [
            put(ACTIVATIONS, deployment.deployment_id, activation.to_dict()),
            *leave_operations(generations, runtime.image(generations.current), current),
        ]
        self._activation = activation
        self._journal.enter(
            "stop",
            "stopping what changes" if set(changed) & set(current.versions) else "nothing has to stop",
            operations,
            base=generations.current,
            broken_before=tuple(broken),
            components=dict(activation.versions),
            changed=tuple(changed),
            removed=activation.removed,
            **more,
        )

    def _image(self) -> Image:
        return self._runtime.image(self._runtime.generations().current) or Image()

    # -- the change, or the way back ---------------------------------------------------------------------------------

    def _stop(self) -> None:
        steps.stop(self._runtime, self._activation, early=self._deployment.rolling_back)
        self._journal.enter("place", "putting files in place")

    def _place(self) -> None:
        steps.place(self._root, self._activation, staging_of(self._root, self._deployment.deployment_id))
        self._journal.enter("configure", "writing the configuration")

    def _configure(self) -> None:
        prepared, changed = self._activation.bootstrap, self._deployment.changed
        following = (
            ("bootstrap", f"preparing the device for {count(unit.component for unit in prepared)}")
            if prepared
            else ("start", f"starting {count(changed)}" if changed else "nothing needs a restart")
        )
        # In one transaction with the next step: a reset is never done twice, with what came in between.
        self._journal.enter(*following, self._activation.operations)

    def _bootstrap(self) -> None:
        bootstrap.run(self._runtime, self._journal, self._activation)
        self._journal.enter("start", f"starting {count(self._deployment.changed)}")

    def _start(self) -> None:
        steps.start(self._runtime, self._activation, self._deployment.changed)
        self._journal.enter("wait", "waiting for the components to be up")

    def _wait(self) -> None:
        steps.wait(self._runtime, self._journal, self._activation, self._deployment.wait_timeout)
        self._to_remove()

    def _to_remove(self, **more: Any) -> None:
        removed = self._activation.removed
        self._journal.enter("remove", f"removing {count(removed)}" if removed else "clearing up", **more)

    def _remove(self) -> None:
        steps.remove(self._runtime, self._journal, self._activation)
        self._to_commit()

    def _to_commit(self, **more: Any) -> None:
        self._journal.enter("commit", "recording the outcome", self._activation.commit, **more)

    def _commit(self) -> None:
        deployment = self._deployment
        failure = dict(deployment.failure)
        if deployment.rolling_back:
            how = FAILED_UNABLE_TO_ROLLBACK if deployment.unable else FAILED_ROLLBACK_COMPLETE
            self._end(**outcome.failed(how, failure))
            return
        generation, operations = commit_operations(deployment, self._activation, self._runtime, good=not failure)
        how = FAILED_UNABLE_TO_ROLLBACK if deployment.unable else FAILED_ROLLBACK_NOT_REQUESTED
        result = outcome.failed(how, failure) if failure else outcome.success()
        self._end(operations, generation=generation, **result)

    # -- ends --------------------------------------------------------------------------------------------------------

    def _fail(self, error: Exception) -> None:
        deployment = self._deployment
        failure = outcome.failure_of(error, deployment)
        if deployment.canceling and not deployment.is_activating:
            self._end(**outcome.cancellation())  # as was promised
        elif not deployment.is_activating:
            detailed = REJECTED if isinstance(error, Rejected) else FAILED_NO_STATE_CHANGE
            self._end(**outcome.failed(detailed, failure))
        elif deployment.rolling_back or deployment.unable:
            self._go_on(outcome.also(dict(deployment.failure), error, deployment), unable=True)
        elif self._must_go_back(deployment):
            self._go_back(failure, self._activation)
        else:
            self._go_on(dict(deployment.failure) or failure)

    def _must_go_back(self, deployment: Deployment) -> bool:
        if deployment.policy == ROLLBACK or deployment.attempts > MAX_ATTEMPTS:
            return True
        return deployment.step in _BEFORE_START

    def _go_on(self, failure: dict[str, Any], **more: Any) -> None:
        """As far as it goes, in spite of ``failure``: what still works goes on working."""
        step = self._deployment.step
        _log.error("deployment %s: %s: %s", self._deployment.deployment_id, step, failure["cause"])
        more = {**more, "failure": failure, "broken": tuple(failure["broken"])}
        if step == "commit":
            unable = self._deployment.rolling_back or more.get("unable", False)
            how = FAILED_UNABLE_TO_ROLLBACK if unable else FAILED_ROLLBACK_NOT_REQUESTED
            self._end(**outcome.failed(how, failure))
        elif step == "remove":
            self._to_commit(**more)
        elif step == "wait":
            self._to_remove(**more)
        else:
            self._journal.enter(ACTIVATING[ACTIVATING.index(step) + 1], "going on as far as possible", **more)

    def _go_back(self, failure: dict[str, Any], forward: Activation | None) -> None:
        """``forward``: what was being done; ``None`` when that cannot be read."""
        deployment = self._deployment
        _log.error("deployment %s: %s: %s", deployment.deployment_id, deployment.step, failure["cause"])
        try:
            back = rollback.undo(self._root, self._runtime, deployment, forward)
            self._journal.enter(
                "stop",
                f"going back to what ran before: {failure['cause']}",
                [put(ACTIVATIONS, deployment.deployment_id, back.to_dict())],
                rolling_back=True,
                failure=failure,
                broken=tuple(failure["broken"]),
                tasks={},
                restarting={},
            )
        except (DeploymentError, BusError) as error:
            # What the disk does not take now it may take later; but not if it has not for so long.
            if isinstance(error, BusError) and (outcome.is_passing(error) or deployment.attempts <= MAX_ATTEMPTS):
                raise
            failure = outcome.also(failure, error, deployment)
            if forward is None:
                steps.start_again(self._runtime, deployment.changed)
                self._end(**outcome.failed(FAILED_UNABLE_TO_ROLLBACK, failure))
            else:
                # Then on, as far as it goes: what was stopped is not to stay so.
                self._go_on(failure, unable=True)
        else:
            self._activation = back

    def _end(self, operations: Iterable[Mapping[str, Any]] = (), **changes: Any) -> None:
        name = self._deployment.deployment_id
        over = {"finished": now(), "canceling": False, "tasks": {}, "restarting": {}, "failure": {}, **changes}
        self._journal.write([*operations, *forget(name)], **over)
        deployment = self._deployment
        told = _log.info if deployment.status == SUCCEEDED else _log.error
        told("deployment %s: %s %s", name, deployment.detailed_status or deployment.status, deployment.cause)
        if deployment.notified:
            consent.tell_updated(self._runtime, name)


def count(items: Iterable[str]) -> str:
    """``items`` in words: the name of the only one, or how many there are."""
    names = list(items)
    return names[0] if len(names) == 1 else f"{len(names)} components"
