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

from ggl.host.unit import CORE_PREFIX
from ggl.runner import EXIT_NOT_STARTED


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
    # A signal for the child that comes before it has given up our handlers must wait, or it would be lost.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
    except OSError:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(read_end)
        os.close(write_end)
        raise
    if pid:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(write_end)
        os.set_blocking(read_end, False)
        return Child(pid, read_end)
    status = EXIT_NOT_STARTED
    try:
        gc.enable()
        os.setsid()
        _reset_signals()
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


def set_title(name: str) -> None:
    """Show ``name`` in ps and top: the kernel's 15 characters of it."""
    try:
        with open("/proc/self/comm", "w") as file:
            file.write(name.removeprefix(CORE_PREFIX)[:15])
    except OSError:
        pass


def _reset_signals() -> None:
    """The signals of a fresh process, whatever we handle, the interpreter ignores, or we were started with."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


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
