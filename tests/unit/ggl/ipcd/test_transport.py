"""The socket of a component: nothing blocks, nothing grows without bounds. Real sockets on a real loop."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator

import pytest

from ggl.bus import Loop
from ggl.ipcd import transport
from ggl.ipcd.transport import MAX_QUEUED, PAUSE_READING, Transport
from ggl.ipcd.waiting import MAX_WAITING, Waiting

SECONDS = 60.0
"""For what must happen; much longer than it takes."""


class Link:
    """A transport and the component's end of its socket."""

    def __init__(self, waiting: Waiting | None = None) -> None:
        self.loop = Loop()
        ours, self.component = socket.socketpair()
        self.component.settimeout(SECONDS)
        self.received = b""
        self.closed: list[str] = []
        self.transport = Transport(self.loop, ours, self.closed.append, waiting or Waiting())
        self.transport.on_data = self._on_data

    def _on_data(self, data: bytes) -> None:
        self.received += data

    def run(self, until: Callable[[], bool]) -> None:
        """Turn the loop until ``until()``; fails when that takes absurdly long."""
        deadline = time.monotonic() + SECONDS
        while not until():
            assert time.monotonic() < deadline
            self.loop.call_later(0.002, self.loop.stop)
            self.loop.run()

    def settle(self) -> None:
        """Let the loop do what it can do now."""
        self.loop.call_later(0.05, self.loop.stop)
        self.loop.run()

    def read(self, size: int) -> bytes:
        data = bytearray()

        def more() -> bool:
            self.component.setblocking(False)
            try:
                while len(data) < size:
                    data.extend(self.component.recv(min(1 << 20, size - len(data))))
            except BlockingIOError:
                return False
            return True

        self.run(more)
        return bytes(data)


@pytest.fixture
def link() -> Iterator[Link]:
    link = Link()
    yield link
    link.transport.abort("")
    link.component.close()
    link.loop.close()


def test_what_does_not_fit_into_the_socket_follows_in_order(link: Link) -> None:
    messages = [bytes([number]) * 300_000 for number in range(10)]
    for message in messages:
        link.transport.send(message)
    assert link.transport.queued > 0
    assert link.read(3_000_000) == b"".join(messages)
    link.settle()
    assert link.transport.queued == 0


def test_a_component_that_does_not_read_loses_its_connection(link: Link) -> None:
    while not link.transport.closed:
        link.transport.send(bytes(1_000_000))
        assert link.transport.queued <= MAX_QUEUED + 2_000_000
    link.settle()
    (reason,) = link.closed
    assert "it does not read" in reason


def test_one_message_may_be_larger_than_the_queue_and_others_may_follow_it(link: Link) -> None:
    link.transport.send(bytes(MAX_QUEUED * 2))
    link.transport.send(b"answer")
    link.transport.send(b"event")
    assert link.read(MAX_QUEUED * 2 + 11) == bytes(MAX_QUEUED * 2) + b"answerevent"


def test_requests_stay_in_the_socket_while_answers_are_not_read(link: Link) -> None:
    link.transport.send(bytes(PAUSE_READING * 2))
    link.component.send(b"request")
    link.settle()
    assert link.received == b""
    link.read(PAUSE_READING * 2)
    link.run(lambda: link.received == b"request")


def test_requests_stay_in_the_socket_while_the_transport_is_held(link: Link) -> None:
    link.transport.hold(True)
    link.component.send(b"request")
    link.settle()
    assert link.received == b""
    link.transport.hold(False)
    link.run(lambda: link.received == b"request")


def test_finishing_sends_what_is_queued_and_nothing_more(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "FLUSH_SECONDS", SECONDS)
    monkeypatch.setattr(transport, "LINGER_SECONDS", 3.0)  # enough to be looked at in between
    link.transport.send(bytes(1_000_000))
    link.transport.finish()
    link.transport.send(b"too late")
    link.component.send(b"ignored")
    assert link.read(1_000_000) == bytes(1_000_000)
    assert not link.closed
    link.run(lambda: link.closed == [""])
    assert link.component.recv(10) == b""
    assert link.received == b""


def test_who_has_not_read_the_last_message_is_given_more_time(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LINGER_SECONDS", 0.2)
    link.transport.send(b"last words")
    link.transport.finish()
    began = time.monotonic()
    link.run(lambda: link.closed == [""])
    assert time.monotonic() - began >= 10 * 0.2, "it never reads"
    assert link.component.recv(100) == b"last words"


def test_who_has_read_the_last_message_is_not(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LINGER_SECONDS", 2.0)
    link.transport.send(b"last words")
    assert link.component.recv(100) == b"last words"
    began = time.monotonic()
    link.transport.finish()
    link.run(lambda: link.closed == [""])
    assert time.monotonic() - began < 10 * 2.0


def test_finishing_ends_as_soon_as_the_component_leaves(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LINGER_SECONDS", 3600.0)
    link.transport.send(b"last words")
    link.transport.finish()
    link.component.close()
    link.run(lambda: link.closed == [""])


def test_a_component_that_leaves_is_noticed_also_while_its_requests_wait(link: Link) -> None:
    link.transport.send(bytes(PAUSE_READING * 2))
    link.component.close()
    link.run(lambda: len(link.closed) == 1)


def test_many_that_do_not_read_together_lose_the_slowest_among_them_and_no_others() -> None:
    waiting = Waiting()
    links = [Link(waiting) for _ in range(MAX_WAITING // MAX_QUEUED + 4)]
    for link in links[1:]:
        link.transport.send(bytes(MAX_QUEUED))
    links[0].transport.send(b"for somebody who reads")
    gone = [link for link in links if link.transport.closed]
    assert len(gone) >= 3
    assert not links[0].transport.closed
    links[0].settle()
    assert links[0].component.recv(100) == b"for somebody who reads"
    kept = sum(link.transport.queued for link in links)
    assert MAX_WAITING - MAX_QUEUED <= kept <= MAX_WAITING
    for link in gone:
        link.settle()
        assert "does not read" in link.closed[0]


def test_what_was_read_does_not_count_any_more() -> None:
    waiting = Waiting()
    slow, quick = Link(waiting), Link(waiting)
    for _ in range(2 * MAX_WAITING // MAX_QUEUED):
        quick.transport.send(bytes(MAX_QUEUED))
        quick.read(MAX_QUEUED)
    slow.transport.send(bytes(MAX_QUEUED))
    assert not slow.transport.closed
    assert not quick.transport.closed
