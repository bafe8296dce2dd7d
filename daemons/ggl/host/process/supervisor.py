"""The supervisor: what runs, what it depends on, and in which order it comes up and goes down.

It owns the table of units, the sockets of the core daemons, the log pipes and every child process. It knows nothing of
recipes, configuration or deployments: units come over ``gg_host`` and from the unit files.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable

from ggl.bus.errors import BusError, ErrorCode
from ggl.bus.loop import Loop
from ggl.catalog import DAEMONS, HOST_INTERFACE, Daemon, instance
from ggl.daemon import bind, socket_mode, socket_paths
from ggl.host import store, told
from ggl.host.order import OrderedStop
from ggl.host.process import ports
from ggl.host.process.children import Children, log_name
from ggl.host.process.core import CoreDaemon
from ggl.host.process.marker import Strays
from ggl.host.process.reaper import Reaper
from ggl.host.process.running import RunningUnit
from ggl.host.process.state import UnitState
from ggl.host.table import UnitTable
from ggl.host.unit import CORE_PREFIX, ONCE_PHASES, Unit
from ggl.log import get_logger
from ggl.paths import Root

STOP_ALL_SECONDS = 30.0
"""What all components together get for an orderly stop; then the rest is ended at once."""

RECOVERY = CORE_PREFIX + "recoveryd"
"""The daemon that is started when something was given up, if there is one."""

_log = get_logger("ggld")

Shown = UnitState | CoreDaemon


class Supervisor(UnitTable[RunningUnit, CoreDaemon]):
    """See the module's text. ``on_change`` is told of every unit whose status changed.

    ``echo``: the log writer repeats every line on our standard output (a container's log).
    """

    def __init__(self, loop: Loop, root: Root, reaper: Reaper, on_change: Callable[[Shown], None], echo: bool) -> None:
        super().__init__(loop, root.units, _log)
        self.root = root
        self.reaper = reaper
        self.started_ms = int(time.time() * 1000)
        self.instance = os.urandom(8).hex()
        self.stopping = False
        self.strays = Strays(loop, root.state)
        self.children = Children(loop, root, reaper, echo)
        self._on_change = on_change
        reaper.after_each = self._forget_empty_groups
        self.host_socket = bind(str(root.bus_socket(HOST_INTERFACE)), 0o600)

    # -- the whole runtime -------------------------------------------------------------------------------------------

    def start_all(self) -> None:
        """Sockets first, then the log writer, then what was deployed."""
        self.children.start_logging()
        for daemon in DAEMONS:
            if daemon.loopback:
                continue  # there is one for each port, when somebody has asked for it
            sockets = {
                name: bind(path, socket_mode(daemon, name)) for name, path in socket_paths(daemon, self.root).items()
            }
            self.core[CORE_PREFIX + daemon.name] = CoreDaemon(self, daemon, sockets)
        for unit, wanted in store.load_all(self.root.units):
            self.units[unit.name] = RunningUnit(self, unit)
            self.units[unit.name].wanted = wanted
        for running in list(self.units.values()):
            if running.wanted and running.unit.phase not in ("install", *ONCE_PHASES):
                self.loop.call_soon(running.start)
        for core in self.core.values():
            if core.daemon.at_start or self.is_unfinished(core.daemon):
                core.start()

    def is_unfinished(self, daemon: Daemon) -> bool:
        """Whether ``daemon`` has something to go on with."""
        directory = self.root.state / daemon.unfinished
        return bool(daemon.unfinished) and directory.is_dir() and any(directory.iterdir())

    def stop_all(self, done: Callable[[], None]) -> None:
        """Components in reverse order of their dependencies, then the core daemons."""
        if self.stopping:
            return
        self.stopping = True
        self.children.keep_logging()
        order = OrderedStop(
            self.loop,
            (unit for unit in self.units.values() if not unit.is_down),
            lambda unit, stopped: unit.stop(stopped),
            lambda: self._stop_core(done),
        )

        def give_up() -> None:
            if order.pending:
                names = ", ".join(sorted(unit.name for unit in order.pending))
                _log.error("not stopped within %g s: %s; sending SIGKILL", STOP_ALL_SECONDS, names)
                left = set(order.pending)
                order.tell(left)
                for unit in left & order.pending:
                    unit.kill()

        self.loop.call_later(STOP_ALL_SECONDS, give_up)
        for unit in self.units.values():
            unit.wanted = False
        order.next()

    def _stop_core(self, done: Callable[[], None]) -> None:
        left = set(self.core)

        def stopped(name: str) -> None:
            left.discard(name)
            if not left:
                done()

        for name, daemon in list(self.core.items()):
            daemon.shut_down(lambda n=name: stopped(n))  # type: ignore[misc]

    # -- core daemons that serve ports -------------------------------------------------------------------------------

    def listen(self, daemon: Daemon, wanted: list[int]) -> None:
        """Exactly the ports ``wanted`` are open for ``daemon``. Raises ``BusError``; then nothing has changed."""
        names = {CORE_PREFIX + instance(daemon.name, port): port for port in wanted}
        opened: dict[str, dict[str, socket.socket]] = {}
        for name, port in names.items():
            if name in self.core:
                continue
            try:
                opened[name] = ports.open_port(port)
            except OSError as error:
                for sockets in opened.values():
                    ports.close(sockets)
                raise BusError(ErrorCode.FAILURE, f"port {port} cannot be used: {error.strerror}") from None
        for name in [name for name, core in self.core.items() if core.daemon is daemon and name not in names]:
            core = self.core.pop(name)
            core.shut_down(lambda core=core: self._on_change(core))  # type: ignore[misc]
            ports.close(core.sockets)
        for name, sockets in opened.items():
            self.core[name] = CoreDaemon(self, daemon, sockets, name)
            self.changed(self.core[name])

    # -- units -------------------------------------------------------------------------------------------------------

    def load(self, unit: Unit) -> None:
        """Raises ``OSError`` when the unit file cannot be written; then nothing has changed."""
        running = self.units.get(unit.name)
        if running is not None and running.loaded == unit:
            running.loaded = unit  # who unloads it just now sees by this that it is to stay
            return
        store.save(self.root.units, unit, running.wanted if running is not None else False)
        if running is None:
            self.units[unit.name] = RunningUnit(self, unit)
            self.changed(self.units[unit.name])
        else:
            running.load(unit)

    def _remove(self, running: RunningUnit) -> None:
        try:
            store.remove(self.root.units, running.name)
        except OSError as error:
            _log.error("cannot remove the unit file of %s: %s", running.name, error.strerror)
        self._on_change(running)
        if not any(log_name(other.unit) == log_name(running.unit) for other in self.units.values()):
            self.children.forget_log(running.unit)

    def missing_for(self, unit: Unit) -> list[str]:
        """The units that ``unit`` must wait for. Its install unit is started if it was not."""
        install = self.units.get(unit.install)
        if install is not None:
            if not install.is_ready and install.active == "inactive" and install.sub == "dead":
                install.start()
            if not install.is_ready:
                return [unit.install]
        return [name for name in unit.requires if name not in self.units or not self.units[name].is_ready]

    def retry_install(self, unit: Unit) -> None:
        """Somebody wants ``unit`` up: an install that was given up gets another chance."""
        install = self.units.get(unit.install)
        if install is not None and install.active == "failed":
            install.start()

    def installed_by(self, unit: Unit) -> RunningUnit | None:
        """The unit that has installed ``unit``. What it left running is the component's, and ends with it."""
        install = self.units.get(unit.install)
        return install if install is not None and install.sub == "exited" else None

    def stop_install(self, unit: Unit, done: Callable[[], None]) -> None:
        """``unit`` is not to come up any more: its installation, if it is under way, is stopped. Then ``done``."""
        install = self.units.get(unit.install)
        if install is not None and install.active == "activating":
            install.stop(done)
        else:
            done()

    def failed(self, unit: UnitState) -> None:
        """``unit`` has failed, and may be tried again: tell who wants to know."""
        if not self.stopping and unit.unit.phase not in ONCE_PHASES:
            told.tell(self.loop, self.root, unit.unit.component)

    def given_up(self, unit: Shown) -> None:
        """``unit`` has failed for good, or for a while: leave word of it, and wake who looks after such."""
        status = unit.status()
        if self.stopping or status.phase in ONCE_PHASES or status.name == RECOVERY:
            return
        from ggl.host.given_up import report

        report(self.root, status)
        if RECOVERY in self.core:
            self.loop.call_soon(self.core[RECOVERY].start)

    def changed(self, unit: Shown) -> None:
        self._on_change(unit)

    def also_tell(self, listener: Callable[[Shown], None]) -> None:
        """Tell ``listener`` as well of every unit whose status changes."""
        first = self._on_change

        def tell(unit: Shown) -> None:
            first(unit)
            listener(unit)

        self._on_change = tell

    def readiness_changed(self, unit: UnitState) -> None:
        """Tell the units that depend on ``unit``; on the next turn, when its own change is complete."""
        self.loop.call_soon(lambda: self._tell_dependents(unit))

    def _tell_dependents(self, unit: UnitState) -> None:
        ready = unit.is_ready
        for other in list(self.units.values()):
            if ready and (unit.name in other.unit.requires or unit.name == other.unit.install):
                other.dependency_ready()
            elif not ready and unit.name in other.unit.requires and not self.stopping:
                other.dependency_lost(unit.name)

    def _forget_empty_groups(self) -> None:
        for unit in self.units.values():
            unit.forget_empty_groups()
