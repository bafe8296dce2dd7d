"""HTTP requests as the stand-in sees them, and what is to go wrong with them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Request:
    """``path``: as it was sent, without the query; ``target``: with it; ``thing``: in the client's certificate.
    Names of headers are in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    thing: str
    target: str
    time: float = field(default_factory=time.monotonic)

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Response:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Fault:
    """What is done to requests whose path begins with ``prefix``. ``times``: to how many more, ``None``: to all."""

    prefix: str
    times: int | None
    method: str
    status: int | None
    body: bytes | None
    headers: Mapping[str, str]
    truncate: int | None
    delay: float
    reset: bool
    hits: int = 0


class Faults:
    """Misbehaviour that is asked for. Every server looks here before it answers."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def http(
        self,
        prefix: str,
        *,
        times: int | None = 1,
        method: str = "",
        status: int | None = None,
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        truncate: int | None = None,
        delay: float = 0.0,
        reset: bool = False,
    ) -> Fault:
        """Let the next ``times`` requests below ``prefix`` go wrong, ``None``: all of them, until ``clear``.

        ``status`` and ``body`` answer instead of the server (a ``body`` alone replaces that of its answer);
        ``truncate``: the connection ends after so many bytes of the body; ``delay``: seconds before the answer;
        ``reset``: the connection ends without one. The path is compared as it was sent, without its query.
        """
        data = body.encode() if isinstance(body, str) else body
        fault = Fault(prefix, times, method, status, data, headers or {}, truncate, delay, reset)
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def take(self, request: Request) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if request.path.startswith(fault.prefix) and fault.method in ("", request.method):
                    fault.hits += 1
                    if fault.times is not None:
                        fault.times -= 1
                        if fault.times <= 0:
                            self._faults.remove(fault)
                    return fault
        return None
