"""Restarting the device by a command, which is systemd's own or one that the configuration names."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from ggl.bus.errors import BusError, ErrorCode
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.bus.loop import Loop
    from ggl.bus.request import Request
    from ggl.daemon import Context

SHOWN = 300
"""Characters of the end of its output that a failure tells."""
COMMAND = "systemctl reboot"

_log = get_logger("hostd")


def reboot(context: Context, request: Request, command: str) -> None:
    """Run ``command`` (empty: systemd's) by a shell, and answer ``request`` when it has ended.

    The answer is nil when it exited with 0: the device goes down then. Raises ``BusError``.
    """

    def done(problem: str) -> None:
        context.release()
        if problem:
            _log.error("the device is not restarted: %s", problem)
            request.fail(BusError(ErrorCode.FAILURE, problem))
        else:
            request.reply(None)

    _log.warning("restarting the device: %s", command or COMMAND)
    try:
        run(context.loop, command or COMMAND, done)
    except OSError as error:
        raise BusError(ErrorCode.FAILURE, f"cannot start a process: {error.strerror}") from None
    context.hold()


def run(loop: Loop, command: str, done: Callable[[str], None]) -> None:
    """``done(problem)`` is called when the command has ended, with an empty text if it exited with 0.

    Raises ``OSError``.
    """
    # Beside this daemon, not in its sandbox: it may have to write anywhere, and to outlive it.
    # Variables are the shell's to replace, not systemd's.
    shell = ["/bin/sh", "-c", command.replace("$", "$$")]
    words = ["systemd-run", "--quiet", "--pipe", "--wait", "--collect", "--", *shell]
    said = bytearray()
    read_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        # Blocking for the command, whose end of the pipe is another description than ours.
        os.set_blocking(write_end, True)
        actions = [(os.POSIX_SPAWN_DUP2, write_end, 1), (os.POSIX_SPAWN_DUP2, write_end, 2)]
        pid = os.posix_spawnp(words[0], words, os.environ, file_actions=actions)
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
        done(f"'{command}' {how}" + (f": {text}" if text else "") if code else "")

    loop.watch(read_end, read)
    loop.watch(process, ended)
