"""A core daemon as a unit like the others to whoever lists them. systemd looks after it; see ``core_units``."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ggl.catalog import Daemon, instance
from ggl.host.status import UnitStatus
from ggl.host.systemd.layout import daemon_unit, port_unit, socket_unit
from ggl.host.systemd.properties import Properties
from ggl.host.unit import CORE_PREFIX
from ggl.log import get_logger
from ggl.paths import IPC_SOCKET_NAME

if TYPE_CHECKING:
    from ggl.host.systemd.dbus import DBusError
    from ggl.host.systemd.supervision import Supervision

_SIGNALED = (2, 3)

_log = get_logger("hostd")


class CoreDaemon:
    """``port``: which one it serves, if there is a process of the daemon for each."""

    def __init__(self, supervision: Supervision, daemon: Daemon, port: int | None = None) -> None:
        name = daemon.name if port is None else instance(daemon.name, port)
        self.name = CORE_PREFIX + name
        self.file = daemon_unit(name)
        self.daemon = daemon
        self.properties = Properties()
        self._supervision = supervision
        self._sockets = [socket_unit(name) for name in daemon.interfaces]
        if daemon.ipc_socket:
            self._sockets.append(socket_unit(IPC_SOCKET_NAME))
        if port is not None:
            self._sockets.append(port_unit(name))
        self._created = int(time.time() * 1000)
        self._shown: UnitStatus | None = None

    def status(self) -> UnitStatus:
        properties = self.properties
        running = properties.main_pid != 0 and properties.active_state != "inactive"
        failed = properties.active_state == "failed"
        by_signal = properties.exit_code in _SIGNALED
        bad = not running and (by_signal or properties.exit_status != 0)
        return UnitStatus(
            name=self.name,
            active_state="active" if running else "failed" if failed else "inactive",
            sub_state="running" if running else "failed" if failed else "dead",
            result=("signal" if by_signal else "exit-code") if bad else "success",
            exit_status=properties.exit_status if bad else 0,
            main_pid=properties.main_pid if running else 0,
            restarts=properties.restarts,
            since=properties.changed or self._created,
            started=running or properties.begun > 0,
            wanted=running,
        )

    def update(self, properties: Properties) -> None:
        self.properties = properties
        status = self.status()
        if status != self._shown:
            self._shown = status
            self._supervision.changed(self)

    def start(self) -> None:
        """Also after it was given up: then its sockets have to be opened again first."""
        systemd = self._supervision.systemd
        if self.properties.active_state == "active":
            return
        for file in (self.file, *self._sockets):
            systemd.reset_failed(file, lambda: None)
        for file in (*self._sockets, self.file):
            systemd.start(file, lambda _job: None, self._refused)

    def stop(self, done: Callable[[], None] | None = None) -> None:
        """Its sockets stay: the next connection starts it again."""

        def over(_result: str) -> None:
            if done is not None:
                done()

        def refused(error: DBusError) -> None:
            self._refused(error)
            over("")

        self._supervision.systemd.stop(self.file, lambda job: self._supervision.await_job(job, over), refused)

    def _refused(self, error: DBusError) -> None:
        _log.error("%s: %s", self.name, error)
