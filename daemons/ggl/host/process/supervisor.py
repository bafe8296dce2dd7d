"""The supervisor: what runs, what it depends on, and in which order it comes up and goes down.

It owns the table of units, the sockets of the core daemons, the log pipes and every child process. It knows nothing of
recipes, configuration or deployments: units come over ``gg_host`` and from the unit files.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable

from ggl.bus.loop import Loop
from ggl.catalog import DAEMONS, HOST_INTERFACE
from ggl.daemon import LISTEN_FDS_START, bind, socket_paths
from ggl.host.process import store
from ggl.host.process.core import CoreDaemon
from ggl.host.process.logs import Logs
from ggl.host.process.marker import VARIABLE, mark
from ggl.host.process.reaper import Reaper
from ggl.host.process.running import RunningUnit
from ggl.host.process.spawn import Child, fork
from ggl.host.unit import CORE_PREFIX, Command, Unit
from ggl.log import get_logger
from ggl.paths import IPC_SOCKET_NAME, Root

STOP_ALL_SECONDS = 30.0
"""What all components together get for an orderly stop; then the rest is ended at once."""

_log = get_logger("ggld")

AnyUnit = RunningUnit | CoreDaemon


class Supervisor:
    """See the module's text. ``on_change`` is told of every unit whose status changed.

    ``echo``: the log writer repeats every line on our standard output (a container's log).
    """

    def __init__(
        self, loop: Loop, root: Root, reaper: Reaper, on_change: Callable[[AnyUnit], None], echo: bool
    ) -> None:
        self.loop = loop
        self.root = root
        self.reaper = reaper
        self.units: dict[str, RunningUnit] = {}
        self.core: dict[str, CoreDaemon] = {}
        self.started_ms = int(time.time() * 1000)
        self._on_change = on_change
        self._logs = Logs(root.logs)
        self._stopping = False
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
                running.start()
        for core in self.core.values():
            directory = self.root.state / core.daemon.unfinished
            if core.daemon.unfinished and directory.is_dir() and any(directory.iterdir()):
                core.start()

    def stop_all(self, done: Callable[[], None]) -> None:
        """Components in reverse order of their dependencies, then the core daemons."""
        if self._stopping:
            return
        self._stopping = True
        core_told = False
        pending = {name for name, unit in self.units.items() if not unit.is_down}
        told: set[str] = set()

        def stop_next() -> None:
            nonlocal core_told
            if not pending:
                if not core_told:
                    core_told = True
                    self._stop_core(done)
                return
            for name in pending - told:
                if not any(name in self.units[other].unit.requires for other in pending):
                    told.add(name)
                    self.units[name].stop(lambda n=name: stopped(n))  # type: ignore[misc]

        def stopped(name: str) -> None:
            pending.discard(name)
            self.loop.call_soon(stop_next)

        def give_up() -> None:
            if pending:
                _log.error("not stopped within %g s: %s", STOP_ALL_SECONDS, ", ".join(sorted(pending)))
                pending.clear()
                stop_next()

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
        """Stop the unit, then forget it."""

        def stopped() -> None:
            running = self.units.pop(name, None)
            store.remove(self.root.units, name)
            if running is not None:
                self._on_change(running)
                component = running.unit.component
                if component and not any(other.unit.component == component for other in self.units.values()):
                    self._logs.forget(component)
            done()

        if name in self.units:
            self.units[name].stop(stopped)
        else:
            done()

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

    def changed(self, unit: AnyUnit) -> None:
        self._on_change(unit)

    def readiness_changed(self, unit: RunningUnit) -> None:
        """Tell the units that depend on ``unit``; on the next turn, when its own change is complete."""
        self.loop.call_soon(lambda: self._tell_dependents(unit))

    def _tell_dependents(self, unit: RunningUnit) -> None:
        ready = unit.is_ready
        for other in list(self.units.values()):
            if ready and (unit.name in other.unit.requires or unit.name == other.unit.install):
                other.dependency_ready()
            elif not ready and unit.name in other.unit.requires and not self._stopping:
                other.dependency_lost(unit.name)

    # -- processes ---------------------------------------------------------------------------------------------------

    def spawn_script(self, unit: Unit, command: Command, stage: str) -> Child:
        """Fork a child that becomes ``command``. Raises ``OSError``."""
        outputs = self._logs.outputs(unit.component or unit.name)

        def become(status_fd: int) -> None:
            from ggl.runner import become_script

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
            _set_title(core.name)
            daemon_main.run(core.daemon, self.root, daemon_main.take_sockets(), lifeline=LISTEN_FDS_START + len(names))

        child = fork(become, outputs.stdout, outputs.stderr, keep)
        os.close(child.status_fd)
        return child.pid

    def _start_log_writer(self) -> None:
        from ggl.host.process import logwriter

        control = self._logs.connect()

        def become(status_fd: int) -> None:
            os.close(status_fd)
            _set_title("ggl.core.logwriter")
            logwriter.run(socket.socket(fileno=LISTEN_FDS_START), self.root.logs, self._echoes)

        child = fork(become, self._echo, self._echo, (control.fileno(),))
        os.close(child.status_fd)
        control.close()
        self.reaper.expect(child.pid, self._log_writer_ended)
        self.log_writer_pid = child.pid

    def _log_writer_ended(self, _status: int) -> None:
        _log.warning("the log writer ended, starting it again")
        self.loop.call_later(0.05, self._start_log_writer)


def _set_title(name: str) -> None:
    """Show ``name`` in ps and top: the kernel's 15 characters of it."""
    try:
        with open("/proc/self/comm", "w") as file:
            file.write(name.removeprefix(CORE_PREFIX)[:15])
    except OSError:
        pass
