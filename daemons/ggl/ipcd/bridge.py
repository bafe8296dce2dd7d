"""From an IPC request to the daemon that serves it, and back.

The bridge decides whether the component may make the request, sends it on unchanged, and brings the answer. It knows
nothing of what an operation means; the few that concern the bridge itself are in ``builtin``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ggl.bus import BusError, Loop
from ggl.bus.trail import current, new_trail
from ggl.ipc.errors import IpcError, invalid_arguments, service_error, unauthorized
from ggl.ipc.model import CLI, DEFAULT_TIMEOUT, MQTT, PUBSUB
from ggl.ipcd.backends import Backend, Backends
from ggl.ipcd.policies import PolicyCache
from ggl.ipcd.relay import Relay, answer_of
from ggl.ipcd.router import Router
from ggl.ipcd.stream import Stream
from ggl.log import get_logger
from ggl.values import InvalidValue

Builtin = Callable[[Stream, dict[str, Any]], None]

CLI_SERVICES = (CLI, PUBSUB, MQTT)
"""What clients of the command line tool may use without a policy, as on the original nucleus."""

BYTES_PER_SECOND = 1024 * 1024
"""Of a request: a daemon has so much longer for one that is large, on a device that is slow or busy."""

_log = get_logger("ipc")


class Bridge:
    """``builtins`` are the operations served in this process, by full name."""

    def __init__(
        self, loop: Loop, router: Router, backends: Backends, policies: PolicyCache, builtins: dict[str, Builtin]
    ) -> None:
        self._loop = loop
        self._router = router
        self._backends = backends
        self._policies = policies
        self.builtins = builtins

    def start(self, stream: Stream, request: dict[str, Any]) -> None:
        """Run the operation of ``stream``; its answer comes later. Raises ``IpcError`` for what fails at once."""
        current.trail = stream.trail = trail = new_trail()
        try:
            self._start(stream, request, trail)
        except IpcError as error:
            _log.info("%s of %s failed: %s", stream.name, stream.component, error)
            raise
        finally:
            current.trail = ""

    def _start(self, stream: Stream, request: dict[str, Any], trail: str) -> None:
        interface = "gg_ipc" if stream.name in self.builtins else self._router.interface_of(stream.name)
        if interface is None:
            raise service_error(f"Operation {stream.name} is not supported by Greengrass")
        stream.interface = interface
        operation = stream.operation
        if operation is None:
            operation = stream.operation = self._router.operation_of(stream.name)
        identity = stream.connection.identity
        assert identity is not None
        if operation is None or operation.service is None or operation.resources is None:
            self._forward(stream, interface, request, trail)
            return
        if operation.callers and not identity.principal.startswith(operation.callers):
            self._policies.refused(identity.principal, operation)
            raise unauthorized(
                f"Principal {identity.principal} is not authorized to perform {operation.service}:{operation.name}"
            )
        try:
            resources = operation.resources(request)
        except InvalidValue as error:
            raise service_error(f"Received invalid parameters: {error}") from None
        stream.resources = resources
        if not resources:
            raise invalid_arguments(operation.missing)

        def decided(refusal: IpcError | None) -> None:
            if refusal is None:
                self._forward(stream, interface, request, trail)
            else:
                current.trail = trail
                _log.warning("%s", refusal.message)
                current.trail = ""
                stream.fail(refusal)

        if (identity.is_cli and operation.service in CLI_SERVICES) or identity.principal in operation.exempt:
            decided(None)
        else:
            self._policies.check(identity.principal, operation, resources, decided)

    def _forward(self, stream: Stream, interface: str, request: dict[str, Any], trail: str) -> None:
        if not stream.open:
            return  # the component lost interest while its policies were read
        builtin = self.builtins.get(stream.name)
        if builtin is not None:
            builtin(stream, request)
            return
        params = {"component": stream.component, "request": request}
        if stream.streaming:
            Relay(self._loop, lambda: self._backend(stream.name), stream, params, trail)
            return

        backend = self._backends[interface]

        def reply(result: Any) -> None:
            try:
                stream.respond(*answer_of(stream, backend.remote, result))
            except IpcError as error:
                stream.fail(error)

        def fail(error: BusError) -> None:
            current.trail = trail
            _log.warning("%s of %s failed: %s", stream.name, stream.component, error)
            current.trail = ""
            stream.fail(service_error(f"{stream.name} failed: {error.message}"))

        timeout = stream.operation.timeout if stream.operation is not None else DEFAULT_TIMEOUT
        timeout += stream.size / BYTES_PER_SECOND
        backend.call(stream.name, params, reply, fail, trail, timeout)

    def _backend(self, name: str) -> Backend | None:
        interface = self._router.interface_of(name)
        return None if interface is None else self._backends[interface]
