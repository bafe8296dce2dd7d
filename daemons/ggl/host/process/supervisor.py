"""The supervisor: what runs, what it depends on, and in which order it comes up and goes down.

It owns the table of units, the sockets of the core daemons, the log pipes and every child process. It knows nothing of
recipes, configuration or deployments: units come over ``gg_host`` and from the unit files.
"""

from __future__ import annotations

import os
import resource
import socket
import time
from collections.abc import Callable

from ggl.bus.loop import Loop
from ggl.catalog import DAEMONS, HOST_INTERFACE
from ggl.daemon import LISTEN_FDS_START, bind, socket_paths
from ggl.host.process import store
from ggl.host.process.core import CoreDaemon
from ggl.host.process.logs import Logs
from ggl.host.process.marker import VARIABLE, Strays, mark
from ggl.host.process.reaper import Reaper
from ggl.host.process.running import RunningUnit
from ggl.host.process.spawn import Child, fork, set_title
from ggl.host.process.state import UnitState
from ggl.host.unit import CORE_PREFIX, Command, Unit
from ggl.log import get_logger
from ggl.paths import IPC_SOCKET_NAME, Root

STOP_ALL_SECONDS = 30.0
"""What all components together get for an orderly stop; then the rest is ended at once."""

_log = get_logger("ggld")

AnyUnit = RunningUnit | CoreDaemon
Shown = UnitState | CoreDaemon


class Supervisor:
    """See the module's text. ``on_change`` is told of every unit whose status changed.

    ``echo``: the log writer repeats every line on our standard output (a container's log).
    """

    def __init__(self, loop: Loop, root: Root, reaper: Reaper, on_change: Callable[[Shown], None], echo: bool) -> None:
        self.loop = loop
        self.root = root
        self.reaper = reaper
        self.units: dict[str, RunningUnit] = {}
        self.core: dict[str, CoreDaemon] = {}
        self.started_ms = int(time.time() * 1000)
        self.stopping = False
        self.strays = Strays(loop, root.state)
        self.log_writer_pid = 0
        self._on_change = on_change
        self._logs = Logs(loop)
        self._files_before = resource.getrlimit(resource.RLIMIT_NOFILE)
        reaper.after_each = self._forget_empty_groups
        self._echo = os.dup(1) if echo else os.open(os.devnull, os.O_WRONLY)
        self._echoes = echo
        self._lifeline_r, self._lifeline_w = os.pipe2(os.O_CLOEXEC)
        self.host_socket = bind(str(root.bus_socket(HOST_INTERFACE)), 0o600)

    # -- the whole runtime -------------------------------------------------------------------------------------------

    def start_all(self) -> None:
        """Sockets first, then the log writer, then what was deployed."""
        self._start_log_writer()
        own = self._logs.outputs(CORE_PREFIX + "ggld")
        os.dup2(own.stdout, 1)
        os.dup2(own.stderr, 2)
        for daemon in DAEMONS:
            sockets = {
                name: bind(path, 0o666 if name == IPC_SOCKET_NAME else 0o600)
                for name, path in socket_paths(daemon, self.root).items()
            }
            self.core[CORE_PREFIX + daemon.name] = CoreDaemon(self, daemon, sockets)
        for unit, wanted in store.load_all(self.root.units):
            self.units[unit.name] = RunningUnit(self, unit)
            self.units[unit.name].wanted = wanted
        for running in list(self.units.values()):
            if running.wanted and running.unit.phase != "install":
                self.loop.call_soon(running.start)
        for core in self.core.values():
            directory = self.root.state / core.daemon.unfinished
            if core.daemon.unfinished and directory.is_dir() and any(directory.iterdir()):
                core.start()

    def stop_all(self, done: Callable[[], None]) -> None:
        """Components in reverse order of their dependencies, then the core daemons."""
        if self.stopping:
            return
        self.stopping = True
        core_told = False
        pending = {unit for unit in self.units.values() if not unit.is_down}
        told: set[RunningUnit] = set()

        def stop_next() -> None:
            nonlocal core_told
            if not pending:
                if not core_told:
                    core_told = True
                    self._stop_core(done)
                return
            required = {name for unit in pending for name in unit.unit.requires}
            free = {unit for unit in pending if unit.name not in required}
            if free or not told & pending:
                stop(free or pending)  # nobody is free: they require each other in a circle

        def stop(units: set[RunningUnit]) -> None:
            for unit in units - told:
                told.add(unit)
                unit.stop(lambda u=unit: stopped(u))  # type: ignore[misc]

        def stopped(unit: RunningUnit) -> None:
            pending.discard(unit)
            self.loop.call_soon(stop_next)

        def give_up() -> None:
            if pending:
                names = ", ".join(sorted(unit.name for unit in pending))
                _log.error("not stopped within %g s: %s; sending SIGKILL", STOP_ALL_SECONDS, names)
                left = set(pending)
                stop(left)
                for unit in left & pending:
                    unit.kill()

        self.loop.call_later(STOP_ALL_SECONDS, give_up)
        for unit in self.units.values():
            unit.wanted = False
        stop_next()

    def _stop_core(self, done: Callable[[], None]) -> None:
        left = set(self.core)

        def stopped(name: str) -> None:
            left.discard(name)
            if not left:
                done()

        for name, daemon in list(self.core.items()):
            daemon.shut_down(lambda n=name: stopped(n))  # type: ignore[misc]

    # -- units -------------------------------------------------------------------------------------------------------

    def load(self, unit: Unit) -> None:
        """Raises ``OSError`` when the unit file cannot be written; then nothing has changed."""
        running = self.units.get(unit.name)
        store.save(self.root.units, unit, running.wanted if running is not None else False)
        if running is None:
            self.units[unit.name] = RunningUnit(self, unit)
            self.changed(self.units[unit.name])
        else:
            running.load(unit)

    def unload(self, name: str, done: Callable[[], None]) -> None:
        """Stop the unit, then forget it; unless somebody loads or starts it again before it is down."""
        running = self.units.get(name)
        if running is None:
            done()
            return
        definition = running.loaded

        def stopped() -> None:
            if self.units.get(name) is running and running.loaded is definition and not running.wanted:
                self._forget(running)
            done()

        running.stop(stopped)

    def _forget(self, running: RunningUnit) -> None:
        del self.units[running.name]
        try:
            store.remove(self.root.units, running.name)
        except OSError as error:
            _log.error("cannot remove the unit file of %s: %s", running.name, error.strerror)
        self._on_change(running)
        log = _log_name(running.unit)
        if not any(_log_name(other.unit) == log for other in self.units.values()):
            self._logs.forget(log)

    def save_wanted(self, running: RunningUnit) -> None:
        """Remember over a restart whether the unit is meant to be up."""
        try:
            store.save(self.root.units, running.loaded, running.wanted)
        except OSError as error:
            _log.error("cannot write the unit file of %s: %s", running.name, error.strerror)

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

    def stop_install(self, unit: Unit, done: Callable[[], None]) -> None:
        """``unit`` is not to come up any more: its installation, if it is under way, is stopped. Then ``done``."""
        install = self.units.get(unit.install)
        if install is not None and install.active == "activating":
            install.stop(done)
        else:
            done()

    def changed(self, unit: Shown) -> None:
        self._on_change(unit)

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

    # -- processes ---------------------------------------------------------------------------------------------------

    def spawn_script(self, unit: Unit, command: Command, stage: str) -> Child:
        """Fork a child that becomes ``command``. Raises ``OSError``."""
        outputs = self._logs.outputs(_log_name(unit))

        def become(status_fd: int) -> None:
            from ggl.runner import become_script

            resource.setrlimit(resource.RLIMIT_NOFILE, self._files_before)
            os.environ[VARIABLE] = mark(self.root.state, unit.name)
            become_script(unit, command, stage, self.root, status_fd)

        return fork(become, outputs.stdout, outputs.stderr)

    def spawn_daemon(self, core: CoreDaemon) -> int:
        """Fork a core daemon with its sockets. Raises ``OSError``."""
        from ggl import daemon as daemon_main

        outputs = self._logs.outputs(core.name)
        names = list(core.sockets)
        keep = (*(core.sockets[name].fileno() for name in names), self._lifeline_r)

        def become(status_fd: int) -> None:
            os.close(status_fd)
            os.environ["LISTEN_PID"] = str(os.getpid())
            os.environ["LISTEN_FDS"] = str(len(names))
            os.environ["LISTEN_FDNAMES"] = ":".join(names)
            set_title(core.name)
            daemon_main.run(core.daemon, self.root, daemon_main.take_sockets(), lifeline=LISTEN_FDS_START + len(names))

        child = fork(become, outputs.stdout, outputs.stderr, keep)
        os.close(child.status_fd)
        return child.pid

    def _start_log_writer(self) -> None:
        from ggl.host.process import logwriter

        control = self._logs.connect()

        def become(status_fd: int) -> None:
            os.close(status_fd)
            set_title("ggl.core.logwriter")
            logwriter.run(socket.socket(fileno=LISTEN_FDS_START), self.root.logs, self._echoes)

        child = fork(become, self._echo, self._echo, (control.fileno(),))
        os.close(child.status_fd)
        control.close()
        self.reaper.expect(child.pid, self._log_writer_ended)
        self.log_writer_pid = child.pid

    def _log_writer_ended(self, _status: int) -> None:
        _log.warning("the log writer ended, starting it again")
        self.loop.call_later(0.05, self._start_log_writer_again)

    def _start_log_writer_again(self) -> None:
        try:
            self._start_log_writer()
        except OSError as error:
            # What is printed meanwhile waits in the pipes.
            _log.error("cannot start the log writer: %s", error.strerror)
            self.loop.call_later(1.0, self._start_log_writer_again)

    def _forget_empty_groups(self) -> None:
        for unit in self.units.values():
            unit.forget_empty_groups()


def _log_name(unit: Unit) -> str:
    return unit.component or unit.name
