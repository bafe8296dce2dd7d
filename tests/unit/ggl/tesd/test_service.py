"""When the port is served, and which: with worker processes and a clock that the test has in its hands."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ggl.bus import BusError, ErrorCode, Loop
from ggl.paths import find_root
from ggl.tesd import service as module
from ggl.tesd.cache import RETRY
from ggl.tesd.service import UNASKED_SECONDS, Service


class Context:
    """As much of a daemon's context as is needed."""

    def __init__(self, directory: Path) -> None:
        self.root = find_root(str(directory))
        self.root.run.mkdir(exist_ok=True)
        self.loop = Loop()
        self.holds = 0
        self.exits: list[Callable[[], object]] = []

    def hold(self) -> None:
        self.holds += 1

    def release(self) -> None:
        self.holds -= 1

    def at_exit(self, callback: Callable[[], object]) -> None:
        self.exits.append(callback)


class Request:
    """Somebody who asks for the port."""

    answer: Any = None

    def defer(self) -> None:
        pass

    def finish(self, answer: Callable[[], Any]) -> None:
        self.answer = answer()

    def fail(self, error: BusError) -> None:
        self.answer = error.code


class Looks:
    """Stands in for the processes that read the configuration."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[Any], None]] = []

    def __call__(self, _loop: object, _work: object, done: Callable[[Any], None], _seconds: int) -> Looks:
        self.waiting.append(done)
        return self

    def finish(self, port: int = 0, needed: bool = True) -> None:
        """Every look finds this."""
        while self.waiting:
            self.waiting.pop()({"identity": "me", "port": port, "retry": dict(RETRY), "needed": needed})

    def kill(self) -> None:
        pass


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    looks = Looks()
    monkeypatch.setattr(module, "Child", looks)
    return looks


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    context = Context(tmp_path)
    yield context
    context.loop.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    times = [1000.0]
    monkeypatch.setattr(module, "now", lambda: times[0])
    return times


def ask(service: Service) -> Any:
    request = Request()
    return service.serve_port(request, {}) or request  # type: ignore[arg-type]


def is_served(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 30).close()
    except ConnectionRefusedError:
        return False
    return True


def free_port() -> int:
    """One that nobody gets who asks for any: the system gives those above."""
    for port in random.sample(range(20_000, 30_000), 1000):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("there is no free port")


def test_it_is_served_until_nobody_has_needed_it_for_long(context: Context, looks: Looks, clock: list[float]) -> None:
    service = Service(context)  # type: ignore[arg-type]
    assert (context.holds, looks.waiting) == (0, [])
    request = ask(service)
    looks.finish(needed=False)
    port = request.answer
    assert ask(service) == port

    service.configuration_changed(request, {})
    looks.finish(needed=False)
    assert is_served(port)
    clock[0] += UNASKED_SECONDS + 1
    service._check()
    looks.finish(needed=True)
    assert is_served(port)
    assert context.holds == 1
    service._check()
    looks.finish(needed=False)
    assert not is_served(port)
    assert context.holds == 0
    looks.waiting.clear()
    assert Service(context)._endpoints == {}  # type: ignore[arg-type]


def test_the_next_process_serves_what_the_last_one_did(context: Context, looks: Looks) -> None:
    service = Service(context)  # type: ignore[arg-type]
    request = ask(service)
    looks.finish()
    chosen = free_port()
    service.configuration_changed(request, {})
    looks.finish(port=chosen)
    assert is_served(request.answer)
    for endpoint in service._endpoints.values():
        endpoint.close()

    again = Service(context)  # type: ignore[arg-type]
    assert list(again._endpoints) == [request.answer, chosen]
    assert context.holds == 2
    for endpoint in again._endpoints.values():
        endpoint.close()


def test_without_the_configuration_whoever_asks_is_told_to_ask_again(context: Context, looks: Looks) -> None:
    service = Service(context)  # type: ignore[arg-type]
    request = ask(service)
    looks.waiting.pop()({})
    assert request.answer is ErrorCode.RETRY
