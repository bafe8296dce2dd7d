"""The children of the supervisor: lifecycle scripts, core daemons and the log writer, each with its outputs.

Whatever is forked shares what the supervisor has loaded. All of it writes to pipes that the log writer reads; the
supervisor keeps both ends, so that nothing is lost when the log writer dies.
"""

from __future__ import annotations

import os
import resource
import socket
import time
from typing import TYPE_CHECKING

from ggl.daemon import LISTEN_FDS_START
from ggl.host.process.logs import Logs
from ggl.host.process.marker import VARIABLE, mark
from ggl.host.process.spawn import Child, fork, set_title
from ggl.host.unit import CORE_PREFIX, Command, Unit
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.bus.loop import Loop
    from ggl.host.process.core import CoreDaemon
    from ggl.host.process.reaper import Reaper
    from ggl.paths import Root

_log = get_logger("ggld")


class Children:
    """Forks what runs below the supervisor of ``root``. ``echo``: the log writer repeats all on our standard output."""

    def __init__(self, loop: Loop, root: Root, reaper: Reaper, echo: bool) -> None:
        self.log_writer_pid = 0
        """0: there is none, since nobody prints anything."""
        self._logging_stays = False
        self._loop = loop
        self._root = root
        self._reaper = reaper
        self._logs = Logs(loop)
        self._files_before = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._echo = os.dup(1) if echo else os.open(os.devnull, os.O_WRONLY)
        self._echoes = echo
        self._lifeline_r, self._lifeline_w = os.pipe2(os.O_CLOEXEC)

    def start_logging(self) -> None:
        """Start the log writer, and send our own words to it."""
        self._start_log_writer()
        own = self._logs.outputs(CORE_PREFIX + "ggld")
        os.dup2(own.stdout, 1)
        os.dup2(own.stderr, 2)

    def keep_logging(self) -> None:
        """The end is near: from now on a log writer stays, to write down what is said last."""
        self._logging_stays = True
        if self.log_writer_pid:
            self._logs.keep_writer()
        else:
            self._start_log_writer_again()

    def finish_logging(self, seconds: float) -> None:
        """Wait until the last words are written down, as long as that takes no more than ``seconds``: what comes after
        us may end the log writer at once, like the kernel does behind the first process of a container."""
        self.restore_outputs()
        self._logs.close()
        deadline = time.monotonic() + seconds
        while self.log_writer_pid and time.monotonic() < deadline:
            try:
                if os.waitpid(self.log_writer_pid, os.WNOHANG)[0]:
                    return
            except ChildProcessError:
                return
            time.sleep(0.01)

    def forget_log(self, unit: Unit) -> None:
        """Nobody writes to the log of ``unit`` any more."""
        self._logs.forget(log_name(unit))

    def spawn_script(self, unit: Unit, command: Command, stage: str, cgroups: tuple[str, ...] = ()) -> Child:
        """Fork a child that becomes ``command`` in ``cgroups``. Raises ``OSError``."""
        outputs = self._logs.outputs(log_name(unit))

        def become(status_fd: int) -> None:
            from ggl.runner import become_script

            self.restore_limits()
            os.environ[VARIABLE] = mark(self._root.state, unit.name)
            become_script(unit, command, stage, self._root, status_fd, cgroups)

        return fork(become, outputs.stdout, outputs.stderr)

    def spawn_daemon(self, core: CoreDaemon) -> int:
        """Fork a core daemon with its sockets. Raises ``OSError``."""
        from ggl import daemon as daemon_main

        outputs = self._logs.outputs(CORE_PREFIX + core.daemon.name)
        names = list(core.sockets)
        keep = (*(core.sockets[name].fileno() for name in names), self._lifeline_r)

        def become(status_fd: int) -> None:
            os.close(status_fd)
            os.environ["LISTEN_PID"] = str(os.getpid())
            os.environ["LISTEN_FDS"] = str(len(names))
            os.environ["LISTEN_FDNAMES"] = ":".join(names)
            set_title(CORE_PREFIX + core.daemon.name)
            daemon_main.run(core.daemon, self._root, daemon_main.take_sockets(), lifeline=LISTEN_FDS_START + len(names))

        child = fork(become, outputs.stdout, outputs.stderr, keep)
        os.close(child.status_fd)
        return child.pid

    def restore_limits(self) -> None:
        """What we need for ourselves is not meant for whatever this process is about to become."""
        resource.setrlimit(resource.RLIMIT_NOFILE, self._files_before)

    def restore_outputs(self) -> None:
        """Give up our log's pipes: standard output becomes what it was, if it was to repeat the logs."""
        os.dup2(self._echo, 1)
        os.dup2(self._echo, 2)

    def _start_log_writer(self) -> None:
        from ggl.host.process import logwriter

        control = self._logs.connect()

        def become(status_fd: int) -> None:
            os.close(status_fd)
            set_title("ggl.core.logwriter")
            logwriter.run(socket.socket(fileno=LISTEN_FDS_START), self._root.logs, self._echoes)

        child = fork(become, self._echo, self._echo, (control.fileno(),))
        os.close(child.status_fd)
        control.close()
        self._reaper.expect(child.pid, self._log_writer_ended)
        self.log_writer_pid = child.pid
        if self._logging_stays:
            self._logs.keep_writer()

    def _log_writer_ended(self, status: int) -> None:
        self.log_writer_pid = 0
        if status == 0 and not self._logging_stays:
            self._logs.rest(self._start_log_writer_again)
            return
        _log.warning("the log writer ended, starting it again")
        self._loop.call_later(0.05, self._start_log_writer_again)

    def _start_log_writer_again(self) -> None:
        try:
            self._start_log_writer()
        except OSError as error:
            # What is printed meanwhile waits in the pipes.
            _log.error("cannot start the log writer: %s", error.strerror)
            self._loop.call_later(1.0, self._start_log_writer_again)


def log_name(unit: Unit) -> str:
    return unit.component or unit.name
