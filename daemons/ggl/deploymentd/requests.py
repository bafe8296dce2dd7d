"""What may be asked of deploymentd: new deployments of every kind, dry runs, generations, cancelling.

Every function may wait for the disk and for other daemons, and is called on a thread of its own. What a request refers
to has been copied, and is in the queue durably, when it is answered.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ggl.bus.errors import BusError, ErrorCode
from ggl.deploymentd import forward, rollback
from ggl.deploymentd.candidates import Candidates
from ggl.deploymentd.configuration import plain
from ggl.deploymentd.connected import cloud_of
from ggl.deploymentd.current import Current
from ggl.deploymentd.difference import difference
from ggl.deploymentd.document import DEFAULT_WAIT, Document, decode, encode
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.generation import Generation
from ggl.deploymentd.groups import left_groups
from ggl.deploymentd.large import CAPABILITY, completed
from ggl.deploymentd.local import LocalRequest, decode_request, local_document
from ggl.deploymentd.outcome import failure_of
from ggl.deploymentd.patience import Patience
from ggl.deploymentd.queue import AlreadyKnown, QueueFull, now
from ggl.deploymentd.record import CANCELED, DOCUMENT, LOCAL, ROLLBACK_TYPE, TYPES, Deployment
from ggl.deploymentd.runtime import Runtime
from ggl.deploymentd.space import STORE_LIMIT
from ggl.deploymentd.staging import Staging, stage, staging_of
from ggl.deploymentd.store import Store
from ggl.deploymentd.switch import find_switch
from ggl.deploymentd.worker import clear_up
from ggl.values import InvalidValue, get_bool, get_dict, get_float, get_int, get_str

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ggl.deploymentd.queue import Queue
    from ggl.paths import Root


class Requests:
    def __init__(self, root: Root, queue: Queue) -> None:
        self._root = root
        self._queue = queue

    # -- deployments -------------------------------------------------------------------------------------------------

    def create_local(self, params: dict[str, Any], trail: str) -> dict[str, Any]:
        """Raises ``InvalidValue`` and ``BusError``, as all of these."""
        wanted = decode_request(params)
        deployment = Deployment(
            str(uuid4()),
            created=now(),
            group=wanted.group,
            policy=wanted.failure_policy,
            requested_by=wanted.requested_by,
            trail=trail,
        )
        return self._add(deployment, {"request": params}, wanted.recipe_directory, wanted.artifacts_directory)

    def create(self, params: dict[str, Any], trail: str) -> dict[str, Any]:
        document = _document(params)
        kind = get_str(params, "type", DOCUMENT)
        if kind not in TYPES or kind in (LOCAL, ROLLBACK_TYPE):
            raise InvalidValue(f"'type' cannot be {kind!r} for a deployment document")
        deployment = Deployment(
            document.deployment_id,
            created=now(),
            type=kind,
            name=document.name,
            group=document.group,
            policy=document.failure_policy,
            roots=dict(document.roots),
            requested_by=get_str(params, "requested_by", ""),
            configuration_arn=document.configuration_arn,
            request_id=get_str(params, "request_id", ""),
            trail=trail,
        )
        return self._add(deployment, {"document": encode(document)}, *_directories(params))

    def rollback(self, params: dict[str, Any], trail: str) -> dict[str, Any]:
        to, component, timeout = get_int(params, "to", None), get_str(params, "component", ""), _timeout(params)
        if params.get("to") is None and (busy := self._queue.next()) is not None:
            # What is the previous one depends on how that one ends.
            text = f"deployment {busy.deployment_id[:8]} is {busy.status}: wait for it, cancel it, or say where to go"
            raise BusError(ErrorCode.BUSY, f"{text} (--to N)")
        with self._runtime(trail) as runtime:
            way = rollback.way_back(self._root, runtime, to, component)
            if get_bool(params, "dry_run", False):
                changed = rollback.changed_by(way.activation, runtime.units())
                shown = difference(
                    way.activation, runtime.current_image(), runtime.current(), changed, way.configurations, way.groups
                )
                return {"to": way.target.number, **shown}
        # With the number: what the previous one is may be another one when its turn comes.
        inputs = {"to": way.target.number, "component": component, "timeout": timeout}
        deployment = Deployment(
            str(uuid4()),
            created=now(),
            type=ROLLBACK_TYPE,
            name=f"{component} as in generation {way.target.number}"
            if component
            else f"to generation {way.target.number}",
            requested_by=get_str(params, "requested_by", ""),
            trail=trail,
        )
        return {**self._add(deployment, inputs, "", ""), "to": way.target.number}

    def cancel(self, deployment_id: str) -> dict[str, Any]:
        with self._runtime("") as runtime:
            try:
                canceled = self._queue.cancel(runtime, deployment_id)
            except KeyError:
                raise BusError(ErrorCode.NOENTRY, f"there is no deployment '{deployment_id}'") from None
        deployment = self._queue.get(deployment_id)
        assert deployment is not None, "it was found just now"
        if deployment.status == CANCELED:
            clear_up(self._root, self._queue, deployment_id)
        if canceled:
            message = "it is canceled" if deployment.status == CANCELED else "it will be canceled"
        elif deployment.is_over:
            message = f"it is over already: {deployment.status}"
        else:
            message = f"it is changing the device ({deployment.step}) and cannot be canceled any more"
        return {"canceled": canceled, "status": deployment.status, "message": message}

    def _add(self, deployment: Deployment, inputs: Mapping[str, Any], recipes: str, artifacts: str) -> dict[str, Any]:
        name = deployment.deployment_id
        with self._queue.reserved(name), self._runtime(deployment.trail) as runtime:
            known = self._queue.get(name)
            if known is not None and deployment.request_id and known.request_id == deployment.request_id:
                # Whoever asks again has not heard the answer.
                return {"deployment_id": name, "known": True}
            if known is not None and not known.is_over:
                raise BusError(ErrorCode.BUSY, f"deployment {name} is {known.status} already")
            staging = staging_of(self._root, name)
            self._stage(staging, recipes, artifacts, runtime.current())
            try:
                self._queue.add(runtime, replace(deployment, message="waiting for its turn"), inputs)
            except (QueueFull, AlreadyKnown) as error:
                staging.remove()
                raise BusError(ErrorCode.BUSY, str(error)) from None
            except BusError:
                staging.remove()
                raise
        return {"deployment_id": name}

    def _stage(self, staging: Staging, recipes: str, artifacts: str, current: Current) -> None:
        limit = current.store_limit or STORE_LIMIT
        try:
            staging.remove()
            stage(staging, recipes, artifacts, self._root.artifacts, limit)
        except OSError as error:
            where = f" {error.filename}" if error.filename else ""
            raise BusError(ErrorCode.FAILURE, f"cannot copy{where}: {error.strerror or error}") from None
        except DeploymentError as error:
            raise BusError(ErrorCode.NOMEM, error.message) from None

    # -- dry runs ----------------------------------------------------------------------------------------------------

    def preview(self, params: dict[str, Any], trail: str) -> dict[str, Any]:
        """What the deployment would change. Nothing is changed, and nothing of it stays."""
        request = None if "document" in params else decode_request(params)
        document = _document(params) if request is None else None
        directories = _directories(params)
        staging = staging_of(self._root, f"preview-{uuid4()}")
        with self._runtime(trail) as runtime:
            current = runtime.current()
            if document is None:
                assert request is not None, "it is one or the other"
                document = _local(request, current)
            self._stage(staging, *directories, current)
            try:
                image = runtime.current_image()
                forward.check(document, current, from_jobs=False)
                cloud = cloud_of(self._root, runtime, None)
                patience = Patience(cloud=cloud.data_plane, online=cloud.online)
                if request is None and CAPABILITY in document.required_capabilities:
                    document = decode(completed(_parsed(params), document.deployment_id, patience))
                left = left_groups(patience, current, document.group)
                site = forward.Site(self._root, current.without_groups(left), image, runtime.units(), left)
                store = Store(self._root, staging, current.arns)
                store.check()
                candidates = Candidates(patience, store, forward.attributes(current), prefers_local=True)
                versions = forward.choose(document, site.current, store, candidates)
                targets, contents = forward.fetch(site, document, versions, store, staging, patience)
                worked = forward.work_out(site, document, targets, contents, store)
                find_switch(current, worked.configurations)
            finally:
                staging.remove()
        return difference(worked.activation, image, current, worked.changed, worked.configurations, worked.groups)

    # -- generations -------------------------------------------------------------------------------------------------

    def generations(self) -> list[dict[str, Any]]:
        with self._runtime("") as runtime:
            found = runtime.generations()
            return [_summary(found.known[number], current=number == found.current) for number in sorted(found.known)]

    def generation(self, params: dict[str, Any], trail: str) -> dict[str, Any]:
        number = get_int(params, "number")
        with self._runtime(trail) as runtime:
            found = runtime.generations()
            generation, image = found.get(number), runtime.image(number)
        if generation is None or image is None:
            raise BusError(ErrorCode.NOENTRY, f"there is no generation {number}")
        then = Current(image.services)
        return {
            **_summary(generation, current=number == found.current),
            "configuration": {name: plain(then.configuration(name)) for name in generation.components},
            "files": {path: file.digest for path, file in image.contents.files.items()},
            "groups": then.groups,
        }

    @contextmanager
    def _runtime(self, trail: str) -> Iterator[Runtime]:
        """The rest of the runtime, for one request. What cannot be done becomes the error of the request."""
        with Runtime(self._root, lambda: self._queue.closed) as runtime:
            runtime.trail = trail
            try:
                yield runtime
            except rollback.NoGeneration as error:
                raise BusError(ErrorCode.NOENTRY, error.message) from None
            except (DeploymentError, OSError) as error:
                text = failure_of(error, Deployment("", created=0))["cause"]
                raise BusError(ErrorCode.FAILURE, text) from None


def _document(params: Mapping[str, Any]) -> Document:
    document = decode(_parsed(params))
    if "timeout" in params:
        document = replace(document, wait_timeout=_timeout(params))
    return document


def _parsed(params: Mapping[str, Any]) -> dict[str, Any]:
    """The document as plain data; it may come as JSON text."""
    text = params.get("document")
    if not isinstance(text, str):
        return get_dict(params, "document")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidValue(f"the deployment document is not JSON: {error}") from None
    return get_dict({"document": data}, "document")


def _local(request: LocalRequest, current: Current) -> Document:
    return local_document(request, "preview", now(), current.groups.get(request.group, {}))


def _directories(params: Mapping[str, Any]) -> tuple[str, str]:
    return get_str(params, "recipe_directory_path", ""), get_str(params, "artifacts_directory_path", "")


def _timeout(params: Mapping[str, Any]) -> float:
    timeout: float = get_float(params, "timeout", DEFAULT_WAIT)
    if not 0 < timeout < math.inf:
        raise InvalidValue("'timeout' must be more than 0 seconds")
    return timeout


def _summary(generation: Generation, *, current: bool) -> dict[str, Any]:
    shown = generation.to_dict()
    for name in ("requirements", "touched"):
        del shown[name]
    return {**shown, "current": current}
