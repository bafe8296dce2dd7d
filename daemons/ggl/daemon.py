"""The main part of every daemon: take the sockets, build the service, serve, leave.

Sockets arrive by the LISTEN_FDS protocol from whatever host started the daemon (the supervisor or systemd), named after
their interfaces (by hand: ``ggl.program``). The daemon leaves on
SIGTERM, when its supervisor is gone, or after an idle time without a connection; the socket stays with the host, and
the next connection starts the daemon again. A service manager is told when it is ready and when it leaves, and, if it
wants to know, that it is still well.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from importlib import import_module

from ggl.bus.loop import Loop
from ggl.bus.request import Methods
from ggl.bus.server import Server, Visitors
from ggl.catalog import Daemon
from ggl.log import get_logger
from ggl.notify import READY, STOPPING, WATCHDOG, notify, watchdog_seconds
from ggl.paths import IPC_SOCKET_NAME, Root
from ggl.privilege import bus_group

LISTEN_FDS_START = 3
BACKLOG = 4096
"""Connections that may wait to be accepted. Clients that do not wait for their turn fail when there is no more room."""
BUS_DIRECTORY_MODE = 0o711
"""Other users reach the sockets that are open to them, and see no more."""
_log = get_logger("daemon")


class Context:
    """What a daemon's ``setup(context)`` works with."""

    def __init__(self, loop: Loop, root: Root, sockets: dict[str, socket.socket], idle_exit: float | None) -> None:
        self.loop = loop
        self.root = root
        self.sockets = sockets
        self._idle_exit = idle_exit
        self._servers: list[Server] = []
        self._holds = 0
        self._idle_since: float | None = None
        self._idle_timer = False
        self._exit_callbacks: list[Callable[[], object]] = []

    def serve(self, interface: str, methods: Methods, visitors: Visitors | None = None) -> Server:
        """Serve ``methods`` on the socket named ``interface``; with ``visitors``, to every user of the device."""
        server = Server(
            self.loop, interface, methods, self.sockets[interface], self._changed, visitors, bus_group(self.root)
        )
        self._servers.append(server)
        return server

    def hold(self) -> None:
        """Do not exit on idle until ``release``: there is something to keep that no connection shows."""
        self._holds += 1

    def release(self) -> None:
        self._holds -= 1
        self._changed()

    def at_exit(self, callback: Callable[[], object]) -> None:
        self._exit_callbacks.append(callback)

    def run(self) -> None:
        """Serve until told to leave."""
        self._changed()
        self.loop.run()
        for server in self._servers:
            server.close()
        for callback in reversed(self._exit_callbacks):
            callback()

    def _changed(self) -> None:
        self._idle_since = time.monotonic() if self._is_idle() else None
        if self._idle_since is not None and self._idle_exit is not None and not self._idle_timer:
            self._look_again(self._idle_exit)

    def _is_idle(self) -> bool:
        return self._holds == 0 and not any(server.connections for server in self._servers)

    def _look_again(self, seconds: float) -> None:
        """One timer, however often somebody comes and goes."""
        self._idle_timer = True
        self.loop.call_later(seconds, self._leave_if_idle)

    def _leave_if_idle(self) -> None:
        self._idle_timer = False
        if self._idle_since is None or self._idle_exit is None or not self._is_idle():
            return
        left = self._idle_since + self._idle_exit - time.monotonic()
        if left > 0:
            self._look_again(left)
        else:
            _log.debug("idle, leaving")
            self.loop.stop()


def run(
    daemon: Daemon,
    root: Root,
    sockets: dict[str, socket.socket],
    lifeline: int = -1,
    setup: Callable[[Context], None] | None = None,
) -> None:
    """Be ``daemon`` until it is told to leave. Called in a fresh process, forked or exec'd.

    ``lifeline``: a pipe whose other end only the supervisor holds; its end means that the supervisor is gone. Without
    one, a service manager that started this process is told how it fares. ``setup``: see ``ggl.program.start``.
    """
    # A peer that is gone is an error of that call; the supervisor gives its children the default, which is to die.
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    loop = Loop()
    if lifeline >= 0:
        loop.watch(lifeline, lambda _events: loop.stop())
    loop.on_signal(signal.SIGTERM, loop.stop)
    loop.on_signal(signal.SIGINT, loop.stop)
    context = Context(loop, root, sockets, daemon.idle_exit)
    (setup or import_module(daemon.module).setup)(context)
    if lifeline < 0:
        context.at_exit(lambda: notify(STOPPING))
        notify(READY)
        if (seconds := watchdog_seconds()) > 0:
            _say_well(loop, seconds / 2)
    context.run()


def _say_well(loop: Loop, seconds: float) -> None:
    notify(WATCHDOG)
    loop.call_later(seconds, lambda: _say_well(loop, seconds))


def socket_paths(daemon: Daemon, root: Root) -> dict[str, str]:
    """Name and path of every socket that ``daemon`` listens on."""
    paths = {interface: str(root.bus_socket(interface)) for interface in daemon.interfaces}
    if daemon.ipc_socket:
        paths[IPC_SOCKET_NAME] = str(root.ipc_socket)
    return paths


def socket_mode(daemon: Daemon, name: str) -> int:
    """Who may connect to the socket ``name`` of ``daemon``."""
    return 0o666 if name == IPC_SOCKET_NAME or name in daemon.public else 0o600


def take_sockets() -> dict[str, socket.socket]:
    """The listening sockets that the host passed to this process (sd_listen_fds(3)), by name.

    All sockets of one unit of systemd have the same name: the second one is called ``<name>.1`` here, and so on.
    """
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return {}
    count = int(os.environ.get("LISTEN_FDS", "0"))
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    for variable in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        os.environ.pop(variable, None)
    taken: dict[str, socket.socket] = {}
    for index in range(count):
        fd = LISTEN_FDS_START + index
        os.set_inheritable(fd, False)
        name = names[index] if index < len(names) else str(fd)
        before = names[:index].count(name)
        taken[f"{name}.{before}" if before else name] = socket.socket(fileno=fd)
    return taken


def bind(path: str, mode: int) -> socket.socket:
    """A listening UNIX socket at ``path``, in place of whatever stale one was there. Raises ``OSError``."""
    directory = os.path.dirname(path)
    os.makedirs(directory, mode=0o755, exist_ok=True)
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o777 & ~mode)
    try:
        sock.bind(path)
    finally:
        os.umask(mask)
    sock.listen(BACKLOG)
    return sock
