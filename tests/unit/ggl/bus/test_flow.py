"""Much data: one item for many streams, and clients that ask faster than they read."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import AbstractContextManager

from ggl.bus import Client, connect
from ggl.bus.wire import REQUEST, RESPONSE, new_unpacker, pack
from ggl.paths import Root
from tests.unit.ggl.bus.conftest import INTERFACE, SECONDS

Raw = Callable[[], AbstractContextManager[socket.socket]]


def test_an_item_for_all_reaches_every_open_stream(client: Client, root: Root) -> None:
    with connect(INTERFACE, root) as other:
        streams = [client.subscribe("join"), client.subscribe("join"), other.subscribe("join")]
        closed = client.subscribe("join")
        closed.close()
        client.call("tell", {"item": {"n": 1}})
        client.call("tell", {"item": {"n": 2}})
        for stream in streams:
            assert [stream.next(SECONDS), stream.next(SECONDS)] == [{"n": 1}, {"n": 2}]


def test_an_item_for_many_streams_of_one_connection_crosses_it_once(client: Client, root: Root) -> None:
    """Sent to each stream on its own, this would be far more than may wait for one client."""
    streams = [client.subscribe("join") for _ in range(50)]
    item = bytes(1_000_000)
    with connect(INTERFACE, root) as other:
        other.call("tell", {"item": item})
    for stream in streams:
        assert stream.next(SECONDS) == item


def test_a_client_may_ask_for_much_before_it_reads_anything(raw: Raw) -> None:
    with raw() as sock:
        for number in range(50):
            sock.sendall(pack([REQUEST, number, "bytes", [{"n": 1_000_000}, ""]]))
        unpacker = new_unpacker()
        answered: list[int] = []
        while len(answered) < 50:
            unpacker.feed(sock.recv(1 << 20))
            for kind, number, error, result in unpacker:
                assert (kind, error, len(result)) == (RESPONSE, None, 1_000_000)
                answered.append(number)
        assert answered == list(range(50))
