"""The methods of ``gg_host`` that do the same on every host; what else there is each host adds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from ggl.bus.errors import BusError, ErrorCode
from ggl.catalog import MAX_PORTS, find
from ggl.host import told
from ggl.host.received import received_unit
from ggl.host.table import Kept
from ggl.values import InvalidValue, get_list, get_str, get_str_list

if TYPE_CHECKING:
    from ggl.bus.loop import Loop
    from ggl.bus.request import Request, Stream
    from ggl.catalog import Daemon
    from ggl.host.status import UnitStatus
    from ggl.host.table import UnitTable
    from ggl.paths import Root

Handler = Callable[["Request", dict[str, Any]], Any]


class Shown(Protocol):
    """What can be listed."""

    @property
    def name(self) -> str: ...
    def status(self) -> UnitStatus: ...


class _Unit(Shown, Kept, Protocol):
    def start(self) -> None: ...
    def restart(self) -> None: ...
    def reset(self) -> None: ...


class _Core(Shown, Protocol):
    def start(self) -> None: ...
    def stop(self, done: Callable[[], None] | None = None) -> None: ...


U = TypeVar("U", bound=_Unit)
C = TypeVar("C", bound=_Core)


class HostMethods(Generic[U, C]):
    """``table`` and ``root`` have to be set before the first request."""

    table: UnitTable[U, C]
    root: Root

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self._streams: list[Stream] = []

    def questions(self) -> dict[str, Handler]:
        """The methods that only tell."""
        return {"list": self._list, "status": self._status, "subscribe": self._subscribe}

    def orders(self) -> dict[str, Handler]:
        return {
            "load": self._load,
            "unload": self._unload,
            "start": self._start,
            "stop": self._stop,
            "restart": self._restart,
            "reset": self._reset,
        }

    def on_change(self, unit: Shown) -> None:
        """Tell the subscribers."""
        if self._streams:
            item = self.describe(unit)
            for stream in list(self._streams):
                stream.send(item)

    def describe(self, unit: Shown) -> dict[str, Any]:
        known = unit.name in self.table.units or unit.name in self.table.core
        return {**unit.status().to_dict(), "loaded": known}

    def find(self, name: str) -> U | C:
        """Raises ``BusError`` NOENTRY."""
        unit = self.table.units.get(name) or self.table.core.get(name)
        if unit is None:
            raise BusError(ErrorCode.NOENTRY, f"there is no unit '{name}'")
        return unit

    def component(self, name: str) -> U:
        """Raises ``BusError`` NOENTRY, or INVALID for a core daemon."""
        if name in self.table.core:
            raise BusError(ErrorCode.INVALID, f"'{name}' is a core daemon")
        self.find(name)
        return self.table.units[name]

    def _list(self, _request: Request, _params: dict[str, Any]) -> list[dict[str, Any]]:
        return [self.describe(unit) for units in (self.table.core, self.table.units) for unit in units.values()]

    def _status(self, _request: Request, params: dict[str, Any]) -> dict[str, Any]:
        return self.describe(self.find(get_str(params, "name")))

    def _subscribe(self, request: Request, params: dict[str, Any]) -> list[dict[str, Any]]:
        stream = request.stream(lambda: self._streams.remove(stream))
        self._streams.append(stream)
        return self._list(request, params)

    def _load(self, _request: Request, params: dict[str, Any]) -> Any:
        units = [received_unit(item) for item in get_list(params, "units")]
        start = get_str_list(params, "start", [])
        for unit in units:
            try:
                self.table.load(unit)
            except OSError as error:
                why = f"cannot write the unit file of {unit.name}: {error.strerror}"
                raise BusError(ErrorCode.NOMEM, why) from None
        for loaded in [self.component(name) for name in start]:
            loaded.start()
            self.table.save_wanted(loaded)

    def _unload(self, request: Request, params: dict[str, Any]) -> Any:
        known = self.table.units
        units = [known[name] for name in get_str_list(params, "names") if name in known]
        self.table.unload(units, lambda: self._reply_soon(request))
        return request.defer()

    def _start(self, _request: Request, params: dict[str, Any]) -> None:
        for unit in [self.find(name) for name in get_str_list(params, "names")]:
            unit.start()
            if unit.name in self.table.units:
                self.table.save_wanted(self.table.units[unit.name])
                self._tell(unit)

    def _stop(self, request: Request, params: dict[str, Any]) -> Any:
        names = {name: self.find(name).name for name in get_str_list(params, "names")}
        core = [self.table.core[name] for name in names if name in self.table.core]
        stopped = countdown(1 + len(core), lambda: self._reply_soon(request))
        for daemon in core:
            daemon.stop(stopped)
        components = [self.table.units[name] for name in names if name in self.table.units]
        self.table.stop(components, stopped)
        for unit in components:
            self._tell(unit)
        return request.defer()

    def _restart(self, _request: Request, params: dict[str, Any]) -> None:
        for name in [self.find(name).name for name in get_str_list(params, "names")]:
            if name in self.table.core:
                daemon = self.table.core[name]
                daemon.stop(daemon.start)
            else:
                unit = self.table.units[name]
                unit.restart()
                self.table.save_wanted(unit)
                self._tell(unit)

    def _reset(self, _request: Request, params: dict[str, Any]) -> None:
        for name in get_str_list(params, "names"):
            self.component(name).reset()

    def _tell(self, unit: Shown) -> None:
        """Somebody wants a component to be up or down: tell who wants to know."""
        told.tell(self.loop, self.root, unit.status().component)

    def _reply_soon(self, request: Request) -> None:
        self.loop.call_soon(lambda: request.reply(None))


def listening(params: dict[str, Any]) -> tuple[Daemon, list[int]]:
    """The daemon and the ports that ``listen`` is asked for. Raises ``BusError``, ``InvalidValue``."""
    name, ports = get_str(params, "daemon"), get_list(params, "ports")
    try:
        daemon = find(name)
    except KeyError:
        daemon = None
    if daemon is None or not daemon.loopback:
        raise BusError(ErrorCode.NOENTRY, f"there is no daemon '{name}' that serves ports")
    if len(ports) > MAX_PORTS or len(set(map(repr, ports))) < len(ports):
        raise InvalidValue(f"'ports' must be up to {MAX_PORTS} different ones")
    for port in ports:
        if type(port) is not int or not 0 < port < 65536:
            raise InvalidValue(f"'ports' must be numbers from 1 to 65535, not {port!r}")
    return daemon, ports


def countdown(count: int, done: Callable[[], None]) -> Callable[[], None]:
    """What calls ``done`` when it is called for the ``count``-th time."""

    def step() -> None:
        nonlocal count
        count -= 1
        if not count:
            done()

    return step
