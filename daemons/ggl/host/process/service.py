"""The bus interface ``gg_host`` of the process host: decode, check, delegate to the supervisor."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ggl.bus.errors import BusError, ErrorCode
from ggl.bus.loop import Loop
from ggl.bus.request import Method, Request
from ggl.bus.server import Server
from ggl.catalog import HOST_INTERFACE
from ggl.host.methods import Handler, HostMethods, listening
from ggl.host.process.core import CoreDaemon
from ggl.host.process.descent import ancestral_unit
from ggl.host.process.running import RunningUnit
from ggl.host.process.supervisor import Supervisor
from ggl.values import InvalidValue, get_int, get_str, get_str_list
from ggl.version import VERSION


class HostService(HostMethods[RunningUnit, CoreDaemon]):
    """See ``ggl.host.process`` for the methods."""

    def __init__(self, loop: Loop) -> None:
        super().__init__(loop)
        self._supervisor: Supervisor
        self._shutdown: Callable[[], None]
        self._restart_all: Callable[[], None]

    def serve(self, supervisor: Supervisor, shutdown: Callable[[], None], restart: Callable[[], None]) -> None:
        """``shutdown`` and ``restart`` stop the whole runtime, the one for good."""
        self.table = self._supervisor = supervisor
        self.root = supervisor.root
        self._shutdown = shutdown
        self._restart_all = restart
        handlers: dict[str, Handler] = {
            **self.questions(),
            **self.orders(),
            "info": self._info,
            "definition": self._definition,
            "unit_of": self._unit_of,
            "pause": self._pause,
            "resume": self._resume,
            "notify": self._notify,
            "listen": self._listen,
            "shutdown": self._shut_down,
            "restart_runtime": self._restart_runtime,
            "reboot": self._reboot,
        }
        methods = {name: Method(handler) for name, handler in handlers.items()}
        Server(self.loop, HOST_INTERFACE, methods, supervisor.host_socket)

    def _info(self, _request: Request, _params: dict[str, Any]) -> dict[str, Any]:
        supervisor = self._supervisor
        return {
            "version": VERSION,
            "host": "process",
            "pid": os.getpid(),
            "started_ms": supervisor.started_ms,
            "root": str(supervisor.root.state),
            "log_writer_pid": supervisor.children.log_writer_pid,
            "stopping": supervisor.stopping,
            "instance": supervisor.instance,
        }

    def _definition(self, _request: Request, params: dict[str, Any]) -> dict[str, Any]:
        return {"unit": self.component(get_str(params, "name")).loaded.to_dict()}

    def _unit_of(self, _request: Request, params: dict[str, Any]) -> dict[str, Any]:
        supervisor, pid = self._supervisor, get_int(params, "pid")
        if pid <= 0:
            raise InvalidValue(f"'pid' must be the id of a process, not {pid}")
        name = ancestral_unit(pid, supervisor.reaper.unit_of)
        if not name:
            name = next((unit.name for unit in supervisor.units.values() if unit.holds(pid)), "")
        if not name:
            raise BusError(ErrorCode.NOENTRY, f"process {pid} is none of this runtime's, or has lost its parents")
        return self.describe(self.find(name))

    def _pause(self, _request: Request, params: dict[str, Any]) -> None:
        for unit in [self.component(name) for name in get_str_list(params, "names")]:
            if not unit.pause():
                raise BusError(ErrorCode.INVALID, f"'{unit.name}' is not running")

    def _resume(self, _request: Request, params: dict[str, Any]) -> None:
        for unit in [self.component(name) for name in get_str_list(params, "names")]:
            if not unit.resume():
                raise BusError(ErrorCode.INVALID, f"'{unit.name}' is not paused")

    def _notify(self, _request: Request, params: dict[str, Any]) -> None:
        unit, state = self.component(get_str(params, "name")), get_str(params, "state")
        if state == "READY":
            unit.ready_notified()
        elif state == "ERROR":
            unit.error_notified()
        else:
            raise InvalidValue(f"'state' must be READY or ERROR, not {state!r}")

    def _listen(self, _request: Request, params: dict[str, Any]) -> None:
        if self._supervisor.stopping:
            raise BusError(ErrorCode.RETRY, "the runtime is stopping")
        self._supervisor.listen(*listening(params))

    def _shut_down(self, _request: Request, _params: dict[str, Any]) -> None:
        self.loop.call_soon(self._shutdown)

    def _restart_runtime(self, _request: Request, _params: dict[str, Any]) -> None:
        self.loop.call_soon(self._restart_all)

    def _reboot(self, request: Request, params: dict[str, Any]) -> Any:
        from ggl.host.process.reboot import reboot

        def done(problem: str) -> None:
            if problem:
                request.fail(BusError(ErrorCode.FAILURE, problem))
            else:
                request.reply(None)

        try:
            reboot(self._supervisor, get_str(params, "command", ""), done)
        except OSError as error:
            raise BusError(ErrorCode.FAILURE, f"cannot start a process: {error.strerror}") from None
        return request.defer()
