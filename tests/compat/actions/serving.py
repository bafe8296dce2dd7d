"""A daemon of ours, that has registered an operation."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from typing import Any

from ggl.bus import BusError, ErrorCode, Loop
from ggl.bus.request import Method, Request, Stream
from ggl.bus.server import Server
from ggl.daemon import bind
from ggl.ipc.model import OPERATIONS, PREFIX
from tests.compat.case import Action
from tests.compat.clients import TIMEOUT
from tests.compat.scene import Scene

_interfaces = itertools.count(1)


class Served:
    """Serves one operation with a given answer, as a daemon that registered it; sends events when it is told to."""

    def __init__(self, scene: Scene, operation: str, answer: Mapping[str, Any]) -> None:
        self.opened = threading.Event()
        self._answer = answer
        self._stream: Stream | None = None
        self._loop = Loop()
        interface = f"compat_{next(_interfaces)}"
        path = scene.runtime.root.bus_socket(interface)
        sock = bind(str(path), 0o600)
        scene.stack.callback(path.unlink)
        scene.stack.callback(sock.close)
        self._server = Server(self._loop, interface, {PREFIX + operation: Method(self._serve)}, sock)
        self._streaming = OPERATIONS[PREFIX + operation].streaming
        thread = threading.Thread(target=self._loop.run, name=interface)
        thread.start()
        scene.stack.callback(thread.join, TIMEOUT)
        scene.stack.callback(self._loop.call_soon_threadsafe, self._stop)
        client = scene.stack.enter_context(scene.runtime.client("gg_ipc"))
        client.subscribe("register", {"operation": PREFIX + operation, "interface": interface})

    def _serve(self, request: Request, _params: dict[str, Any]) -> Any:
        if self._streaming and "response" in self._answer:
            self._stream = request.stream()
            self.opened.set()
        return self._answer

    def _stop(self) -> None:
        self._server.close()
        self._loop.stop()

    def send(self, event: Any) -> None:
        self._with_stream(lambda stream: stream.send(event))

    def end(self, error: BusError | None) -> None:
        self._with_stream(lambda stream: stream.end(error))

    @staticmethod
    def failure(message: str) -> BusError:
        return BusError(ErrorCode.FAILURE, message)

    def _with_stream(self, do: Callable[[Stream], None]) -> None:
        assert self.opened.wait(TIMEOUT)
        assert self._stream is not None
        stream = self._stream
        self._loop.call_soon_threadsafe(lambda: do(stream))


def serve(operation: str, answer: Mapping[str, Any]) -> Action:
    """A process of the runtime's user has registered the operation, and answers every request like this."""

    def do(scene: Scene) -> None:
        scene.values["served"] = Served(scene, operation, answer)

    return do


def event_from_server(event: Any) -> Action:
    return lambda scene: scene.values["served"].send(event)


def end_from_server(error: str = "") -> Action:
    """It ends the subscription, with an error or without."""
    return lambda scene: scene.values["served"].end(Served.failure(error) if error else None)
