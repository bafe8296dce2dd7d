"""The bus interface ``gg_health`` and the IPC operation UpdateState. The package's text describes the methods.

healthd follows the host's stream of unit states. When the host is restarted the stream is opened anew, with a growing
delay; subscribers of healthd notice nothing but the changes. Every question is answered from a list that the host is
asked for after the question came, on the connection of the stream, so an answer is never older than the question.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ggl.bus.errors import BusError, ErrorCode
from ggl.bus.remote import Remote
from ggl.bus.request import Method, Request
from ggl.healthd import ipc
from ggl.healthd.lifecycle import REPORTABLE, RUNNING, STATES, Health, is_report_allowed
from ggl.healthd.watcher import Watcher
from ggl.host.client import INTERFACE as HOST
from ggl.host.client import change, statuses
from ggl.ipc import handler
from ggl.ipc.errors import not_found, service_error
from ggl.log import get_logger
from ggl.values import InvalidValue, get_str

if TYPE_CHECKING:
    from ggl.daemon import Context

INTERFACE = "gg_health"
FIRST_DELAY = 0.1
LONGEST_DELAY = 5.0
"""Seconds between two attempts to follow the host."""

_log = get_logger("healthd")


def setup(context: Context) -> None:
    """Follow the host, and serve."""
    service = Service(context)
    context.serve(INTERFACE, service.methods())
    service.follow()


class Service:
    def __init__(self, context: Context) -> None:
        self._loop = context.loop
        self._host = Remote(context.loop, HOST, context.root)
        self._config = Remote(context.loop, "gg_config", context.root)
        self._watcher = Watcher()
        self._delay = FIRST_DELAY

    def methods(self) -> dict[str, Method]:
        return {
            "list": Method(self._list),
            "status": Method(self._status),
            "subscribe": Method(self._subscribe),
            "update_state": Method(self._update_state),
            "aws.greengrass#UpdateState": handler.ipc_method(self._ipc_update_state),
            **ipc.methods(self, self._config),
        }

    # -- the host's side ---------------------------------------------------------------------------------------------

    def follow(self) -> None:
        """Open the host's stream; and again whenever it ends."""
        self._host.subscribe("subscribe", {}, self._replace, self._changed, self._lost)

    def _replace(self, result: Any) -> None:
        try:
            self._watcher.replace(statuses(result))
            self._delay = FIRST_DELAY
        except InvalidValue as error:
            _log.error("the host's list of units cannot be read: %s", error)

    def _changed(self, item: Any) -> None:
        try:
            self._watcher.update(*change(item))
        except InvalidValue as error:
            _log.error("the host's unit state cannot be read: %s", error)

    def _lost(self, error: BusError | None) -> None:
        _log.warning("the host's stream ended (%s), following it again in %g s", error or "no reason", self._delay)
        self._loop.call_later(self._delay, self.follow)
        self._delay = min(self._delay * 2, LONGEST_DELAY)

    def _refreshed(self, request: Request, then: Callable[[], None]) -> Any:
        """Ask the host for everything, then call ``then``, which answers ``request``."""

        def asked() -> None:
            if request.connection.closed:
                return
            try:
                then()
            except BusError as error:
                request.fail(error)

        self.ask(asked, request.fail)
        return request.defer()

    # -- for IPC operations ------------------------------------------------------------------------------------------

    def ask(self, then: Callable[[], None], failed: Callable[[BusError], None]) -> None:
        """Ask the host for everything anew, then call ``then``, for which ``all`` and ``get`` are up to date."""

        def replied(result: Any) -> None:
            self._replace(result)
            then()

        self._host.call("list", {}, replied, failed)

    def all(self) -> list[Health]:
        """The healths of all components as of the last ``ask``, or later."""
        return self._watcher.list()

    def get(self, component: str) -> Health | None:
        """The health of one component, likewise."""
        return self._watcher.get(component)

    def control(
        self, method: str, component: str, then: Callable[[], None], failed: Callable[[BusError], None]
    ) -> None:
        """Let the host ``start``, ``stop``, ``restart``, ``pause`` or ``resume`` the component's main unit.

        ``then`` is called when the host has answered: a stop is over then, a start or restart has begun. INVALID: the
        component is not up (pause) or not paused (resume). NOENTRY: it is gone. Errors so far do not count after a
        restart; use ``ask`` first.
        """
        unit = self._watcher.main_unit(component)
        if unit is None:
            failed(BusError(ErrorCode.NOENTRY, f"there is no component '{component}'"))
            return
        self._host.call(method, {"names": [unit]}, lambda _result: then(), failed)

    # -- the bus interface -------------------------------------------------------------------------------------------

    def _list(self, request: Request, _params: dict[str, Any]) -> Any:
        return self._refreshed(request, lambda: request.reply(self._healths("")))

    def _status(self, request: Request, params: dict[str, Any]) -> Any:
        component = get_str(params, "component")
        return self._refreshed(request, lambda: request.reply(self._known(component).to_dict()))

    def _subscribe(self, request: Request, params: dict[str, Any]) -> Any:
        component = get_str(params, "component", "")

        def open_stream() -> None:
            stream = request.stream(lambda: end())
            end = self._watcher.listen(component, lambda health: stream.send(health.to_dict()))
            request.reply(self._healths(component))

        return self._refreshed(request, open_stream)

    def _update_state(self, request: Request, params: dict[str, Any]) -> Any:
        component, state = get_str(params, "component"), _reportable(params)
        return self._refreshed(request, lambda: self._report(request, component, state, lambda: request.reply(None)))

    def _healths(self, component: str) -> list[dict[str, Any]]:
        return [health.to_dict() for health in self._watcher.list() if component in ("", health.component)]

    def _known(self, component: str) -> Health:
        health = self._watcher.get(component)
        if health is None:
            raise BusError(ErrorCode.NOENTRY, f"there is no component '{component}'")
        return health

    # -- what a component says about itself --------------------------------------------------------------------------

    def _report(self, request: Request, component: str, state: str, done: Callable[[], None]) -> None:
        """Hand a report to the host, or ignore it when the component's state does not allow it."""
        health = self._known(component)
        unit = self._watcher.reporting_unit(component)
        if unit is None or not is_report_allowed(health.state, state):
            _log.info("%s reports %s while %s: ignored", component, state, health.state)
            done()
            return
        params = {"name": unit, "state": "READY" if state == RUNNING else "ERROR"}
        self._host.call("notify", params, lambda _result: done(), request.fail)

    def _ipc_update_state(self, component: str, request: dict[str, Any], bus_request: Request) -> Any:
        state = _reportable(request)

        def then() -> None:
            if self._watcher.get(component) is None:
                text = f"{component} is not a component of this runtime"
                handler.fail(bus_request, not_found(text, "Component", component))
                return
            self._report(bus_request, component, state, lambda: handler.reply(bus_request))

        def failed(error: BusError) -> None:
            _log.error("the state %s of %s could not be passed on: %s", state, component, error)
            handler.fail(bus_request, service_error("Failed to update the lifecycle state."))

        self.ask(then, failed)
        return bus_request.defer()


def _reportable(params: dict[str, Any]) -> str:
    """Any state's name is taken; a report that no component may make is one that no state allows."""
    state = get_str(params, "state")
    if state not in STATES:
        raise InvalidValue(f"'state' must be {' or '.join(REPORTABLE)}, not {state!r}")
    return state
