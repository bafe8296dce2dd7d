"""Which port is opened: with a host that the test has in its hands."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from ggl.bus import BusError, ErrorCode
from ggl.catalog import MAX_PORTS
from ggl.paths import find_root
from ggl.tesd import ports as module
from ggl.tesd.ports import PORT_TRIES, choices, free_port, serve

FREE = 40_000
ROOT = find_root("/nowhere")


class Host:
    """Cannot open the ports ``taken``, or answers ``error`` to everything."""

    def __init__(self) -> None:
        self.taken: set[int] = set()
        self.error: BusError | None = None
        self.asked: list[list[int]] = []

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def call(self, method: str, params: dict[str, Any] | None = None) -> Any:
        if method == "info":
            return {"instance": "this"}
        assert method == "listen"
        assert params is not None
        assert params["daemon"] == "tesserverd"
        self.asked.append(params["ports"])
        if self.error is not None:
            raise self.error
        if self.taken & set(params["ports"]):
            raise BusError(ErrorCode.FAILURE, "port cannot be used")
        return None


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host()
    free = iter(range(FREE, FREE + 100))
    monkeypatch.setattr(module, "connect", lambda *_: host)
    monkeypatch.setattr(module, "free_port", lambda: next(free))
    return host


@pytest.mark.parametrize(
    ("wanted", "present", "last", "taken", "found"),
    [
        (0, [], 0, set(), [FREE]),
        (0, [], 0, {FREE, FREE + 1}, [FREE + 2]),
        (0, [1, 2], 2, set(), [1, 2]),
        (9, [1, 2], 2, set(), [1, 2, 9]),
        (1, [1, 2], 2, set(), [2, 1]),
        (9, [1, 2], 2, {9}, [1, 2]),
        (9, [], 0, {9}, [FREE]),
        # after a new start of the runtime: nobody knows any port
        (0, [], 2, set(), [2]),
        (0, [], 2, {2}, [FREE]),
        (9, [], 2, set(), [9]),
        (9, [], 2, {9}, [2]),
        (9, [], 9, {9}, [FREE]),
    ],
)
def test_the_best_that_can_be_had(
    host: Host, wanted: int, present: list[int], last: int, taken: set[int], found: list[int]
) -> None:
    host.taken = taken
    before, instance = (present, "this") if present else ([1, last] if last else [], "that")
    assert serve(ROOT, wanted, before, instance) == {"ports": found, "instance": "this"}


def test_the_oldest_one_goes_when_there_are_too_many() -> None:
    present = [*range(1, MAX_PORTS + 1)]
    assert next(choices(99, present, MAX_PORTS)) == [*present[1:], 99]


def test_a_port_that_is_not_to_be_had_is_an_error_in_the_end(host: Host) -> None:
    host.taken = {*range(FREE, FREE + 100)}
    with pytest.raises(BusError, match="FAILURE: port cannot be used"):
        serve(ROOT, 0, [], "")
    assert len(host.asked) == PORT_TRIES


def test_what_is_not_for_the_ports_is_not_tried_with_others(host: Host) -> None:
    host.error = BusError(ErrorCode.NOCONN, "no host")
    with pytest.raises(BusError, match="NOCONN"):
        serve(ROOT, 9, [1], "this")
    assert host.asked == [[1, 9]]


def test_a_free_port_is_free() -> None:
    found = {free_port() for _ in range(5)}
    for port in found:
        socket.create_server(("127.0.0.1", port)).close()


def test_a_port_that_is_taken_on_one_address_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = _random(monkeypatch, 3)
    assert free_port() == ports[2]


def _random(monkeypatch: pytest.MonkeyPatch, count: int) -> list[int]:
    """The kernel gives ports of which all but the last one are taken on IPv6."""
    given = [*range(FREE, FREE + count)]
    left: Iterator[int] = iter(given)

    class Socket:
        def __init__(self, family: int, _kind: int) -> None:
            self._family, self._port = family, 0

        def __enter__(self) -> Socket:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def bind(self, address: tuple[str, int]) -> None:
            self._port = address[1] or next(left)
            if self._family == socket.AF_INET6 and self._port != given[-1]:
                raise OSError(errno.EADDRINUSE, "in use")

        def getsockname(self) -> tuple[str, int]:
            return "", self._port

    monkeypatch.setattr(socket, "socket", Socket)
    return given


def test_random_ports_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "free_port", lambda: 1)
    assert len([*islice(choices(0, [], 0), 1000)]) == PORT_TRIES
