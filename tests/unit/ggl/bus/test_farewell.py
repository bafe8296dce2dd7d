"""Who does not read is told so when it comes back to it."""

from __future__ import annotations

import re
import socket

import pytest

from ggl.bus import BusError, Client, ErrorCode, Loop, connect
from ggl.bus.farewell import MAX_WAITING, Farewell
from ggl.paths import Root
from tests.unit.ggl.bus.conftest import INTERFACE, SECONDS

TOLD = 200


def test_a_reader_that_was_too_slow_is_told_how_much_it_missed(client: Client, root: Root) -> None:
    streams = [client.subscribe("join"), client.subscribe("join")]
    with connect(INTERFACE, root, SECONDS) as other:
        for number in range(TOLD):
            other.call("tell", {"item": [number, bytes(65536)]})
    for stream in streams:
        seen: list[int] = []
        with pytest.raises(BusError, match=r"this reader was too slow: it missed \d+ messages") as raised:
            seen.extend(item[0] for item in stream)
        assert raised.value.code == ErrorCode.BUSY
        assert seen == list(range(len(seen)))
        [missed] = map(int, re.findall(r"missed (\d+)", raised.value.message))
        assert 60 < missed < TOLD - len(seen) + 1, "4 MiB waited for it"
    with pytest.raises(BusError, match="was lost"):
        client.call("bus.ping")


def test_few_are_waited_for() -> None:
    loop = Loop()
    pairs = [socket.socketpair() for _ in range(MAX_WAITING + 3)]
    for ours, _theirs in pairs:
        Farewell(loop, ours, b"x")
    peers = [theirs for _ours, theirs in pairs]
    assert [ours.fileno() >= 0 for ours, _theirs in pairs] == [False] * 3 + [True] * MAX_WAITING
    assert [peer.recv(1) for peer in peers[:3]] == [b"", b"", b""], "the oldest have made room"
    loop.call_later(0.5, loop.stop)
    loop.run()
    assert [peer.recv(2) + peer.recv(2) for peer in peers[3:]] == [b"x"] * MAX_WAITING
    assert all(ours.fileno() < 0 for ours, _theirs in pairs)
    for peer in peers:
        peer.close()
    loop.close()
