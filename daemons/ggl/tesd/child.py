"""Work in a process of its own, which has what it loads for itself, and is gone after it. The daemon waits for that."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgpack

from ggl.log import get_logger

if TYPE_CHECKING:
    from typing import NoReturn

    from ggl.daemon import Context

MAX_RESULT = 1024 * 1024
_log = get_logger("tesd")


class Child:
    """A fork of this process that does ``work``. Its result goes to ``done`` on the loop: ``None`` if it failed, or
    took longer than ``seconds``. Raises ``OSError`` when there can be no more processes.
    """

    def __init__(
        self,
        context: Context,
        work: Callable[[], dict[str, Any]],
        done: Callable[[dict[str, Any] | None], None],
        seconds: int,
    ) -> None:
        self._context = context
        self._done = done
        self._result = b""
        self._fd, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            self._pid = os.fork()
        except OSError:
            os.close(self._fd)
            os.close(write)
            raise
        if self._pid == 0:
            _be(work, write, seconds)
        os.close(write)
        context.loop.watch(self._fd, lambda _events: self._read())
        context.hold()

    def kill(self) -> None:
        """End it; nobody wants its result."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            self._end()

    def _read(self) -> None:
        try:
            data = os.read(self._fd, 65536)
        except BlockingIOError:
            return
        self._result += data
        if data and len(self._result) <= MAX_RESULT:
            return
        if data:
            os.kill(self._pid, signal.SIGKILL)
        self._end()
        self._done(None if data or not self._result else msgpack.unpackb(self._result))

    def _end(self) -> None:
        self._context.loop.unwatch(self._fd)
        os.close(self._fd)
        pid, self._pid = self._pid, 0
        os.waitpid(pid, 0)  # its end of the pipe was closed by its end
        self._context.release()


def _be(work: Callable[[], dict[str, Any]], write: int, seconds: int) -> NoReturn:
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        # Without a handler: its default is the end of the process.
        signal.alarm(seconds)
        # Connections and ports are not ours to keep open.
        os.closerange(3, write)
        os.closerange(write + 1, os.sysconf("SC_OPEN_MAX"))
        os.set_blocking(write, True)
        data = msgpack.packb(work())
        while data:
            data = data[os.write(write, data) :]
        status = 0
    except BaseException:
        _log.exception("a worker process failed")
    finally:
        os._exit(status)
