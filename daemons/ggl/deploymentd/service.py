"""The bus interface ``gg_deployment``: decode, check, delegate. The package's text describes the methods.

The loop answers from memory; the worker thread runs deployments and writes their records. Until the records have been
read, questions wait. The daemon is held as long as there is something to do.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ggl.bus.errors import BusError, ErrorCode
from ggl.bus.request import Method, Request, Stream
from ggl.deploymentd.document import decode_request
from ggl.deploymentd.queue import Queue, QueueFull
from ggl.deploymentd.record import Deployment
from ggl.values import get_str

if TYPE_CHECKING:
    from ggl.daemon import Context

INTERFACE = "gg_deployment"
LOAD_SECONDS = 60.0


def setup(context: Context) -> None:
    """Take up what was under way, and serve."""
    service = Service(context)
    context.serve(INTERFACE, service.methods())
    service.begin()


class Service:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._loop = context.loop
        self._root = context.root
        self._queue = Queue(lambda deployment: self._loop.call_soon_threadsafe(lambda: self._publish(deployment)))
        self._loaded = threading.Event()
        self._waiting: list[Callable[[], None]] = []
        self._streams: dict[str, list[Stream]] = {}
        self._held = False

    def methods(self) -> dict[str, Method]:
        return {
            "create_local_deployment": Method(self._create, blocking=True),
            "list": Method(self._list),
            "get": Method(self._get),
            "subscribe": Method(self._subscribe),
        }

    def begin(self) -> None:
        """Start the worker. Held until the queue has been read: there may be something to take up."""
        from ggl.deploymentd.worker import work

        self._hold(True)
        self._context.at_exit(self._queue.close)
        arguments = (self._root, self._queue, lambda: self._loop.call_soon_threadsafe(self._on_loaded))
        threading.Thread(target=work, args=arguments, name="deployments", daemon=True).start()

    def _on_loaded(self) -> None:
        self._loaded.set()
        waiting, self._waiting = self._waiting, []
        for callback in waiting:
            callback()
        self._hold(not self._queue.is_idle)

    def _publish(self, deployment: Deployment) -> None:
        item = deployment.public()
        for stream in self._streams.get(deployment.deployment_id, ()):
            stream.send(item)
        if deployment.is_over:
            for stream in self._streams.pop(deployment.deployment_id, ()):
                stream.end()
        if self._loaded.is_set():
            self._hold(not self._queue.is_idle)

    def _hold(self, wanted: bool) -> None:
        if wanted and not self._held:
            self._context.hold()
        elif self._held and not wanted:
            self._context.release()
        self._held = wanted

    # -- methods -----------------------------------------------------------------------------------------------------

    def _create(self, request: Request, params: dict[str, Any]) -> dict[str, str]:
        """On a thread of its own: copies the folders, and waits until the record is on the disk."""
        from uuid import uuid4

        from ggl.deploymentd.runtime import Runtime
        from ggl.deploymentd.staging import stage, staging_of

        wanted = decode_request(params)
        if not self._loaded.wait(LOAD_SECONDS):
            raise BusError(ErrorCode.RETRY, "the deployments so far cannot be read yet")
        deployment_id = str(uuid4())
        staging = staging_of(self._root, deployment_id)
        try:
            stage(staging, wanted.recipe_directory, wanted.artifacts_directory, self._root.artifacts)
        except OSError as error:
            where = f" {error.filename}" if error.filename else ""
            raise BusError(ErrorCode.FAILURE, f"cannot copy{where}: {error.strerror or error}") from None
        deployment = Deployment(
            deployment_id,
            created=time.time_ns() // 1_000_000,
            group=wanted.group,
            requested_by=wanted.requested_by,
            message="waiting for its turn",
            trail=request.trail,
            request=params,
        )
        try:
            with Runtime(self._root) as records:
                self._queue.add(records, deployment)
        except QueueFull as error:
            staging.remove()
            raise BusError(ErrorCode.BUSY, str(error)) from None
        except BusError:
            staging.remove()
            raise
        return {"deployment_id": deployment_id}

    def _list(self, request: Request, _params: dict[str, Any]) -> Any:
        return self._when_loaded(request, lambda: [known.public() for known in self._queue.everything()])

    def _get(self, request: Request, params: dict[str, Any]) -> Any:
        deployment_id = get_str(params, "deployment_id")
        return self._when_loaded(request, lambda: self._find(deployment_id).public())

    def _subscribe(self, request: Request, params: dict[str, Any]) -> Any:
        deployment_id = get_str(params, "deployment_id")

        def open_stream() -> dict[str, Any]:
            deployment = self._find(deployment_id)
            streams = self._streams.setdefault(deployment_id, [])
            stream = request.stream(lambda: streams.remove(stream) if stream in streams else None)
            if deployment.is_over:
                stream.end()
            else:
                streams.append(stream)
            return deployment.public()

        return self._when_loaded(request, open_stream)

    def _find(self, deployment_id: str) -> Deployment:
        deployment = self._queue.get(deployment_id)
        if deployment is None:
            raise BusError(ErrorCode.NOENTRY, f"there is no deployment '{deployment_id}'")
        return deployment

    def _when_loaded(self, request: Request, answer: Callable[[], Any]) -> Any:
        if self._loaded.is_set():
            return answer()

        def later() -> None:
            if request.connection.closed:
                return
            try:
                request.reply(answer())
            except BusError as error:
                request.fail(error)

        self._waiting.append(later)
        return request.defer()
