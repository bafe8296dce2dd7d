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

from ggl.bus.errors import BusError, ErrorCode
from ggl.deploymentd import bootstrap, cloud_report, consent, outcome, rollback, steps, switch
from ggl.deploymentd.activation import Activation
from ggl.deploymentd.commit import commit_operations, leave_operations
from ggl.deploymentd.document import ROLLBACK
from ggl.deploymentd.errors import DeploymentError, Rejected
from ggl.deploymentd.preparation import Prepared, count, prepare
from ggl.deploymentd.queue import ACTIVATIONS, Canceled, GivesWay, forget, now, put
from ggl.deploymentd.record import (
    ACTIVATING,
    FAILED_NO_STATE_CHANGE,
    FAILED_ROLLBACK_COMPLETE,
    FAILED_ROLLBACK_NOT_REQUESTED,
    FAILED_UNABLE_TO_ROLLBACK,
    IN_PROGRESS,
    QUEUED,
    REJECTED,
    STEPS,
    SUCCEEDED,
)
from ggl.deploymentd.staging import staging_of
from ggl.log import get_logger
from ggl.values import InvalidValue

if TYPE_CHECKING:
    from ggl.deploymentd.journal import Journal
    from ggl.deploymentd.record import Deployment
    from ggl.deploymentd.runtime import Runtime
    from ggl.paths import Root

MAX_ATTEMPTS = 10
"""How often one step is taken up again after an interruption: what kills the runtime each time must end somehow."""
MAX_ATTEMPTS_BACK = 60
"""The same on the way back, where nothing else is left to do; five seconds lie between two attempts."""
_BEFORE_START = ("stop", "place", "configure", "bootstrap")
_NOTHING_MORE: dict[str, Any] = {
    **{name: {} for name in ("states", "components", "roots")},
    **dict.fromkeys(("changed", "removed", "broken"), ()),
}

_log = get_logger("deployment")


class Engine:
    """Runs the deployment of ``journal`` until it is over."""

    def __init__(self, root: Root, runtime: Runtime, journal: Journal) -> None:
        self._root = root
        self._runtime = runtime
        self._journal = journal
        self._activation = Activation()
        self._ended = False

    @property
    def _deployment(self) -> Deployment:
        return self._journal.deployment

    @property
    def _is_over(self) -> bool:
        # From its end on it may be requested again: what is known by its id then is another one, for the next run.
        return self._ended or self._deployment.is_over

    def run(self) -> None:
        """Raises ``InterruptedError`` when the daemon ends, ``BusError`` when the runtime cannot be reached, and
        ``GivesWay``: the deployment is then under way still, and is to be taken up again."""
        try:
            self._begin()
        except Canceled:
            return  # while it was on its way here; it is over
        while not self._is_over:
            try:
                self._go()
            except Canceled:
                self._end(**outcome.cancellation())
            except Exception as error:
                # Whatever happens while the daemon ends happens because of that. And a part of the runtime that is
                # away comes back.
                if isinstance(error, InterruptedError | GivesWay) or self._journal.closing or self._ended:
                    raise
                if self._is_passing(error):
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
        if deployment.attempts > self._max_attempts:
            text = f"it was interrupted {deployment.attempts} times at the step '{deployment.step}'"
            raise DeploymentError(text, "DEPLOYMENT_INTERRUPTED")
        if not deployment.is_activating:
            self._activate(prepare(self._root, self._runtime, self._journal))
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
        while not self._is_over:
            taken[self._deployment.step]()

    # -- the change, or the way back ---------------------------------------------------------------------------------

    def _activate(self, prepared: Prepared) -> None:
        """The step from which on there is no way out but through: all it needs is on the disk now."""
        runtime, activation, changed = self._runtime, prepared.activation, prepared.changed
        generations, current = runtime.generations(), runtime.current()
        broken = [each["component"] for each in runtime.healths() if each.get("state") == "BROKEN"]
        # By itself, since both may be large; done twice it is the same.
        runtime.transaction(leave_operations(generations, runtime.image(generations.current), current))
        self._activation = activation
        self._journal.enter(
            "stop",
            "stopping what changes" if set(changed) & set(current.versions) else "nothing has to stop",
            [put(ACTIVATIONS, self._deployment.deployment_id, activation.to_dict())],
            base=generations.current,
            broken_before=tuple(broken),
            components=dict(activation.versions),
            changed=tuple(changed),
            removed=activation.removed,
            **prepared.record,
        )

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
        deployment = self._deployment
        steps.wait(self._runtime, self._journal, self._activation, deployment.wait_timeout)
        if deployment.source_endpoint and not deployment.rolling_back:
            switch.confirm(self._runtime, self._journal)
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
        # What an uninstall script failed at is gone: what is left is as it should be.
        good = not failure or failure["error_stack"][-1:] == ["REMOVE_COMPONENT_ERROR"]
        generation, operations = commit_operations(deployment, self._activation, self._runtime, good=good)
        how = FAILED_UNABLE_TO_ROLLBACK if deployment.unable else FAILED_ROLLBACK_NOT_REQUESTED
        result = outcome.failed(how, failure) if failure else outcome.success()
        self._end(operations, generation=generation, **result)

    # -- ends --------------------------------------------------------------------------------------------------------

    @property
    def _max_attempts(self) -> int:
        return MAX_ATTEMPTS_BACK if self._deployment.rolling_back else MAX_ATTEMPTS

    def _is_passing(self, error: Exception) -> bool:
        """Whether to take the deployment up again rather than to count this as its failure."""
        if outcome.is_passing(error):
            return True
        deployment = self._deployment
        # There is nothing behind the way back, and nothing but a record is missing at the end: a disk that is full now
        # may have room in a moment. But it is not waited for longer than for anything else.
        waits = deployment.rolling_back or deployment.step == "commit"
        return waits and outcome.is_storage(error) and deployment.attempts < self._max_attempts

    def _fail(self, error: Exception) -> None:
        deployment = self._deployment
        failure = outcome.failure_of(error, deployment, self._arns(error))
        if deployment.canceling and not deployment.is_activating:
            self._end(**outcome.cancellation())  # as was promised
        elif not deployment.is_activating:
            detailed = REJECTED if isinstance(error, Rejected) else FAILED_NO_STATE_CHANGE
            self._end(**outcome.failed(detailed, failure))
        elif deployment.rolling_back or deployment.unable:
            # An uninstall script that fails leaves nothing behind that was there before.
            unable = deployment.unable or deployment.step != "remove"
            self._go_on(outcome.also(dict(deployment.failure), error, deployment), unable=unable)
        elif self._must_go_back(deployment):
            self._go_back(failure, self._activation)
        else:
            self._go_on(dict(deployment.failure) or failure)

    def _arns(self, error: Exception) -> dict[str, str]:
        """What the cloud calls the components, if some of them are why the deployment failed."""
        if not isinstance(error, DeploymentError) or not error.broken or self._deployment.is_local:
            return {}
        return {name: arn for (name, _version), arn in self._runtime.current().arns.items()}

    def _must_go_back(self, deployment: Deployment) -> bool:
        if deployment.policy == ROLLBACK or deployment.attempts > MAX_ATTEMPTS:
            return True
        # At the end only the generation is missing; without it, what runs would be unknown.
        return deployment.step in _BEFORE_START or deployment.step == "commit"

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
        try:
            deployment = self._journal.write([*operations, *forget(name)], **over)
        except BusError as error:
            if error.code not in (ErrorCode.INVALID, ErrorCode.RANGE) or over["status"] == SUCCEEDED:
                raise
            # Something of it cannot be kept, and never will be: the outcome itself must be.
            _log.error("deployment %s: its record is cut short: %s", name, error)
            short = {**over, "cause": str(over.get("cause", ""))[:1000], **_NOTHING_MORE}
            deployment = self._journal.write(forget(name), **short)
        self._ended = True
        told = _log.info if deployment.status == SUCCEEDED else _log.error
        told("deployment %s: %s %s", name, deployment.detailed_status or deployment.status, deployment.cause)
        if deployment.notified:
            consent.tell_updated(self._runtime, name)
        cloud_report.tell_over(self._runtime, deployment)
