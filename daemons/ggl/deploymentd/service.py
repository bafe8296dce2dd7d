"""The bus interface ``gg_deployment``: decode, check, delegate. The package's text describes the methods.

The loop answers from memory; the worker thread runs deployments and writes their records; requests that copy, read or
write records have threads of their own. Until the records have been read, questions wait. The daemon is held as long as
there is something to do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ggl.bus.errors import BusError, ErrorCode
from ggl.bus.request import Method, Request, Stream
from ggl.deploymentd import ipc
from ggl.deploymentd.queue import Queue
from ggl.deploymentd.record import Deployment
from ggl.deploymentd.requests import Requests
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
        self._requests = Requests(context.root, self._queue)
        self._loaded = threading.Event()
        self._waiting: list[Callable[[], None]] = []
        self._streams: dict[str, list[Stream]] = {}
        self._held = False

    def methods(self) -> dict[str, Method]:
        requests = self._requests
        return {
            "create_local_deployment": self._blocking(requests.create_local),
            "create_deployment": self._blocking(requests.create),
            "rollback": self._blocking(requests.rollback),
            "preview": self._blocking(requests.preview),
            "cancel": self._blocking(lambda params, _trail: self.cancel(get_str(params, "deployment_id"))),
            "generations": self._blocking(lambda _params, _trail: requests.generations()),
            "generation": self._blocking(requests.generation),
            "list": Method(self._list),
            "get": Method(self._get),
            "subscribe": Method(self._subscribe),
            **ipc.methods(self),
        }

    def begin(self) -> None:
        """Start the worker. Held until the queue has been read: there may be something to take up."""
        from ggl.deploymentd.worker import work

        self._hold(True)
        self._context.at_exit(self._queue.close)
        arguments = (self._root, self._queue, lambda: self._loop.call_soon_threadsafe(self._on_loaded))
        threading.Thread(target=work, args=arguments, name="deployments", daemon=True).start()

    # -- for the IPC operations (``ipc.Deployments``), which run on threads of their own ------------------------------

    def submit_local(self, params: dict[str, Any], trail: str) -> str:
        self._wait_loaded()
        return str(self._requests.create_local(params, trail)["deployment_id"])

    def cancel(self, deployment_id: str) -> dict[str, Any]:
        self._wait_loaded()
        return self._requests.cancel(deployment_id)

    def known(self, deployment_id: str) -> Deployment | None:
        self._wait_loaded()
        return self._queue.get(deployment_id)

    def all(self) -> list[Deployment]:
        self._wait_loaded()
        return self._queue.everything()

    # -- the loop ----------------------------------------------------------------------------------------------------

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

    def _blocking(self, answer: Callable[[dict[str, Any], str], Any]) -> Method:
        def serve(request: Request, params: dict[str, Any]) -> Any:
            self._wait_loaded()
            return answer(params, request.trail)

        return Method(serve, blocking=True)

    def _wait_loaded(self) -> None:
        if not self._loaded.wait(LOAD_SECONDS):
            raise BusError(ErrorCode.RETRY, "the deployments so far cannot be read yet")

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
        self._waiting.append(lambda: request.finish(answer))
        return request.defer()
