"""A core daemon under supervision: its sockets are there before it is, and the first connection starts it.

A daemon that leaves by itself (idle) is started again by the next connection, or after a time if it wants that. One
that fails is started again after a delay that grows with each failure; connections made meanwhile wait in the socket's
backlog. After too many failures it is left alone for a while, and connections are turned away at once, so that nobody
waits for what will not come.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ggl.bus.loop import Timer
from ggl.catalog import SPREAD, Daemon
from ggl.host.failures import BackOff
from ggl.host.status import UnitStatus
from ggl.host.unit import CORE_PREFIX
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.host.process.supervisor import Supervisor

STOP_SECONDS = 5.0
UNFINISHED_SECONDS = 2.0
"""After which a daemon that left work behind is started again."""

_log = get_logger("ggld")


class CoreDaemon:
    """Starts, watches and stops one daemon of the catalogue; a unit like the others to whoever lists them.

    ``name``: what it is called if there are several of the same.
    """

    def __init__(
        self, supervisor: Supervisor, daemon: Daemon, sockets: dict[str, socket.socket], name: str = ""
    ) -> None:
        self.daemon = daemon
        self.sockets = sockets
        self.name = name or CORE_PREFIX + daemon.name
        self.pid = 0
        self._supervisor = supervisor
        self._back_off = BackOff()
        self._since = int(time.time() * 1000)
        self._started_at = 0.0
        self._restarts = 0
        self._failed = False
        self._status = 0
        self._signal = 0
        self._stopping = False
        self._timer: Timer | None = None
        self._stopped: list[Callable[[], None]] = []
        self._watching = False
        self._watch(True)
        self._start_later()

    def status(self) -> UnitStatus:
        running = self.pid != 0
        result = "signal" if self._signal else "exit-code" if self._status else "success"
        return UnitStatus(
            name=self.name,
            active_state="active" if running else "failed" if self._failed else "inactive",
            sub_state="running" if running else "failed" if self._failed else "dead",
            result=result,
            exit_status=self._signal or self._status,
            main_pid=self.pid,
            restarts=self._restarts,
            since=self._since,
            started=self._started_at > 0,
            wanted=running,
        )

    def start(self) -> None:
        if self.pid or self._stopping:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._failed = False
        self._watch(False)
        try:
            self.pid = self._supervisor.children.spawn_daemon(self)
        except OSError as error:
            _log.error("%s: cannot start: %s", self.name, error.strerror)
            self._timer = self._supervisor.loop.call_later(1.0, self.start)
            return
        self._started_at = time.monotonic()
        self._since = int(time.time() * 1000)
        self._supervisor.reaper.expect(self.pid, self._exited, self.name)
        self._supervisor.changed(self)

    def stop(self, done: Callable[[], None] | None = None) -> None:
        """End the process; its sockets stay, and unless the whole runtime stops, the next connection starts it."""
        if done is not None:
            self._stopped.append(done)
        if not self.pid:
            self._report_stopped()
            return
        pid = self.pid
        os.kill(pid, 15)
        self._supervisor.loop.call_later(STOP_SECONDS, lambda: self._kill(pid))

    def shut_down(self, done: Callable[[], None]) -> None:
        """End it for good: the runtime stops."""
        self._stopping = True
        self._watch(False)
        if self._timer is not None:
            self._timer.cancel()
        self.stop(done)

    def _kill(self, pid: int) -> None:
        if self.pid == pid:
            _log.warning("%s: did not end within %g s, sending SIGKILL", self.name, STOP_SECONDS)
            os.kill(pid, 9)

    def _exited(self, status: int) -> None:
        ran_for = time.monotonic() - self._started_at
        self.pid = 0
        self._since = int(time.time() * 1000)
        self._signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        self._status = 0 if self._signal else os.waitstatus_to_exitcode(status)
        if self._stopping or self._stopped:
            self._watch(not self._stopping)
            self._start_later()
        elif self._signal or self._status:
            self._restarts += 1
            delay, self._failed = self._back_off.failed(ran_for)
            how = f"signal {self._signal}" if self._signal else f"exit code {self._status}"
            _log.error("%s: ended by %s, starting it again in %.2g s", self.name, how, delay)
            self._timer = self._supervisor.loop.call_later(delay, self.start)
            if self._failed:
                self._watch(True)
                self._supervisor.given_up(self)
        else:
            self._back_off.reset()
            self._watch(True)
            if self._supervisor.is_unfinished(self.daemon):
                # Something came while it was on its way out, or it could not finish.
                self._timer = self._supervisor.loop.call_later(UNFINISHED_SECONDS, self.start)
            else:
                self._start_later()
        self._supervisor.changed(self)
        self._report_stopped()

    def _start_later(self) -> None:
        """It is not there: if it wants to be, every now and then, it will be."""
        every = self.daemon.every
        if every is not None and not self._stopping:
            spread = SPREAD * os.urandom(1)[0] / 255
            self._timer = self._supervisor.loop.call_later(every * (1 + spread), self.start)

    def _report_stopped(self) -> None:
        callbacks, self._stopped = self._stopped, []
        for callback in callbacks:
            callback()

    def _watch(self, on: bool) -> None:
        if on == self._watching:
            return
        self._watching = on
        loop = self._supervisor.loop
        for sock in self.sockets.values():
            if on:
                loop.watch(sock.fileno(), lambda _events, s=sock: self._on_connection(s))  # type: ignore[misc]
            else:
                loop.unwatch(sock.fileno())

    def _on_connection(self, sock: socket.socket) -> None:
        if not self._failed:
            self.start()
            return
        try:
            sock.accept()[0].close()
        except OSError:
            pass
