"""The log writer: one small process that turns what the units print into rotating files.

The supervisor owns both ends of every unit's output pipes and hands the reading ends over a control socket. So a crash
of a unit loses nothing (its last words are in the pipe), a crash of the supervisor loses nothing (the log writer drains
what is left, then leaves), and a crash of the log writer itself loses at most the piece it had in hand (the rest waits
in the pipes for the next one). Lines are written as they come.

When nobody prints anything it leaves after a while, and the supervisor starts it again for the next line.

Lines that begin with ``<0>`` to ``<7>`` have that severity, as in the journal; otherwise standard output is INFO and
standard error WARN.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from pathlib import Path

from ggl.bus.loop import Loop
from ggl.log import get_logger
from ggl.logs.record import format_record

FILE_SIZE = 1024 * 1024
"""Bytes after which a file is rotated."""
FILES_KEPT = 9
"""Rotated files of one unit, besides the one being written."""
LINE_LIMIT = 64 * 1024
"""Bytes of one line; a longer one is split."""
IDLE_SECONDS = 10.0
"""It leaves after one to two of these without a line."""
STAY = "*"
"""In place of a unit's name: do not leave any more."""
_READ = 65536
_SEVERITIES = ("FATAL", "FATAL", "ERROR", "ERROR", "WARN", "INFO", "INFO", "DEBUG")

_log = get_logger("logwriter")


class LogFile:
    """The file of one unit, rotated by size. A full disk drops lines, counts them, and says so when it is over."""

    def __init__(self, directory: Path, name: str, echo: bool) -> None:
        self._echo = f"{name} ".encode() if echo else b""
        self._path = directory / f"{name}.log"
        self._fd = -1
        self._size = 0
        self._lost = 0

    def write(self, data: bytes) -> None:
        """``data``: whole lines."""
        if self._echo:
            self._repeat(data)
        while len(data) > FILE_SIZE:
            # Many short lines at once, each longer by its time: more than one file may hold.
            end = data.rfind(b"\n", 0, FILE_SIZE) + 1 or len(data)
            self._write(data[:end])
            data = data[end:]
        self._write(data)

    def _write(self, data: bytes) -> None:
        lines = data.count(b"\n")
        try:
            if self._fd < 0:
                self._open()
            if self._size + len(data) > FILE_SIZE and self._size:
                self._rotate()
            if self._lost:
                data = format_record(time.time(), "WARN", f"{self._lost} lines could not be written here") + data
            if os.write(self._fd, data) < len(data):
                os.ftruncate(self._fd, self._size)  # no half lines
                raise OSError
        except OSError:
            self._lost += lines
            return
        self._size += len(data)
        self._lost = 0

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _repeat(self, data: bytes) -> None:
        try:
            os.write(1, b"".join(self._echo + line for line in data.splitlines(keepends=True)))
        except OSError:
            pass  # nobody reads it any more; the file has it

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._size = os.fstat(self._fd).st_size

    def _rotate(self) -> None:
        self.close()
        for number in range(FILES_KEPT, 0, -1):
            older = self._path.with_suffix(f".log.{number}")
            newer = self._path if number == 1 else self._path.with_suffix(f".log.{number - 1}")
            if newer.exists():
                newer.replace(older)
        self._open()


class _Pipe:
    """One output of one unit: cuts what it reads into lines."""

    def __init__(self, fd: int, level: str, file: LogFile) -> None:
        self.fd = fd
        self.file = file
        self._level = level
        self._rest = b""

    def read(self) -> bool:
        """Take what is there; False at the end of the pipe."""
        try:
            data = os.read(self.fd, _READ)
        except BlockingIOError:
            return True
        if not data:
            self.flush()
            return False
        *lines, rest = (self._rest + data).split(b"\n")
        while len(rest) > LINE_LIMIT:
            lines.append(rest[:LINE_LIMIT])
            rest = rest[LINE_LIMIT:]
        self._rest = rest
        if lines:
            now = time.time()
            self.file.write(b"".join(self._record(now, line) for line in lines))
        return True

    @property
    def is_amid(self) -> bool:
        """The end of a line has not come yet."""
        return bool(self._rest)

    def flush(self) -> None:
        if self._rest:
            rest, self._rest = self._rest, b""
            self.file.write(self._record(time.time(), rest))

    def _record(self, now: float, line: bytes) -> bytes:
        level = self._level
        if line[:1] == b"<" and line[2:3] == b">" and b"0" <= line[1:2] <= b"7":
            level = _SEVERITIES[line[1] - 0x30]
            line = line[3:]
        return format_record(now, level, line.decode("utf-8", "replace"))


class LogWriter:
    def __init__(self, loop: Loop, control: socket.socket, directory: Path, echo: bool) -> None:
        self._echo = echo
        self._loop = loop
        self._control = control
        self._directory = directory
        self._files: dict[str, LogFile] = {}
        self._pipes: dict[str, list[_Pipe]] = {}
        self._orphaned = False
        self._stays = False
        self._quiet = False
        loop.watch(control.fileno(), self._on_control)
        self._leave_if_quiet()

    def _on_control(self, _events: int) -> None:
        try:
            data, fds, _flags, _address = socket.recv_fds(self._control, 4096, 2)
        except OSError:
            data, fds = b"", []
        if not data:
            # The supervisor is gone. Its units may print their last words until they are ended.
            self._loop.unwatch(self._control.fileno())
            self._orphaned = True
            self._leave_if_done()
            return
        name = json.loads(data)["name"]
        self._quiet = False
        if name == STAY:
            self._stays = True
            return
        if not fds:
            self._forget(name)
            return
        file = self._files.setdefault(name, LogFile(self._directory, name, self._echo))
        pipes = self._pipes.setdefault(name, [])
        for fd, level in zip(fds, ("INFO", "WARN"), strict=False):
            os.set_blocking(fd, False)
            pipe = _Pipe(fd, level, file)
            pipes.append(pipe)
            self._loop.watch(fd, lambda _events, p=pipe, n=name: self._on_pipe(n, p))  # type: ignore[misc]

    def _on_pipe(self, name: str, pipe: _Pipe) -> None:
        self._quiet = False
        if not pipe.read():
            self._loop.unwatch(pipe.fd)
            os.close(pipe.fd)
            self._pipes[name].remove(pipe)
            self._leave_if_done()

    def _forget(self, name: str) -> None:
        for pipe in self._pipes.pop(name, []):
            pipe.read()
            pipe.flush()
            self._loop.unwatch(pipe.fd)
            os.close(pipe.fd)
        file = self._files.pop(name, None)
        if file is not None:
            file.close()

    def _leave_if_quiet(self) -> None:
        amid = any(pipe.is_amid for pipes in self._pipes.values() for pipe in pipes)
        if self._quiet and not (amid or self._stays or self._orphaned):
            self._loop.stop()
        self._quiet = True
        self._loop.call_later(IDLE_SECONDS, self._leave_if_quiet)

    def _leave_if_done(self) -> None:
        if self._orphaned and not any(self._pipes.values()):
            self._loop.stop()


def run(control: socket.socket, directory: Path, echo: bool) -> None:
    """Be the log writer until there is nothing to write, or the supervisor and everything it started are gone.

    ``echo``: repeat every line on standard output, after the name of its unit.
    """
    # A shutdown ends every process of the runtime; this one must be the last, so only the end of the pipes ends it.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    loop = Loop()
    LogWriter(loop, control, directory, echo)
    loop.run()
