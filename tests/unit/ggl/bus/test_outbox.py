"""What waits for a slow peer: bounded, in order."""

from __future__ import annotations

import socket

from ggl.bus.outbox import Outbox


def test_everything_arrives_in_order_however_slowly_it_is_read() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    outbox = Outbox(ours, lambda: None, lambda: None)
    frames = [bytes([number]) * 100_000 for number in range(30)]
    for frame in frames:
        outbox.write(frame)
    received = b""
    while len(received) < 3_000_000:
        outbox.flush()
        received += theirs.recv(65536)
    assert received == b"".join(frames)
    assert outbox.queued == 0


def test_a_frame_larger_than_the_limit_may_wait_with_others_but_they_may_not_pile_up() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    overflows: list[bool] = []
    blocked: list[bool] = []
    outbox = Outbox(ours, lambda: blocked.append(True), lambda: overflows.append(True), limit=1000)
    outbox.write(b"x" * 10_000_000)
    assert blocked == [True]
    outbox.write(b"y" * 600)
    outbox.write(b"y" * 600)
    assert not overflows
    outbox.write(b"y")
    assert overflows
    theirs.close()
