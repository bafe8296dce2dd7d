"""Restarting the device by a command, which is the runtime's own or one that the configuration names."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from ggl.host.process.spawn import fork
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.host.process.supervisor import Supervisor

SHOWN = 300
"""Characters of the end of its output that a failure tells."""

_log = get_logger("ggld")


def reboot(supervisor: Supervisor, command: str, done: Callable[[str], None]) -> None:
    """Run ``command`` (empty: what this host has) with ``sh -c``; ``done(problem)`` is called when it has ended.

    ``problem`` is empty when the command exited with 0: the device goes down then. Raises ``OSError``.
    """
    # What systemd runs as PID 1 must be told of it, or it would see its services killed.
    command = command or ("systemctl reboot" if os.path.isdir("/run/systemd/system") else "reboot")
    said = bytearray()
    _log.warning("restarting the device: %s", command)

    def become(status_fd: int) -> None:
        supervisor.children.restore_limits()
        os.dup2(status_fd, 1)
        os.dup2(status_fd, 2)
        os.execvp("sh", ["sh", "-c", command])

    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    try:
        child = fork(become, null, null)
    finally:
        os.close(null)

    is_open = True

    def read(_events: int) -> None:
        try:
            while is_open and (text := os.read(child.status_fd, 4096)):
                said.extend(text)
                del said[:-SHOWN]
        except BlockingIOError:
            return
        close()

    def close() -> None:
        nonlocal is_open
        if is_open:
            is_open = False
            supervisor.loop.unwatch(child.status_fd)
            os.close(child.status_fd)

    def ended(status: int) -> None:
        code = os.waitstatus_to_exitcode(status)
        read(0)
        close()  # what it left running may keep the other end
        text = " ".join(said.decode("utf-8", "replace").split())
        how = f"was killed by signal {-code}" if code < 0 else f"exited with code {code}"
        problem = f"'{command}' {how}" + (f": {text}" if text else "") if code else ""
        if problem:
            _log.error("the device is not restarted: %s", problem)
        done(problem)

    supervisor.loop.watch(child.status_fd, read)
    supervisor.reaper.expect(child.pid, ended)
