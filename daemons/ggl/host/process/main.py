"""``ggld``: takes the runtime's lock, clears away what a predecessor left, then supervises until told to stop.

The lock is a POSIX record lock on the first byte of ``<run>/ggld.pid``: the kernel drops it with the process, so a
stale file means nothing, and forked children do not hold it.
"""

from __future__ import annotations

import errno
import fcntl
import gc
import os
import resource
import signal
import sys
import time

from ggl.bus.loop import Loop
from ggl.catalog import DAEMONS
from ggl.daemon import BUS_DIRECTORY_MODE
from ggl.host.process.launch import ALREADY_RUNNING, CLEARING_BYTE, RUNNING_BYTE
from ggl.host.process.marker import end_all, send
from ggl.host.process.reaper import Reaper
from ggl.host.process.service import HostService
from ggl.host.process.spawn import set_title
from ggl.host.process.supervisor import Supervisor
from ggl.log import get_logger
from ggl.paths import Root
from ggl.privilege import HOST_VARIABLE

ORPHAN_GRACE = 3.0
LOG_WRITER_GRACE = 1.0
LAST_WORDS_GRACE = 3.0
_END_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_log = get_logger("ggld")


def run(root: Root, ready_fd: int = -1, echo: bool = False, lock: int = -1) -> int:
    """Supervise ``root`` until SIGTERM, SIGINT or ``gg_host.shutdown``; returns the exit status.

    ``ready_fd`` gets ``ready`` when every socket can be used. ``echo``: repeat all logs on standard output.
    ``lock``: the lock file, if this process holds the lock already, from the run before ``gg_host.restart_runtime``.
    """
    # Users of components must get to their directories, whatever the mask of whoever started this is.
    os.umask(0o022)
    set_title("ggld")
    _make_directories(root)
    again = lock >= 0
    if again:
        os.set_inheritable(lock, False)
    else:
        lock = take_lock(root)
    if lock < 0:
        return ALREADY_RUNNING
    # A log writer of the run before leaves by itself when it has written everything down.
    orphans = end_all(root, ORPHAN_GRACE, patience=LOG_WRITER_GRACE if again else 0.0)
    children_before = _children()
    os.environ.update(root.environment())

    loop = Loop()
    service = HostService(loop)

    reaper = Reaper(loop)
    reaper.reap()  # who ended before somebody listened
    supervisor = Supervisor(loop, root, reaper, service.on_change, echo)
    # Descriptors: two pipes a component, and every socket; the default soft limit is made for other programs.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536) if hard > 0 else 65536, hard))

    to_restart = False

    def shut_down() -> None:
        nonlocal to_restart
        to_restart = False  # whoever wants an end has the last word
        _log.info("stopping")
        supervisor.stop_all(loop.stop)

    def restart() -> None:
        nonlocal to_restart
        if not supervisor.stopping:
            to_restart = True
            _log.info("restarting the runtime")
            supervisor.stop_all(loop.stop)

    loop.on_signal(signal.SIGTERM, shut_down)
    loop.on_signal(signal.SIGINT, shut_down)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _END_SIGNALS)
    service.serve(supervisor, shut_down, restart)
    _load_shared_modules()
    # What exists now is shared with every child: keep the collector from touching, and so copying, its pages.
    gc.collect()
    gc.freeze()
    supervisor.start_all()
    if os.environ.get(HOST_VARIABLE) == "openrc":
        from ggl.host.process.openrc import follow

        follow(supervisor)
    if orphans:
        _log.warning("ended %d processes that an earlier run left behind", len(orphans))
    _log.info("ready: root %s", root.state)
    if ready_fd >= 0:
        try:
            os.write(ready_fd, b"ready")
        except OSError:
            pass  # who started it did not wait
        os.close(ready_fd)
    loop.run()
    if to_restart:
        # One that comes from now on is kept for the next run, which is the one to act on it.
        signal.pthread_sigmask(signal.SIG_BLOCK, _END_SIGNALS)
    _end_adopted(children_before | {supervisor.children.log_writer_pid})
    for path in root.bus_dir.iterdir():
        path.unlink(missing_ok=True)
    root.ipc_socket.unlink(missing_ok=True)
    if to_restart:
        _become_next_run(supervisor, lock, echo)
    supervisor.children.finish_logging(LAST_WORDS_GRACE)
    return 0


def _become_next_run(supervisor: Supervisor, lock: int, echo: bool) -> None:
    """Execute this program anew in this process, which keeps its id, its parent and the lock. Raises ``OSError``."""
    supervisor.children.restore_limits()
    supervisor.children.restore_outputs()
    os.set_inheritable(lock, True)
    arguments = [sys.executable, "-m", "ggl.host.process", f"--lock-fd={lock}", *(["--echo"] if echo else [])]
    os.execv(sys.executable, arguments)


def take_lock(root: Root) -> int:
    """The descriptor of the lock file, or -1 when another supervisor holds it."""
    fd = os.open(root.run / "ggld.pid", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.fchmod(fd, 0o600)  # who can read it can lock it
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX, 1, CLEARING_BYTE)  # somebody clears up what an earlier one left
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, RUNNING_BYTE)
        fcntl.lockf(fd, fcntl.LOCK_UN, 1, CLEARING_BYTE)
    except (BlockingIOError, PermissionError):
        os.close(fd)
        return -1
    os.ftruncate(fd, 0)
    os.write(fd, f"{os.getpid()}\n".encode())
    return fd


def _end_adopted(but: set[int]) -> None:
    """End what components left behind with an environment of its own: no mark tells of it, but it became our child."""
    deadline = time.monotonic() + ORPHAN_GRACE
    number = signal.SIGTERM
    while left := _children() - but:
        if time.monotonic() > deadline:
            if number == signal.SIGKILL:
                return
            number, deadline = signal.SIGKILL, deadline + ORPHAN_GRACE
        send(list(left), number)
        time.sleep(0.02)
        for pid in left:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass


def _children() -> set[int]:
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            return {int(pid) for pid in file.read().split()}
    except OSError:
        return set()  # a kernel without this list


def _make_directories(root: Root) -> None:
    for directory, mode in (
        (root.state, 0o755),
        (root.run, 0o755),
        (root.bus_dir, BUS_DIRECTORY_MODE),
        (root.work, 0o755),
        (root.logs, 0o755),
        (root.units, 0o700),
    ):
        directory.mkdir(mode=mode, parents=True, exist_ok=True)
    # The short run directory of a long root is below /tmp, where anybody can make one of that name first.
    for directory in (root.run, root.bus_dir):
        found = directory.lstat()
        if found.st_uid != os.geteuid() or found.st_mode & 0o022:
            reason = "it belongs to another user, or others may write to it; remove it"
            raise PermissionError(errno.EPERM, reason, str(directory))
    root.bus_dir.chmod(BUS_DIRECTORY_MODE)  # whatever it was made with


def _load_shared_modules() -> None:
    """Import what the children need, once, so that they share it: an import in a child costs it memory of its own."""
    import json  # noqa: F401
    from importlib import import_module

    import ggl.bus.client
    import ggl.bus.remote
    import ggl.host.process.logwriter
    import ggl.runner  # noqa: F401

    for daemon in DAEMONS:
        if daemon.shared:
            import_module(daemon.module)


def main() -> None:
    """Run as a program: ``python -m ggl.host.process [--echo] [--ready-fd=N] [--lock-fd=N]``, root in the environment.

    (It is started by ``ggl up``, and resident: argument parsing for people would cost it more memory than a daemon.)
    """
    from ggl.paths import find_root

    ready_fd, lock_fd, echo = -1, -1, False
    for argument in sys.argv[1:]:
        if argument == "--echo":
            echo = True
        elif argument.startswith("--ready-fd="):
            ready_fd = int(argument.removeprefix("--ready-fd="))
        elif argument.startswith("--lock-fd="):
            lock_fd = int(argument.removeprefix("--lock-fd="))
        else:
            sys.exit(f"ggld: unknown argument {argument!r}; the runtime is started with 'ggl up'")
    root = find_root()
    try:
        sys.exit(run(root, ready_fd, echo, lock_fd))
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
        sys.exit(f"ggld: cannot start in {root.state}: {what}")
