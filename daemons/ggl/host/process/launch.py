"""Starting and stopping the supervisor from the command line."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time
from dataclasses import dataclass

from ggl.host.process.marker import VARIABLE, end_all, mark
from ggl.paths import Root

_POLL_SECONDS = 0.02
_PR_SET_CHILD_SUBREAPER = 36


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
        with open(root.run / "ggld.pid", "rb+") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                text = file.read(32).strip()
                return int(text) if text.isdigit() else 0
    except OSError:
        pass
    return 0


def foreground(root: Root) -> None:
    """Become the supervisor in this process, with all logs on standard output; does not return."""
    argv, environment = _command(root)
    _become_subreaper()
    os.execve(argv[0], [*argv, "--echo"], environment)


def start(root: Root, timeout: float = 30.0) -> StartResult:
    """Start the supervisor in the background and wait until its sockets can be used.

    Raises ``StartError``. A supervisor that runs already is left alone; one that is stopping is waited for.
    """
    deadline = time.monotonic() + timeout
    while True:
        pid = running_pid(root)
        if pid and _answers(root):
            return StartResult(pid, already_running=True)
        if not pid:
            break
        if time.monotonic() > deadline:
            raise StartError(f"process {pid} holds {root.run}/ggld.pid but does not answer; end it: kill {pid}")
        time.sleep(_POLL_SECONDS)
    return StartResult(_spawn(root, deadline), already_running=False)


def stop(root: Root, timeout: float = 60.0) -> StopResult:
    """Stop the runtime in order; end by force what is left after ``timeout`` seconds, or had lost its supervisor."""
    from ggl.bus import BusError, connect

    pid = running_pid(root)
    if not pid:
        return StopResult(False, end_all(root.state, 3.0))
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
    # The log writer leaves by itself once the pipes are dry.
    return StopResult(True, end_all(root.state, 3.0) if running_pid(root) == 0 else [])


def _spawn(root: Root, deadline: float) -> int:
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
    other = running_pid(root)
    if other:
        return other  # another `ggl up` was faster
    lines = [line for line in said.splitlines() if line.strip()]
    raise StartError(lines[-1].removeprefix("ggld: ") if lines else f"ggld ended with status {process.returncode}")


def _command(root: Root) -> tuple[list[str], dict[str, str]]:
    environment = {**os.environ, **root.environment(), VARIABLE: mark(root.state)}
    # The arenas that glibc makes for threads would cost each daemon megabytes it never uses.
    environment.setdefault("MALLOC_ARENA_MAX", "1")
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
            client.call("info")
    except BusError:
        return False
    return True


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
