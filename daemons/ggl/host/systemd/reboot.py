"""Restarting the device by a command, which is systemd's own or one that the configuration names."""

from __future__ import annotations

import os
from collections.abc import Callable

from ggl.bus.loop import Loop
from ggl.log import get_logger

SHOWN = 300
"""Characters of the end of its output that a failure tells."""
COMMAND = "systemctl reboot"

_log = get_logger("hostd")


def reboot(loop: Loop, command: str, done: Callable[[str], None]) -> None:
    """Run ``command`` (empty: systemd's) with ``sh -c``; ``done(problem)`` is called when it has ended.

    ``problem`` is empty when the command exited with 0: the device goes down then. Raises ``OSError``.
    """
    command = command or COMMAND
    said = bytearray()
    _log.warning("restarting the device: %s", command)
    read_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        # Blocking for the command, whose end of the pipe is another description than ours.
        os.set_blocking(write_end, True)
        actions = [(os.POSIX_SPAWN_DUP2, write_end, 1), (os.POSIX_SPAWN_DUP2, write_end, 2)]
        pid = os.posix_spawn("/bin/sh", ["sh", "-c", command], os.environ, file_actions=actions)
    except OSError:
        os.close(read_end)
        raise
    finally:
        os.close(write_end)
    process = os.pidfd_open(pid)

    def read(_events: int = 0) -> None:
        try:
            while text := os.read(read_end, 4096):
                said.extend(text)
                del said[:-SHOWN]
        except BlockingIOError:
            return
        loop.unwatch(read_end)

    def ended(_events: int) -> None:
        read()
        loop.unwatch(read_end)
        loop.unwatch(process)
        os.close(read_end)
        os.close(process)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        text = " ".join(said.decode("utf-8", "replace").split())
        how = f"was killed by signal {-code}" if code < 0 else f"exited with code {code}"
        problem = f"'{command}' {how}" + (f": {text}" if text else "") if code else ""
        if problem:
            _log.error("the device is not restarted: %s", problem)
        done(problem)

    loop.watch(read_end, read)
    loop.watch(process, ended)
