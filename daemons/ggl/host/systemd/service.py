"""The bus interface ``gg_host`` of the systemd host: decode, check, delegate to the supervision.

The methods and their meaning are those of ``ggl.host.process``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ggl.bus.errors import BusError, ErrorCode
from ggl.bus.request import Method, Request
from ggl.catalog import HOST_INTERFACE
from ggl.host.methods import Handler, HostMethods, Shown, countdown, listening
from ggl.host.systemd.backlog import Backlog, answer
from ggl.host.systemd.core import CoreDaemon
from ggl.host.systemd.layout import TARGET, Layout
from ggl.host.systemd.membership import service_of
from ggl.host.systemd.supervised import SupervisedUnit
from ggl.host.systemd.supervision import Supervision
from ggl.values import InvalidValue, get_int, get_str, get_str_list
from ggl.version import VERSION

if TYPE_CHECKING:
    from ggl.daemon import Context
    from ggl.host.systemd.dbus import DBusError


def setup(context: Context) -> None:
    """Serve; requests that come before everything is known wait for that."""
    HostService(context)


class HostService(HostMethods[SupervisedUnit, CoreDaemon]):
    """See ``ggl.host.process`` for the methods."""

    def __init__(self, context: Context) -> None:
        super().__init__(context.loop)
        self._context = context
        self._backlog = Backlog()
        self._held = False
        self.root = context.root
        self.table = self._supervision = Supervision(context.loop, Layout(context.root), self.on_change, self._on_ready)
        handlers: dict[str, Handler] = {
            **{name: self._settled(handler) for name, handler in self.questions().items()},
            **self.orders(),
            "info": self._info,
            "unit_of": self._settled(self._unit_of),
            "definition": self._definition,
            # Only what is up can be paused, which its script may know before systemd has told us.
            "pause": self._settled(self._pause),
            "resume": self._settled(self._resume),
            "notify": self._notify,
            "listen": self._listen,
            "shutdown": self._shut_down,
            "restart_runtime": self._restart_runtime,
            "reboot": self._reboot,
        }
        context.serve(HOST_INTERFACE, {name: Method(self._when_ready(handler)) for name, handler in handlers.items()})
        context.at_exit(self._supervision.systemd.close)
        self._look_after()

    # -- before everything is known ----------------------------------------------------------------------------------

    def _when_ready(self, handler: Handler) -> Handler:
        def handle(request: Request, params: dict[str, Any]) -> Any:
            if self._supervision.ready:
                result = handler(request, params)
                self.loop.call_soon(self._look_after)
                return result
            return self._backlog.add(handler, request, params)

        return handle

    def _settled(self, handler: Handler) -> Handler:
        """What is answered is never older than the question, although what systemd tells takes its way over D-Bus."""

        def handle(request: Request, params: dict[str, Any]) -> Any:
            self._supervision.systemd.settle(lambda: answer(handler, request, params))
            return request.defer()

        return handle

    def _on_ready(self, problem: str) -> None:
        if problem:
            self._backlog.fail(problem)
        else:
            self._backlog.serve()
        self._look_after()

    def _look_after(self) -> None:
        """Stay as long as something is under way."""
        needed = self._supervision.is_under_way
        if needed and not self._held:
            self._held = True
            self._context.hold()
        elif self._held and not needed:
            self._held = False
            self._context.release()

    # -- what is told ------------------------------------------------------------------------------------------------

    def on_change(self, unit: Shown) -> None:
        super().on_change(unit)
        self.loop.call_soon(self._look_after)

    def _info(self, _request: Request, _params: dict[str, Any]) -> dict[str, Any]:
        supervision = self._supervision
        return {
            "version": VERSION,
            "host": "systemd",
            "pid": os.getpid(),
            "started_ms": supervision.target.changed,
            "root": str(supervision.layout.root.state),
            "log_writer_pid": 0,
            "stopping": supervision.stopping,
            "instance": supervision.instance,
        }

    def _unit_of(self, _request: Request, params: dict[str, Any]) -> dict[str, Any]:
        pid = get_int(params, "pid")
        if pid <= 0:
            raise InvalidValue(f"'pid' must be the id of a process, not {pid}")
        unit = self._supervision.unit_of_file(service_of(pid))
        if unit is None:
            raise BusError(ErrorCode.NOENTRY, f"process {pid} is none of this runtime's")
        return self.describe(unit)

    def _definition(self, _request: Request, params: dict[str, Any]) -> dict[str, Any]:
        unit = self.component(get_str(params, "name"))
        path = self._supervision.files.path(unit.name)
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            text = ""  # it is to be written when the unit starts
        return {"unit": unit.unit.to_dict(), "file": str(path), "text": text}

    # -- units -------------------------------------------------------------------------------------------------------

    def _load(self, request: Request, params: dict[str, Any]) -> Any:
        super()._load(request, params)
        self._supervision.files.when_read_or_full(lambda: request.reply(None), lambda error: _fail(request, error))
        return request.defer()

    def _pause(self, request: Request, params: dict[str, Any]) -> Any:
        return self._for_each(request, params, SupervisedUnit.pause, "running")

    def _resume(self, request: Request, params: dict[str, Any]) -> Any:
        return self._for_each(request, params, SupervisedUnit.go_on, "paused")

    def _for_each(
        self,
        request: Request,
        params: dict[str, Any],
        act: Callable[[SupervisedUnit, Callable[[str], None]], bool],
        condition: str,
    ) -> Any:
        """Answer when all of the units were acted upon, or one refuses because ``condition`` does not hold for it."""
        units = [self.component(name) for name in get_str_list(params, "names")]
        ready = countdown(1 + len(units), lambda: request.reply(None))

        def done(unit: SupervisedUnit, problem: str) -> None:
            if problem:
                request.fail(BusError(ErrorCode.FAILURE, f"{unit.name}: {problem}"))
            ready()

        for unit in units:
            if not act(unit, lambda problem, u=unit: done(u, problem)):  # type: ignore[misc]
                raise BusError(ErrorCode.INVALID, f"'{unit.name}' is not {condition}")
        ready()
        return request.defer()

    def _notify(self, request: Request, params: dict[str, Any]) -> Any:
        unit, state = self.component(get_str(params, "name")), get_str(params, "state")
        if state == "READY":
            unit.ready_notified()
            self._supervision.systemd.settle(lambda: request.reply(None))
            return request.defer()
        if state != "ERROR":
            raise InvalidValue(f"'state' must be READY or ERROR, not {state!r}")
        unit.error_notified()
        return None

    def _listen(self, request: Request, params: dict[str, Any]) -> Any:
        daemon, wanted = listening(params)

        def done(problem: str) -> None:
            if problem:
                request.fail(BusError(ErrorCode.FAILURE, problem))
            else:
                request.reply(None)

        self._supervision.ports.listen(daemon, wanted, done)
        return request.defer()

    # -- the whole runtime, and the device ---------------------------------------------------------------------------

    def _shut_down(self, request: Request, _params: dict[str, Any]) -> Any:
        self._supervision.systemd.stop(TARGET, lambda _: request.reply(None), lambda error: _fail(request, error))
        return request.defer()

    def _restart_runtime(self, request: Request, _params: dict[str, Any]) -> Any:
        self._supervision.systemd.restart(TARGET, lambda _: request.reply(None), lambda error: _fail(request, error))
        return request.defer()

    def _reboot(self, request: Request, params: dict[str, Any]) -> Any:
        from ggl.host.systemd.reboot import reboot

        reboot(self._context, request, get_str(params, "command", ""))
        return request.defer()


def _fail(request: Request, error: DBusError) -> None:
    request.fail(BusError(ErrorCode.FAILURE, f"systemd: {error}"))
