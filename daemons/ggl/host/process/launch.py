"""Starting and stopping the supervisor from the command line."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import sys
import time
from dataclasses import dataclass

from ggl.host.process.marker import VARIABLE, end_all, mark, marked
from ggl.paths import Root

_POLL_SECONDS = 0.02
_FLOCK = "hhqqi0q"
"""``struct flock`` of fcntl(2): type, whence, start, length, process id."""
_PR_SET_CHILD_SUBREAPER = 36


ALREADY_RUNNING = 75
"""Exit status of a supervisor that finds another one holding the lock of its root."""
RUNNING_BYTE, CLEARING_BYTE = 0, 1
"""What is locked of the pid file: by the supervisor while it runs; by who ends the processes that one has left, and by
a supervisor for the moment in which it takes the other lock."""


class StartError(Exception):
    """The runtime did not come up; the text says why and what to do."""


@dataclass(frozen=True)
class StartResult:
    """The supervisor's process id, and whether it was up before."""

    pid: int
    already_running: bool


@dataclass(frozen=True)
class StopResult:
    """``ended``: process ids that had to be ended because no supervisor was there to stop them."""

    was_running: bool
    ended: list[int]


def running_pid(root: Root) -> int:
    """The process id of the supervisor of ``root``, or 0 when there is none."""
    try:
        with open(root.run / "ggld.pid", "rb") as file:
            return _holder(file.fileno())
    except OSError:
        return 0


def _holder(fd: int) -> int:
    # Asking for the holder takes no lock, which would be in the way of a supervisor that starts just now; and it names
    # the holder, while the text in the file may still be its predecessor's.
    query = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, RUNNING_BYTE, 1, 0)
    kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(fd, fcntl.F_GETLK, query))
    if kind == fcntl.F_UNLCK:
        return 0
    if pid > 0:
        return int(pid)
    text = os.pread(fd, 32, 0).strip()  # its process id is not known here: another PID namespace
    return int(text) if text.isdigit() else 0


def left_behind(root: Root) -> list[int]:
    """The processes of the runtime at ``root``; when no supervisor runs, those that one has left behind."""
    return sorted(marked(mark(root.state), whole=False))


def foreground(root: Root, *, echo: bool = True) -> None:
    """Become the supervisor in this process; does not return. ``echo``: with all logs on standard output."""
    argv, environment = _command(root)
    _become_subreaper()
    os.execve(argv[0], [*argv, *(["--echo"] if echo else [])], environment)


def start(root: Root, timeout: float = 30.0) -> StartResult:
    """Start the supervisor in the background and wait until its sockets can be used.

    Raises ``StartError``. A supervisor that runs already is left alone; one that is stopping is waited for.
    """
    deadline = time.monotonic() + timeout
    while True:
        pid = running_pid(root)
        if pid and _answers(root):
            return StartResult(pid, already_running=True)
        if not pid and (pid := _spawn(root, deadline)):
            return StartResult(pid, already_running=False)
        if time.monotonic() > deadline:
            pid = running_pid(root)
            raise StartError(f"process {pid} holds {root.run}/ggld.pid but does not answer; end it: kill {pid}")
        time.sleep(_POLL_SECONDS)


def stop(root: Root, timeout: float = 60.0) -> StopResult:
    """Stop the runtime in order; end by force what is left after ``timeout`` seconds, or had lost its supervisor."""
    from ggl.bus import BusError, connect

    pid = running_pid(root)
    if not pid:
        return StopResult(False, _end_leftovers(root))
    try:
        with connect("gg_host", root, 5.0) as client:
            client.call("shutdown")
    except BusError:
        _signal(pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout
    while running_pid(root) == pid and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    if running_pid(root) == pid:
        _signal(pid, signal.SIGKILL)
        while running_pid(root) == pid and time.monotonic() < deadline + 5.0:
            time.sleep(_POLL_SECONDS)
    # The log writer leaves by itself once the pipes are dry.
    return StopResult(True, _end_leftovers(root, patience=1.0))


def _end_leftovers(root: Root, patience: float = 0.0) -> list[int]:
    """End what belongs to no supervisor; nothing does once somebody starts the runtime anew, which clears up itself."""
    try:
        lock = os.open(root.run / "ggld.pid", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return end_all(root, 3.0, patience=patience)  # it never ran, or its files were removed under it
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX, 1, CLEARING_BYTE)
        return [] if _holder(lock) else end_all(root, 3.0, patience=patience)
    finally:
        os.close(lock)


def _spawn(root: Root, deadline: float) -> int:
    """The process id of a supervisor that is ready; 0 when another one came first, or was on its way out still."""
    import select
    import subprocess

    argv, environment = _command(root)
    ready_r, ready_w = os.pipe()
    try:
        # Its own words end up in its log; until then what it says comes here.
        process = subprocess.Popen(
            [*argv, f"--ready-fd={ready_w}"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(ready_w,),
            start_new_session=True,
            preexec_fn=_become_subreaper,
            cwd="/",
        )
    except OSError as error:
        raise StartError(f"cannot run {argv[0]}: {error.strerror}") from None
    finally:
        os.close(ready_w)
    try:
        left = max(0.0, deadline - time.monotonic())
        readable, _, _ = select.select([ready_r], [], [], left)
        if readable and os.read(ready_r, 16) == b"ready":
            return process.pid
        if not readable:
            process.kill()
            raise StartError(f"the runtime was not ready in time; see {root.logs}/ggl.core.ggld.log")
    finally:
        os.close(ready_r)
    said = process.stdout.read().decode(errors="replace").strip() if process.stdout else ""
    process.wait()
    if process.returncode in (ALREADY_RUNNING, -signal.SIGTERM, -signal.SIGKILL) and time.monotonic() < deadline:
        return 0  # another `ggl up` was faster, or a `ggl down` took it for what was left behind
    lines = [line for line in said.splitlines() if line.strip()]
    raise StartError(lines[-1].removeprefix("ggld: ") if lines else f"ggld ended with status {process.returncode}")


def _command(root: Root) -> tuple[list[str], dict[str, str]]:
    environment = {**os.environ, **root.environment(), VARIABLE: mark(root.state)}
    # The arenas that glibc makes for threads would cost each daemon megabytes it never uses.
    environment.setdefault("MALLOC_ARENA_MAX", "1")
    # What is large is given back when it is not used any more; left alone, the C library begins to keep it.
    environment.setdefault("MALLOC_MMAP_THRESHOLD_", "131072")
    return [sys.executable, "-m", "ggl.host.process"], environment


def _become_subreaper() -> None:
    """Make orphaned descendants children of this process, as they would be PID 1's: so they are found, and reaped.

    Done before the exec, which keeps it: the supervisor itself then does without the foreign function library.
    """
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _answers(root: Root) -> bool:
    from ggl.bus import BusError, connect

    try:
        with connect("gg_host", root, 5.0) as client:
            return not client.call("info").get("stopping")
    except BusError:
        return False


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
