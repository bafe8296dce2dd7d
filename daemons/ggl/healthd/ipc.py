"""The IPC operations about components: what there is and how it does, stopping, restarting, pausing and resuming.

Each asks the host for its units first, so that what is answered, and whether a component exists, is never older than
the request. The nucleus is shown as a component that runs; it cannot be stopped or paused by this way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from ggl.bus.errors import BusError, ErrorCode
from ggl.bus.trail import current
from ggl.healthd.lifecycle import RUNNING, Health
from ggl.ipc import handler
from ggl.ipc.errors import IpcError, invalid_arguments, not_found, service_error
from ggl.ipc.model import PREFIX
from ggl.log import get_logger
from ggl.values import get_str
from ggl.version import NUCLEUS, NUCLEUS_ALIAS

if TYPE_CHECKING:
    from ggl.bus.remote import Remote
    from ggl.bus.request import Method, Request

_log = get_logger("healthd")


class Components(Protocol):
    """What the service offers: see there."""

    def ask(self, then: Callable[[], None], failed: Callable[[BusError], None]) -> None: ...

    def all(self) -> list[Health]: ...

    def get(self, component: str) -> Health | None: ...

    def control(
        self, method: str, component: str, then: Callable[[], None], failed: Callable[[BusError], None]
    ) -> None: ...


def methods(components: Components, config: Remote) -> dict[str, Method]:
    operations = Operations(components, config)
    served = {
        "ListComponents": operations.list_components,
        "GetComponentDetails": operations.get_component_details,
        "StopComponent": operations.stop,
        "RestartComponent": operations.restart,
        "PauseComponent": operations.pause,
        "ResumeComponent": operations.resume,
    }
    return {PREFIX + name: handler.ipc_method(serve) for name, serve in served.items()}


class Operations:
    def __init__(self, components: Components, config: Remote) -> None:
        self._components = components
        self._config = config

    # -- looking -----------------------------------------------------------------------------------------------------

    def list_components(self, _caller: str, _request: dict[str, Any], bus_request: Request) -> Any:
        def show(services: Any) -> None:
            services = services if isinstance(services, dict) else {}
            healths = {health.component: health for health in (_nucleus(), *self._components.all())}
            ordered = in_dependency_order({name: _dependencies(services.get(name)) for name in healths})
            details = [component_details(healths[name], services.get(name)) for name in ordered]
            handler.reply(bus_request, {"components": details})

        return self._after_refresh(bus_request, lambda: self._read(bus_request, ["services"], show))

    def get_component_details(self, _caller: str, request: dict[str, Any], bus_request: Request) -> Any:
        name = _component_name(request, "Component name cannot be empty")
        stored = NUCLEUS if name == NUCLEUS_ALIAS else name

        def look_up() -> None:
            health = _nucleus(name) if stored == NUCLEUS else self._known(name)

            def show(service: Any) -> None:
                handler.reply(bus_request, {"componentDetails": component_details(health, service)})

            self._read(bus_request, ["services", stored], show)

        return self._after_refresh(bus_request, look_up)

    # -- acting ------------------------------------------------------------------------------------------------------

    def stop(self, caller: str, request: dict[str, Any], bus_request: Request) -> Any:
        """Answered when stopping begins: it may take long, and a component may mean itself."""
        name = _component_name(request, "Component name cannot be empty")

        def failed(error: BusError) -> None:
            if error.code != ErrorCode.TIMEOUT:  # a shutdown script may take long
                _log.error("%s could not be stopped: %s", name, error)

        def begin() -> None:
            if name in (NUCLEUS, NUCLEUS_ALIAS):
                refused = {"stopStatus": "FAILED", "message": "The nucleus cannot be stopped by a component"}
                handler.reply(bus_request, refused)
                return
            self._known(name)
            _log.info("%s stops %s", caller, name)
            handler.reply(bus_request, {"stopStatus": "SUCCEEDED"})
            self._components.control("stop", name, lambda: None, failed)

        return self._after_refresh(bus_request, begin)

    def restart(self, caller: str, request: dict[str, Any], bus_request: Request) -> Any:
        name = _component_name(request, "Component name cannot be empty")

        def refused(message: str) -> None:
            _log.warning("%s cannot be restarted: %s", name, message)
            handler.reply(bus_request, {"restartStatus": "FAILED", "message": message})

        def begin() -> None:
            if name in (NUCLEUS, NUCLEUS_ALIAS):
                refused("The nucleus cannot be restarted by a component")
                return
            self._known(name)
            _log.info("%s restarts %s", caller, name)
            self._components.control(
                "restart",
                name,
                lambda: handler.reply(bus_request, {"restartStatus": "SUCCEEDED"}),
                lambda error: refused(error.message),
            )

        return self._after_refresh(bus_request, begin)

    def pause(self, caller: str, request: dict[str, Any], bus_request: Request) -> Any:
        return self._freeze("pause", "running", caller, request, bus_request)

    def resume(self, caller: str, request: dict[str, Any], bus_request: Request) -> Any:
        return self._freeze("resume", "paused", caller, request, bus_request)

    def _freeze(self, method: str, needed: str, caller: str, request: dict[str, Any], bus_request: Request) -> Any:
        """Call ``method`` of the host, which refuses it for a unit that is not what is ``needed``."""
        name = _component_name(request, "Component name is required.")
        refusal = invalid_arguments(f"Component {name} is not {needed}")

        def failed(error: BusError) -> None:
            if error.code == ErrorCode.INVALID:
                handler.fail(bus_request, refusal)
                return
            _log.error("%s of %s failed: %s", method, name, error)
            handler.fail(bus_request, service_error(f"Unable to {method} the component: {error.message}"))

        def begin() -> None:
            if name in (NUCLEUS, NUCLEUS_ALIAS):
                raise invalid_arguments(f"{name} is not a component that can be paused")
            if self._known(name).state != RUNNING:  # so is one that is paused
                raise refusal
            _log.info("%s: %s asks to %s it", name, caller, method)
            self._components.control(method, name, lambda: handler.reply(bus_request), failed)

        return self._after_refresh(bus_request, begin)

    # -- finding -----------------------------------------------------------------------------------------------------

    def _known(self, name: str) -> Health:
        health = self._components.get(name)
        if health is None:
            raise not_found(f"Component with name {name} not found in Greengrass", "Component", name)
        return health

    # -- asking ------------------------------------------------------------------------------------------------------

    def _after_refresh(self, bus_request: Request, then: Callable[[], None]) -> Any:
        """Ask the host for its units, then call ``then``, which answers the request or raises ``IpcError``."""

        def asked() -> None:
            current.trail = bus_request.trail
            try:
                then()
            except IpcError as error:
                handler.fail(bus_request, error)
            finally:
                current.trail = ""

        def failed(error: BusError) -> None:
            _log.error("the host cannot be asked: %s", error)
            handler.fail(bus_request, service_error(f"The components cannot be looked up: {error.message}"))

        self._components.ask(asked, failed)
        return bus_request.defer()

    def _read(self, bus_request: Request, path: list[str], then: Callable[[Any], None]) -> None:
        """The configuration at ``path``; ``None`` when there is none."""

        def failed(error: BusError) -> None:
            if error.code == ErrorCode.NOENTRY:
                then(None)
                return
            _log.error("the configuration cannot be read: %s", error)
            handler.fail(bus_request, service_error(f"The configuration cannot be read: {error.message}"))

        self._config.call("read", {"key_path": path}, then, failed, bus_request.trail)


def component_details(health: Health, service: Any) -> dict[str, Any]:
    """``ComponentDetails``; ``service`` is what the configuration has of the component, if anything."""
    service = service if isinstance(service, dict) else {}
    version = service.get("version")
    details: dict[str, Any] = {
        "componentName": health.component,
        "version": health.version or (version if isinstance(version, str) else ""),
        "state": health.state,
    }
    configuration = service.get("configuration")
    if isinstance(configuration, dict):
        details["configuration"] = _visible(configuration)
    return details


def in_dependency_order(dependencies: Mapping[str, list[str]]) -> list[str]:
    """The keys, each after those of its dependencies that are keys too; otherwise in their own order."""
    ordered: dict[str, None] = {}
    entered: set[str] = set()
    for name in dependencies:
        path = [] if name in entered else [name]
        while path:
            last = path[-1]
            entered.add(last)
            unseen = (each for each in dependencies[last] if each in dependencies and each not in entered)
            following = next(unseen, None)
            if following is None:
                ordered[path.pop()] = None
            else:
                path.append(following)
    return list(ordered)


def _dependencies(service: Any) -> list[str]:
    """The names in a list of ``name:HARD`` and ``name:SOFT``."""
    listed = service.get("dependencies") if isinstance(service, dict) else None
    return [each.partition(":")[0] for each in listed or () if isinstance(each, str)]


def _visible(value: dict[str, Any]) -> dict[str, Any]:
    """Without private keys, at any depth."""
    return {
        key: _visible(child) if isinstance(child, dict) else child
        for key, child in value.items()
        if not key.startswith("_")
    }


def _nucleus(name: str = NUCLEUS) -> Health:
    return Health(name, "", RUNNING)


def _component_name(request: Mapping[str, Any], missing: str) -> str:
    name = get_str(request, "componentName", "")
    if not name:
        raise invalid_arguments(missing)
    return name
