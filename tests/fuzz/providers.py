"""Abuse of the bus interface ``gg_registration``, the other socket of ipcd that is open to everybody.

Visitors send frames that are no frames, or registrations that are none. A provider is let in, and then answers the
calls of others with whatever comes to its mind: what ipcd makes of that reaches components that did nothing wrong.
"""

from __future__ import annotations

import math
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import msgpack

from tests.fuzz.payloads import damaged

CALL, WATCH = "com.example.fuzz#Call", "com.example.fuzz#Watch"
"""Operations of the provider: a call, and a subscription."""
OTHER = "com.example.fuzz#Other"
"""What visitors register, if they get that far; they never answer."""
VISITOR_PAUSE = 0.002
"""Seconds between two visitors: they shall be there all the time, not take it all."""
_PATIENCE = 60.0
"""Seconds that the server may take for anything."""


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**63 - 1, -(2**63), 2**64 - 1, 1.5, math.nan, math.inf, -math.inf),
    *("", "text", "x" * 100_000, "\ud800", "\0", "#", ".#", "a#b", CALL, b"", b"\xff\xfe", b"x" * 100_000),
    *([], {}, [None] * 1000, {"": None}, {1: 2}, {None: None}, {"\udfff": 0}, {"a": {"b": math.nan}}),
    *(_nested(30), _nested(62), _nested(70), _nested(500), msgpack.ExtType(5, b"x"), msgpack.Timestamp(1)),
    *({"response": None}, {"error": None}, {"error": {}}, {"error": {"shape": 5, "message": []}}, {"response": {}}),
)


@dataclass
class Visits:
    """What was done on the bus. ``calls``: requests that the provider got and answered."""

    visitors: int = 0
    frames: int = 0
    registrations: int = 0
    calls: int = 0
    failures: list[str] = field(default_factory=list)


def _pack(value: Any) -> bytes:
    data: bytes = msgpack.packb(value, unicode_errors="surrogatepass")
    return data


def visit(path: Path, seed: int, tokens: list[str], stopped: Callable[[], bool]) -> Visits:
    """Visitors, one after the other. A failure is one that is not heard at all."""
    rng, visits = Random(f"{seed}:visitors"), Visits()
    kept: list[socket.socket] = []
    while not stopped():
        try:
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(str(path))
            sock.settimeout(_PATIENCE)
            visits.visitors += 1
            for _ in range(rng.randrange(1, 4)):
                sock.sendall(_visitors_frame(rng, tokens))
                visits.frames += 1
            if rng.random() < 0.3:
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(65536):
                    pass
        except (BrokenPipeError, ConnectionResetError):
            pass  # what it said was enough
        except OSError as error:
            visits.failures.append(f"visitor {visits.visitors}: {error!r}")
            if len(visits.failures) > 10:
                break
        kept.append(sock)
        if len(kept) > 20:
            kept.pop(rng.randrange(20)).close()
        time.sleep(VISITOR_PAUSE)
    for sock in kept:
        sock.close()
    return visits


def _visitors_frame(rng: Random, tokens: list[str]) -> bytes:
    params: dict[str, Any] = {"token": rng.choice((*tokens, "0" * 16)), "operations": [OTHER], "events": {}}
    frame: list[Any] = [
        0,
        1,
        rng.choice(("register", "register", "bus.ping", "bus.methods", "bus.monitor", "token")),
        0,
    ]
    how = rng.random()
    if how < 0.3:
        params[rng.choice(("token", "operations", "events", "more"))] = rng.choice(ODD)
    elif how < 0.4:
        params["operations"] = [rng.choice((OTHER, "aws.greengrass#GetConfiguration", "a#b", "", 5)) for _ in range(3)]
    elif how < 0.5:
        del params[rng.choice(tuple(params))]
    frame[3] = [params, "trail"]
    if 0.5 < how < 0.7:
        frame[rng.randrange(4)] = rng.choice(ODD)
    elif how < 0.75:
        frame = [rng.choice((1, 2, 3, 4, 5, -1)), *frame[1:]]
    elif how < 0.8:
        return _pack(rng.choice(ODD))
    data = _pack(frame)
    if how < 0.9:
        return data
    return damaged(rng, data) if how < 0.97 else b"\xdd\xff\xff\xff\xff" + rng.randbytes(100)


def serve_badly(path: Path, seed: int, token: str, stopped: Callable[[], bool]) -> Visits:
    """Register, answer as one should not, and begin anew when the connection was lost."""
    rng, visits = Random(f"{seed}:provider"), Visits()
    while not stopped():
        with socket.socket(socket.AF_UNIX) as sock:
            try:
                sock.connect(str(path))
                sock.settimeout(_PATIENCE)
                params = {"token": token, "operations": [CALL, WATCH], "events": {WATCH: "com.example.fuzz#Event"}}
                sock.sendall(_pack([0, 1, "register", [params, ""]]))
                _answer_calls(rng, sock, visits, stopped)
            except (BrokenPipeError, ConnectionResetError):
                continue
            except OSError as error:
                visits.failures.append(f"provider: {error!r}")
                return visits
    return visits


def _answer_calls(rng: Random, sock: socket.socket, visits: Visits, stopped: Callable[[], bool]) -> None:
    unpacker = msgpack.Unpacker(strict_map_key=False, unicode_errors="surrogatepass", max_buffer_size=1 << 28)
    while not stopped():
        if not select.select([sock], [], [], 0.5)[0]:
            continue
        data = sock.recv(1 << 18)
        if not data:
            return
        unpacker.feed(data)
        for frame in unpacker:
            if frame[0] == 0:
                visits.calls += 1
                sock.sendall(_answer(rng, frame[1]))
            elif frame[0] == 1 and frame[1] == 1:
                visits.registrations += frame[2] is None
        if rng.random() < 0.01:
            return


def _answer(rng: Random, number: int) -> bytes:
    how = rng.random()
    if how < 0.3:
        return _pack([1, number, None, {"response": {"n": number}}])
    if how < 0.4:
        return _pack([1, number, None, {"response": {"x": rng.choice(ODD)}}])
    if how < 0.5:
        return _pack([1, number, None, {"error": {"shape": rng.choice(ODD), "message": rng.choice(ODD)}}])
    if how < 0.6:
        return _pack([1, number, None, rng.choice(ODD)])
    if how < 0.65:
        return _pack([1, number, rng.choice((["FAILURE", "no"], ["NONE", 5], [], "x", rng.choice(ODD))), None])
    good = _pack([1, number, None, {"response": {}}])
    if how < 0.9:
        item = rng.choice(({"n": 1}, {"x": "y" * 5000}, rng.choice(ODD)))
        end: list[Any] = [4, number] if rng.random() < 0.5 else [4, number, rng.choice(ODD)]
        return good + _pack([3, number, item]) * rng.randrange(5) + _pack([3, [number, number], item]) + _pack(end)
    if how < 0.93:
        return good * 2 + _pack([1, number + 1000, None, None]) + _pack([3, rng.choice(ODD), 1])
    if how < 0.96:
        return _pack([0, number, rng.choice(("register", "bus.ping", CALL)), [{}, ""]])
    return damaged(rng, good) if how < 0.99 else b""
