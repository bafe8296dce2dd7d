"""Peers that break the rules lose their connection; everybody else notices nothing."""

from __future__ import annotations

import random
import resource
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress

import msgpack
import pytest

from ggl.bus import BusError, Client, connect
from ggl.bus.server import MAX_CONNECTIONS
from ggl.bus.wire import MAX_FRAME, pack
from ggl.paths import Root
from tests.unit.ggl.bus.conftest import INTERFACE, SECONDS, descriptors
from tests.unit.ggl.bus.test_calls import wait_for

Raw = Callable[[], AbstractContextManager[socket.socket]]


def disconnected(sock: socket.socket) -> bool:
    try:
        while sock.recv(1 << 20):
            pass
    except (ConnectionResetError, BrokenPipeError):
        pass
    return True


def deep(levels: int) -> bytes:
    return pack([0, 1, "echo", []])[:-1] + b"\x92\x81\xa5value" + b"\x91" * levels + b"\xc0" + b"\xa0"


@pytest.mark.parametrize(
    "data",
    [
        b"\xc1",
        b"GET / HTTP/1.1\r\n\r\n",
        msgpack.packb("no list"),
        msgpack.packb([]),
        msgpack.packb([0, 1, "echo"]),
        msgpack.packb([9, 1, 2, 3]),
        msgpack.packb([0, "id", "echo", [{}, ""]]),
        msgpack.packb([0, 1, 5, [{}, ""]]),
        msgpack.packb([0, 1, "echo", {}]),
        msgpack.packb([0, 1, "echo", [[], ""]]),
        msgpack.packb([0, 1, "echo", [{}, 7]]),
        msgpack.packb([4, "x"]),
        msgpack.packb({1: 2}),
        msgpack.packb([0, 1, "echo", [{"value": msgpack.ExtType(1, b"x")}, ""]]),
        b"\xdd\xff\xff\xff\xff",  # a list of four thousand million elements
        b"\xdf\xff\xff\xff\xff",
        b"\x91" * 100_000,
    ],
    ids=lambda data: data[:12].hex(),
)
def test_garbage_costs_its_sender_the_connection(raw: Raw, client: Client, data: bytes) -> None:
    with raw() as sock:
        with suppress(ConnectionResetError, BrokenPipeError):  # the beginning may be enough for the server
            sock.sendall(data)
        assert disconnected(sock)
    assert client.call("echo", {"value": 1}) == 1


def test_deep_nesting_is_refused_without_harm(raw: Raw, client: Client) -> None:
    with raw() as sock:
        sock.sendall(deep(400))
        answer = msgpack.unpackb(sock.recv(65536))
        assert answer[:2] == [1, 1]
        assert answer[2][0] == "RANGE"
    assert client.call("echo", {"value": 1}) == 1


def test_random_bytes_never_bring_the_server_down(raw: Raw, client: Client) -> None:
    source = random.Random(7)
    good = pack([0, 1, "echo", [{"value": [1, "two", {"three": 4.0}]}, "trail"]])
    for _ in range(300):
        data = bytearray(good)
        for _ in range(source.randint(1, 6)):
            data[source.randrange(len(data))] = source.randrange(256)
        with raw() as sock:
            sock.sendall(bytes(data) + source.randbytes(source.randint(0, 40)))
    assert client.call("echo", {"value": 1}) == 1


def test_half_a_frame_waits_and_is_forgotten_with_its_sender(raw: Raw, client: Client, server: int) -> None:
    client.call("echo", {"value": 1})  # only now the server has taken the client's own connection
    before = descriptors(server)
    data = pack([0, 1, "echo", [{"value": "x" * 1000}, ""]])
    for cut in (1, 3, 10, 500):
        with raw() as sock:
            sock.sendall(data[:cut])
    assert wait_for(lambda: descriptors(server), lambda count: count == before) == before
    assert client.call("echo", {"value": 1}) == 1


def test_frames_of_many_connections_that_come_in_pieces_are_not_mixed_up(raw: Raw) -> None:
    frames = [pack([0, 5, "echo", [{"value": f"{number}" * 100}, ""]]) for number in range(6)]
    with raw() as a, raw() as b, raw() as c:
        for number, sock in enumerate((a, b, c)):
            sock.sendall(frames[number][:40])
        for number, sock in enumerate((a, b, c)):
            sock.sendall(frames[number][40:] + frames[number + 3][:7])
        answers = [msgpack.unpackb(sock.recv(65536)) for sock in (a, b, c)]
        for number, sock in enumerate((a, b, c)):
            sock.sendall(frames[number + 3][7:])
        answers += [msgpack.unpackb(sock.recv(65536)) for sock in (a, b, c)]
    assert [answer[3] for answer in answers] == [f"{number}" * 100 for number in range(6)]


def test_a_frame_that_comes_byte_by_byte_is_understood(raw: Raw) -> None:
    with raw() as sock:
        for byte in pack([0, 5, "echo", [{"value": "slow"}, ""]]):
            sock.sendall(bytes([byte]))
        assert msgpack.unpackb(sock.recv(65536)) == [1, 5, None, "slow"]


def test_an_oversized_frame_is_cut_off_before_it_is_complete(raw: Raw, client: Client) -> None:
    with raw() as sock:
        head = pack([0, 1, "echo", []])[:-1] + b"\x92\x81\xa5value\xc6" + (MAX_FRAME - 10).to_bytes(4, "big")
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            sock.sendall(head + b"x" * (MAX_FRAME + (1 << 22)))
    assert client.call("echo", {"value": 1}) == 1


def test_a_peer_that_never_reads_is_disconnected_and_holds_up_nobody(raw: Raw, client: Client) -> None:
    with raw() as lazy:
        lazy.sendall(pack([0, 1, "flood", [{}, ""]]))
        assert [client.call("echo", {"value": number}) for number in range(200)] == list(range(200))
        # What the kernel and the server hold for it is bounded: the end comes after a few megabytes.
        received = 0
        while data := lazy.recv(1 << 20):
            received += len(data)
            if received > 64 << 20:
                pytest.fail("the server goes on sending to a peer that was too slow")
            client.call("echo", {"value": 1})


def test_thousands_of_connections_are_refused_beyond_the_limit_and_let_go(root: Root, server: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))
    resource.prlimit(server, resource.RLIMIT_NOFILE, (min(8192, hard), hard))
    with connect(INTERFACE, root, SECONDS) as first:
        first.call("bus.ping")  # it has all that it needs
        with_one = descriptors(server)
    try:
        with ExitStack() as stack:
            open_count = refused = 0
            for _ in range(MAX_CONNECTIONS + 500):
                try:
                    other = stack.enter_context(connect(INTERFACE, root, SECONDS))
                    other.call("bus.ping")
                    open_count += 1
                except BusError:
                    refused += 1
            assert open_count == MAX_CONNECTIONS
            assert refused == 500
        wait_for(lambda: descriptors(server), lambda count: count < with_one)  # lest we come before they have gone
        with connect(INTERFACE, root, SECONDS) as client:
            wait_for(lambda: descriptors(server), lambda count: count <= with_one)
            assert client.call("echo", {"value": 1}) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_too_many_requests_in_flight_are_answered_busy(raw: Raw, client: Client) -> None:
    with raw() as sock:
        sock.sendall(b"".join(pack([0, number, "later", [{}, ""]]) for number in range(1, 1100)))
        unpacker = msgpack.Unpacker()
        unpacker.feed(sock.recv(65536))
        assert next(iter(unpacker))[2][0] == "BUSY"
    assert client.call("echo", {"value": 1}) == 1
