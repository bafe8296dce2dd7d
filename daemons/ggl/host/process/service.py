"""The bus interface ``gg_host`` of the process host: decode, check, delegate to the supervisor."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ggl.bus.errors import BusError, ErrorCode
from ggl.bus.loop import Loop
from ggl.bus.request import Method, Request, Stream
from ggl.bus.server import Server
from ggl.catalog import HOST_INTERFACE
from ggl.host.process.core import CoreDaemon
from ggl.host.process.descent import ancestral_unit
from ggl.host.process.running import RunningUnit
from ggl.host.process.supervisor import AnyUnit, Shown, Supervisor
from ggl.host.received import received_unit
from ggl.values import InvalidValue, get_int, get_list, get_str, get_str_list
from ggl.version import VERSION


class HostService:
    """See ``ggl.host.process`` for the methods."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._supervisor: Supervisor
        self._streams: list[Stream] = []
        self._shutdown: Callable[[], None]
        self._restart_all: Callable[[], None]

    def serve(self, supervisor: Supervisor, shutdown: Callable[[], None], restart: Callable[[], None]) -> None:
        """``shutdown`` and ``restart`` stop the whole runtime, the one for good."""
        self._supervisor = supervisor
        self._shutdown = shutdown
        self._restart_all = restart
        handlers = {
            "info": self._info,
            "list": self._list,
            "status": self._status,
            "definition": self._definition,
            "unit_of": self._unit_of,
            "subscribe": self._subscribe,
            "load": self._load,
            "unload": self._unload,
            "start": self._start,
            "stop": self._stop,
            "restart": self._restart,
            "pause": self._pause,
            "resume": self._resume,
            "reset": self._reset,
            "notify": self._notify,
            "shutdown": self._shut_down,
            "restart_runtime": self._restart_runtime,
            "reboot": self._reboot,
        }
        methods = {name: Method(handler) for name, handler in handlers.items()}
        Server(self._loop, HOST_INTERFACE, methods, supervisor.host_socket)

    def on_change(self, unit: Shown) -> None:
        if self._streams:
            item = self._describe(unit)
            for stream in list(self._streams):
                stream.send(item)

    def _describe(self, unit: Shown) -> dict[str, Any]:
        known = unit.name in self._supervisor.units or unit.name in self._supervisor.core
        return {**unit.status().to_dict(), "loaded": known}

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

    def _list(self, _request: Request, _params: dict[str, Any]) -> list[dict[str, Any]]:
        units: list[AnyUnit] = [*self._supervisor.core.values(), *self._supervisor.units.values()]
        return [self._describe(unit) for unit in units]

    def _status(self, _request: Request, params: dict[str, Any]) -> dict[str, Any]:
        return self._describe(self._find(get_str(params, "name")))

    def _definition(self, _request: Request, params: dict[str, Any]) -> dict[str, Any]:
        return {"unit": self._component(get_str(params, "name")).loaded.to_dict()}

    def _unit_of(self, _request: Request, params: dict[str, Any]) -> dict[str, Any]:
        supervisor, pid = self._supervisor, get_int(params, "pid")
        if pid <= 0:
            raise InvalidValue(f"'pid' must be the id of a process, not {pid}")
        name = ancestral_unit(pid, supervisor.reaper.unit_of)
        if not name:
            name = next((unit.name for unit in supervisor.units.values() if unit.holds(pid)), "")
        if not name:
            raise BusError(ErrorCode.NOENTRY, f"process {pid} is none of this runtime's, or has lost its parents")
        return self._describe(self._find(name))

    def _subscribe(self, request: Request, params: dict[str, Any]) -> list[dict[str, Any]]:
        stream = request.stream(lambda: self._streams.remove(stream))
        self._streams.append(stream)
        return self._list(request, params)

    def _load(self, _request: Request, params: dict[str, Any]) -> Any:
        units = [received_unit(item) for item in get_list(params, "units")]
        start = get_str_list(params, "start", [])
        for unit in units:
            try:
                self._supervisor.load(unit)
            except OSError as error:
                raise BusError(
                    ErrorCode.NOMEM, f"cannot write the unit file of {unit.name}: {error.strerror}"
                ) from None
        for running in [self._component(name) for name in start]:
            running.start()
            self._supervisor.save_wanted(running)

    def _unload(self, request: Request, params: dict[str, Any]) -> Any:
        known = self._supervisor.units
        units = [known[name] for name in get_str_list(params, "names") if name in known]
        self._supervisor.unload(units, lambda: self._reply_soon(request))
        return request.defer()

    def _start(self, _request: Request, params: dict[str, Any]) -> None:
        for unit in [self._find(name) for name in get_str_list(params, "names")]:
            unit.start()
            if isinstance(unit, RunningUnit):
                self._supervisor.save_wanted(unit)

    def _stop(self, request: Request, params: dict[str, Any]) -> Any:
        named = {name: self._find(name) for name in get_str_list(params, "names")}
        core = [unit for unit in named.values() if isinstance(unit, CoreDaemon)]
        left = 1 + len(core)

        def stopped() -> None:
            nonlocal left
            left -= 1
            if not left:
                self._reply_soon(request)

        for daemon in core:
            daemon.stop(stopped)
        self._supervisor.stop([unit for unit in named.values() if isinstance(unit, RunningUnit)], stopped)
        return request.defer()

    def _pause(self, _request: Request, params: dict[str, Any]) -> None:
        for unit in [self._component(name) for name in get_str_list(params, "names")]:
            if not unit.pause():
                raise BusError(ErrorCode.INVALID, f"'{unit.name}' is not running")

    def _resume(self, _request: Request, params: dict[str, Any]) -> None:
        for unit in [self._component(name) for name in get_str_list(params, "names")]:
            if not unit.resume():
                raise BusError(ErrorCode.INVALID, f"'{unit.name}' is not paused")

    def _restart(self, _request: Request, params: dict[str, Any]) -> None:
        for unit in [self._find(name) for name in get_str_list(params, "names")]:
            if isinstance(unit, CoreDaemon):
                unit.stop(unit.start)
            else:
                unit.restart()
                self._supervisor.save_wanted(unit)

    def _reset(self, _request: Request, params: dict[str, Any]) -> None:
        for name in get_str_list(params, "names"):
            self._component(name).reset()

    def _notify(self, _request: Request, params: dict[str, Any]) -> None:
        unit, state = self._component(get_str(params, "name")), get_str(params, "state")
        if state == "READY":
            unit.ready_notified()
        elif state == "ERROR":
            unit.error_notified()
        else:
            raise InvalidValue(f"'state' must be READY or ERROR, not {state!r}")

    def _shut_down(self, _request: Request, _params: dict[str, Any]) -> None:
        self._loop.call_soon(self._shutdown)

    def _restart_runtime(self, _request: Request, _params: dict[str, Any]) -> None:
        self._loop.call_soon(self._restart_all)

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

    def _find(self, name: str) -> AnyUnit:
        unit = self._supervisor.units.get(name) or self._supervisor.core.get(name)
        if unit is None:
            raise BusError(ErrorCode.NOENTRY, f"there is no unit '{name}'")
        return unit

    def _component(self, name: str) -> RunningUnit:
        unit = self._find(name)
        if not isinstance(unit, RunningUnit):
            raise BusError(ErrorCode.INVALID, f"'{name}' is a core daemon")
        return unit

    def _reply_soon(self, request: Request) -> None:
        self._loop.call_soon(lambda: request.reply(None))
