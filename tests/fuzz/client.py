"""A process that keeps many hostile connections open at once and feeds them their sessions, burst by burst."""

from __future__ import annotations

import json
import select
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from struct import Struct

from ggl.ipcd import eventstream as es
from tests.fuzz.sessions import CHECK, SHUT, Maker, Session
from tests.lean import request_of

OPEN = 24
"""Connections at a time."""
PATIENCE = 60.0
"""Seconds that the server may take for anything."""
MARKER = {"componentName": "com.example.Canary", "keyPath": ["marker"]}
MARKED = b'"still the same"'
_TOTAL = Struct(">I")


@dataclass
class Counts:
    """What one process did and saw. ``failures`` name the session by its number."""

    frames: int = 0
    before_connect: int = 0
    connections: int = 0
    answers: int = 0
    closed: int = 0
    """Connections that the server ended."""
    checks: int = 0
    failures: list[str] = field(default_factory=list)


class Hung(Exception):
    """The server did not do what it must."""


class Hostile:
    """One connection and its session."""

    def __init__(self, path: Path, session: Session, counts: Counts) -> None:
        self.session = session
        self._counts = counts
        self._bursts = iter(session.bursts)
        self._sock = socket.socket(socket.AF_UNIX)
        self._buffer = bytearray()
        self._last = b""
        self._waiting = False
        self.over = False
        """The server has closed."""
        counts.connections += 1
        self._sock.connect(str(path))
        self._sock.setblocking(False)
        if session.greeting:
            self._send(session.greeting)
            self._wait(lambda: bool(self._messages()))

    def step(self) -> bool:
        """Send the next burst; false when the session is over. Raises ``Hung``."""
        burst = None if self.over else next(self._bursts, None)
        if burst is None:
            self._end()
            return False
        self._send(b"".join(burst))
        self._counts.frames += len(burst)
        if not self.session.greeting:
            self._counts.before_connect += len(burst)
        return True

    def _end(self) -> None:
        try:
            if self.session.ending == CHECK:
                self._check()
            elif self.session.ending == SHUT and not self.over:
                try:
                    self._sock.shutdown(socket.SHUT_WR)
                except OSError:
                    pass  # it was quicker
                self._wait(lambda: self.over)
        finally:
            self._sock.close()
            self._counts.closed += self.over

    def _check(self) -> None:
        stream = self.session.stream + 1
        self._waiting = True
        self._send(request_of("GetConfiguration").encode(stream, json.dumps(MARKER).encode()))
        found: list[bytes] = []

        def answered() -> bool:
            found.extend(message for message in self._messages() if _stream_of(message) == stream)
            return bool(found) or self.over

        self._wait(answered)
        if self.over:
            raise Hung(f"it was disconnected, although nothing was worse than a bad request: {self._last!r}")
        if MARKED not in found[0]:
            raise Hung(f"the last, good request was answered: {found[0]!r}")
        self._counts.checks += 1

    def _send(self, data: bytes) -> None:
        view, deadline = memoryview(data), time.monotonic() + PATIENCE
        while view and not self.over:
            try:
                view = view[self._sock.send(view) :]
            except BlockingIOError:
                self._read()
                select.select([self._sock], [self._sock], [], 1.0)
                if time.monotonic() > deadline:
                    raise Hung("it does not take what is sent, although its answers are read") from None
            except OSError:
                self._read()
                self.over = True
        self._read()
        if len(self._buffer) > 1 << 16 and not self._waiting:
            self._messages()

    def _read(self) -> None:
        try:
            while data := self._sock.recv(1 << 18):
                self._buffer += data
            self.over = True
        except BlockingIOError:
            pass
        except OSError:
            self.over = True

    def _messages(self) -> list[bytes]:
        """The whole messages that have come. The server's checksums are looked at elsewhere, by the canaries."""
        found, offset, buffer = [], 0, self._buffer
        while len(buffer) - offset >= es.OVERHEAD:
            (total,) = _TOTAL.unpack_from(buffer, offset)
            if len(buffer) - offset < total:
                break
            found.append(bytes(buffer[offset : offset + total]))
            offset += total
        del buffer[:offset]
        self._counts.answers += len(found)
        self._last = found[-1] if found else self._last
        return found

    def _wait(self, done: object) -> None:
        assert callable(done)
        deadline = time.monotonic() + PATIENCE
        while not done() and not self.over:
            if time.monotonic() > deadline:
                raise Hung(f"it gave no answer in {PATIENCE:.0f} s")
            select.select([self._sock], [], [], 1.0)
            self._read()
        done()


def _stream_of(message: bytes) -> int:
    (decoded,) = es.Decoder().feed(message)
    return decoded.stream_id


def run(path: Path, seed: int, tokens: list[str], first: int, step: int, frames: int, progress: list[int]) -> Counts:
    """Play the sessions ``first``, ``first + step``, ... until ``frames`` were sent, or ``progress[0]`` is set.
    ``progress[1 + first]`` is kept up to date."""
    maker, rng, counts = Maker(seed, tokens), Random(f"{seed}:order:{first}"), Counts()
    hostile: list[Hostile] = []
    number = first
    while counts.frames < frames and not progress[0]:
        session = None
        try:
            if len(hostile) < OPEN:
                session = maker.session(number)
                number += step
                hostile.append(Hostile(path, session, counts))
            spot = int(rng.random() * len(hostile))
            session = hostile[spot].session
            if not hostile[spot].step():
                hostile[spot] = hostile[-1]
                hostile.pop()
        except (Hung, OSError) as error:
            counts.failures.append(f"session {session.number if session else '?'}: {error!r}")
            hostile = [each for each in hostile if each.session is not session]
            if len(counts.failures) >= 20:
                break
        progress[1 + first] = counts.frames
    for each in hostile:
        each._sock.close()
    progress[1 + first] = counts.frames
    return counts
