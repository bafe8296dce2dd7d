"""Forking: the supervisor's children are made from what it has loaded already, nothing is exec'd that need not be.

A child gets its own session, the unit's log pipes as output, no signal handler and no descriptor of the supervisor but
those it is given. ``main`` then runs in it; what it raises is reported through the status pipe and ends the child.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass

EXIT_NOT_STARTED = 203
"""Exit status of a child that failed before its script or daemon began."""

_HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP, signal.SIGPIPE)


@dataclass(frozen=True)
class Child:
    """``status_fd`` reads end-of-file when the child has exec'd, or the reason why it could not."""

    pid: int
    status_fd: int


def fork(main: Callable[[int], None], stdout: int, stderr: int, keep: tuple[int, ...] = ()) -> Child:
    """Run ``main(status_fd)`` in a new process. ``keep``: descriptors that arrive as 3, 4, ... in this order.

    The child's status pipe is inherited by nothing. Raises ``OSError`` when the system is out of processes.
    """
    read_end, write_end = os.pipe2(os.O_CLOEXEC)
    try:
        pid = os.fork()
    except OSError:
        os.close(read_end)
        os.close(write_end)
        raise
    if pid:
        os.close(write_end)
        os.set_blocking(read_end, False)
        return Child(pid, read_end)
    status = EXIT_NOT_STARTED
    try:
        gc.enable()
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in _HANDLED:
            signal.signal(number, signal.SIG_DFL)
        status_fd = _arrange(stdout, stderr, keep, write_end)
        main(status_fd)
        status = 0
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else 1
        if isinstance(leaving.code, str):
            _report(leaving.code)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(status)


def _arrange(stdout: int, stderr: int, keep: tuple[int, ...], status: int) -> int:
    """Put the descriptors where they belong and close all others; returns where the status pipe is."""
    first_free = 1 + max(3 + len(keep), stdout, stderr, status, *keep)
    wanted = [stdout, stderr, *keep]
    moved = []
    for offset, fd in enumerate(wanted):
        os.dup2(fd, first_free + offset, inheritable=False)
        moved.append(first_free + offset)
    status_fd = 3 + len(keep)
    spare = first_free + len(wanted)
    os.dup2(status, spare, inheritable=False)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(moved[0], 1)
    os.dup2(moved[1], 2)
    for offset, fd in enumerate(moved[2:]):
        os.dup2(fd, 3 + offset, inheritable=False)
    os.dup2(spare, status_fd, inheritable=False)
    os.closerange(status_fd + 1, _highest() + 1)
    return status_fd


def _highest() -> int:
    return max((int(name) for name in os.listdir("/proc/self/fd")), default=1023)


def _report(text: str) -> None:
    try:
        os.write(2, f"<3>{text}\n".encode())
    except OSError:
        pass
