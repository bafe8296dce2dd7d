"""Ports that the host opens for a daemon that is not there: somebody who connects starts it."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from ggl.bus import BusError
from tests.cloud.processes import bound
from tests.integration.conftest import Runtime, running, wait_until

DAEMON = "tesserverd"


@pytest.fixture(scope="module")
def runtime() -> Iterator[Runtime]:
    with running() as runtime:
        yield runtime


def listen(runtime: Runtime, *ports: int) -> None:
    runtime.call("gg_host", "listen", {"daemon": DAEMON, "ports": list(ports)})


def is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 60).close()
    except ConnectionRefusedError:
        return False
    return True


def answer(port: int, host: str = "127.0.0.1") -> bytes:
    with socket.create_connection((host, port), 60) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        return sock.recv(100)


def test_a_connection_starts_a_daemon_which_leaves_again(runtime: Runtime, port: int, another_port: int) -> None:
    listen(runtime, port, another_port)
    for each in (port, another_port):
        assert answer(each).startswith(b"HTTP/1.1 400")
        # Both come and go: one for each port.
        wait_until(lambda p=each: runtime.pid_of(f"{DAEMON}@{p}"), lambda pid: pid == 0)  # type: ignore[misc]
    with socket.create_connection(("127.0.0.1", port), 60):
        first = wait_until(lambda: runtime.pid_of(f"{DAEMON}@{port}"))
        runtime.kill(first)
    assert answer(port).startswith(b"HTTP/1.1 400")


def test_it_is_on_ipv6_where_the_device_has_that(runtime: Runtime, port: int) -> None:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    listen(runtime, port)
    assert answer(port, "::1").startswith(b"HTTP/1.1 400")


def test_the_ports_are_those_that_were_named_last(runtime: Runtime, port: int, another_port: int) -> None:
    listen(runtime, port)
    listen(runtime, port, another_port)
    assert is_open(port)
    assert is_open(another_port)
    listen(runtime, another_port)
    assert not is_open(port)
    assert is_open(another_port)
    listen(runtime)
    assert not is_open(another_port)


def test_when_one_cannot_be_had_those_of_before_stay(runtime: Runtime, port: int, another_port: int) -> None:
    listen(runtime, port)
    with bound(port=another_port) as taken, bound() as held:
        taken.listen()
        third = held.getsockname()[1]
        with pytest.raises(BusError, match=f"FAILURE: port {another_port} cannot be used"):
            listen(runtime, third, another_port)
        assert is_open(port)
        assert not is_open(third)


@pytest.mark.parametrize(
    ("daemon", "ports", "error"),
    [
        ("tesserverd", [0], "INVALID: listen: 'ports' must be numbers from 1 to 65535, not 0"),
        ("tesserverd", ["80"], "INVALID: listen: 'ports' must be numbers"),
        ("tesserverd", [8080, 8080], "INVALID: listen: 'ports' must be up to 8 different ones"),
        ("tesserverd", [*range(8080, 8089)], "INVALID: listen: 'ports' must be up to 8 different ones"),
        ("tesserverd", "8080", "INVALID"),
        ("configd", [8080], "NOENTRY: there is no daemon 'configd' that serves ports"),
        ("nosuchd", [8080], "NOENTRY: there is no daemon 'nosuchd' that serves ports"),
    ],
)
def test_what_cannot_be_meant_is_refused(runtime: Runtime, daemon: str, ports: object, error: str) -> None:
    with pytest.raises(BusError, match=error):
        runtime.call("gg_host", "listen", {"daemon": daemon, "ports": ports})


def test_they_end_with_the_runtime(runtime: Runtime, port: int) -> None:
    listen(runtime, port)
    runtime.down()
    assert not is_open(port)
    runtime.up()
    assert not is_open(port)
