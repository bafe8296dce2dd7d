"""Flow control of the component socket: who does not read, does not finish, or does not show who it is.

None of them may hold more than a bounded amount of memory, and nobody else may notice them.
"""

from __future__ import annotations

import json
import select
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from ggl.ipcd import clients, rate, transport
from ggl.ipcd import eventstream as es
from tests.integration.conftest import Runtime, running, wait_until
from tests.lean import ALL, CONNECT, PING, IpcFailure, Lean, connections, install, request_of
from tests.processes import cost_of

A, B, C = "com.example.A", "com.example.B", "com.example.C"
MESSAGE = 256 * 1024
BIG = 100_000


@pytest.fixture(scope="module")
def runtime() -> Iterator[Runtime]:
    with running() as runtime:
        yield runtime


@pytest.fixture(scope="module")
def tokens(runtime: Runtime) -> dict[str, str]:
    configuration = {"x": 1, "big": "y" * BIG, "accessControl": {"aws.greengrass.ipc.pubsub": ALL}}
    return {name: install(runtime.root, name, configuration) for name in (A, B, C)}


@pytest.fixture(autouse=True)
def undisturbed(runtime: Runtime, tokens: dict[str, str]) -> Iterator[None]:
    """Whatever a test does, somebody who was there before is served afterwards by the same process."""
    with Lean(runtime.root, tokens[C]) as other:
        pid = runtime.pid_of("ipcd")
        yield
        assert_served(other)
        assert runtime.pid_of("ipcd") == pid
        # What the next test counts, nobody has left behind.
        wait_until(lambda: [each["component"] for each in connections(runtime.root)], lambda left: left == [C])


def assert_served(lean: Lean) -> None:
    _, found = lean.call("GetConfiguration", {"keyPath": ["x"]})
    assert found["value"] == {"x": 1}


def assert_closed(lean: Lean) -> None:
    """It may hear why first."""
    messages: list[es.Message] = []
    with pytest.raises(IpcFailure, match="closed the connection"):
        messages += lean.receive() + lean.receive()
    assert all(message.type == es.PROTOCOL_ERROR for message in messages)


def queued(runtime: Runtime, component: str) -> int:
    """Bytes that wait for the only connection of ``component``."""
    (size,) = [each["queued"] for each in connections(runtime.root) if each["component"] == component]
    return int(size)


def assert_logged(runtime: Runtime, text: str) -> None:
    """Who is gone is seen to be before it is told, and what is told is written a little later."""
    wait_until(lambda: runtime.log("ggl.core.ipcd"), lambda log: text in log)


def publish(lean: Lean, topic: str, number: int, size: int = 0) -> None:
    message = {"jsonMessage": {"message": {"n": number, "x": "y" * size}}}
    lean.call("PublishToTopic", {"topic": topic, "publishMessage": message})


def test_a_subscriber_that_does_not_read_costs_a_bounded_queue_and_then_its_connection(
    runtime: Runtime, tokens: dict[str, str]
) -> None:
    with Lean(runtime.root, tokens[A]) as slow, Lean(runtime.root, tokens[B]) as quick:
        slow.call("SubscribeToTopic", {"topic": "flood"})
        quick.call("SubscribeToTopic", {"topic": "flood"})
        seen: list[int] = []
        number = 0
        while slow_one := [each for each in connections(runtime.root) if each["component"] == A]:
            seen.append(slow_one[0]["queued"])
            number += 1
            publish(quick, "flood", number, MESSAGE)
            assert quick.event()[1]["jsonMessage"]["message"]["n"] == number
            assert number < 4 * transport.MAX_QUEUED / MESSAGE, "it is still connected"
        assert max(seen) > transport.MAX_QUEUED / 2
        # The message that is on its way to it does not count, and one more makes the queue too long.
        assert max(seen) <= transport.MAX_QUEUED + 2 * (MESSAGE + 1000)
        assert_logged(runtime, f"disconnected {A} ")
        assert_logged(runtime, "it does not read")
        publish(quick, "flood", number + 1)
        assert quick.event()[1]["jsonMessage"]["message"]["n"] == number + 1


def test_a_subscriber_that_reads_again_in_time_gets_every_message(runtime: Runtime, tokens: dict[str, str]) -> None:
    count = transport.MAX_QUEUED // 2 // MESSAGE
    with Lean(runtime.root, tokens[A]) as slow, Lean(runtime.root, tokens[B]) as publisher:
        slow.call("SubscribeToTopic", {"topic": "pause"})
        for number in range(count):
            publish(publisher, "pause", number, MESSAGE)
        received = [slow.event()[1]["jsonMessage"]["message"]["n"] for _ in range(count)]
    assert received == list(range(count))


def test_strangers_in_any_number_keep_nobody_out(runtime: Runtime, tokens: dict[str, str]) -> None:
    with ExitStack() as stack:
        strangers = [stack.enter_context(Lean(runtime.root, None)) for _ in range(300)]
        with Lean(runtime.root, tokens[A]) as lean:
            assert_served(lean)
        unknown = [each for each in connections(runtime.root) if not each["component"]]
        assert 0 < len(unknown) <= clients.MAX_UNKNOWN
        with pytest.raises(IpcFailure, match="closed the connection"):
            strangers[0].receive()
        # Who came last may still show who it is.
        strangers[-1].sock.sendall(CONNECT.encode(0, json.dumps({"authToken": tokens[A]}).encode()))
        (answer,) = strangers[-1].receive()
        assert (answer.type, answer.flags) == (es.CONNECT_ACK, es.CONNECTION_ACCEPTED)


def test_one_component_cannot_take_all_connections(runtime: Runtime, tokens: dict[str, str]) -> None:
    with ExitStack() as stack:
        for _ in range(clients.MAX_OF_ONE):
            stack.enter_context(Lean(runtime.root, tokens[A]))
        with pytest.raises(IpcFailure, match="refused"):
            Lean(runtime.root, tokens[A])
        with Lean(runtime.root, tokens[B]) as other:
            assert_served(other)
    wait_until(lambda: [each for each in connections(runtime.root) if each["component"] == A], lambda left: not left)
    with Lean(runtime.root, tokens[A]) as again:
        assert_served(again)


def test_requests_without_end_are_left_in_the_socket_while_their_answers_are_not_read(
    runtime: Runtime, tokens: dict[str, str]
) -> None:
    requests = 60
    echo = bytes(BIG)
    with Lean(runtime.root, tokens[A]) as flood, Lean(runtime.root, tokens[B]) as other:
        flood.sock.setblocking(False)
        data = b"".join(PING.encode(0, b"%05d" % n + echo) for n in range(1000))
        view = memoryview(data)

        def press() -> int:
            nonlocal view
            while select.select([], [flood], [], 0.0)[1]:
                view = view[flood.sock.send(view) :]
            return queued(runtime, A)

        wait_until(press, lambda size: size > transport.PAUSE_READING)
        while select.select([], [flood], [], 1.0)[1]:
            view = view[flood.sock.send(view) :]
        assert len(view) > len(data) // 2, "nearly everything was taken"
        assert transport.PAUSE_READING < queued(runtime, A) < transport.MAX_QUEUED
        assert_served(other)
        # When it reads, it gets the answers to all it has sent, in their order.
        numbers: list[int] = []
        flood.sock.settimeout(30)
        while len(numbers) < min(requests, (len(data) - len(view)) // (BIG + 100)):
            numbers += [int(message.payload[:5]) for message in flood.receive()]
        assert numbers == list(range(len(numbers)))


def test_half_a_frame_for_ever_holds_up_nobody_and_may_still_be_finished(
    runtime: Runtime, tokens: dict[str, str]
) -> None:
    frame = request_of("GetConfiguration").encode(1, b'{"keyPath":["x"]}')
    with ExitStack() as stack:
        halves = [stack.enter_context(Lean(runtime.root, tokens[A])) for _ in range(10)]
        for cut, half in enumerate(halves, 5):
            half.sock.sendall(frame[:cut])
        with Lean(runtime.root, tokens[B]) as other:
            assert_served(other)
        for cut, half in enumerate(halves, 5):
            half.sock.sendall(frame[cut:])
            (answer,) = half.receive()
            assert (answer.stream_id, answer.type) == (1, es.APPLICATION_MESSAGE)


def test_large_frames_that_are_never_finished_make_room_for_those_that_are(
    runtime: Runtime, tokens: dict[str, str]
) -> None:
    """Every connection may send a frame of 24 MiB, but not all of them may hold as much at the same time."""
    size = 20 * 1024 * 1024
    frame = request_of("GetConfiguration").encode(1, b'{"keyPath":["x"]}' + b" " * size)
    with ExitStack() as stack:
        halves = [stack.enter_context(Lean(runtime.root, tokens[A])) for _ in range(6)]
        for half in halves:
            half.sock.sendall(frame[:-1])
        for half in halves[:-1]:
            assert_closed(half)
        with Lean(runtime.root, tokens[B]) as other:
            assert_served(other)
        halves[-1].sock.sendall(frame[-1:])
        (answer,) = halves[-1].receive()
        assert (answer.stream_id, answer.type) == (1, es.APPLICATION_MESSAGE)
    assert cost_of(runtime.pid_of("ipcd")).private < size * 3 // 1024


def test_many_large_answers_at_once_are_no_reason_to_part(runtime: Runtime, tokens: dict[str, str]) -> None:
    count = 4 * transport.MAX_QUEUED // BIG
    with Lean(runtime.root, tokens[A]) as lean:
        asked = set(range(1, count + 1))
        # In one piece: that many pieces may be more than the socket holds, once the answers keep them from being read.
        request = request_of("GetConfiguration")
        lean.sock.sendall(b"".join(request.encode(number, b'{"keyPath":["big"]}') for number in asked))
        wait_until(lambda: queued(runtime, A), lambda size: size > transport.PAUSE_READING)
        last = -1
        while (now := queued(runtime, A)) != last:
            last = now
            time.sleep(0.1)
        assert now < transport.MAX_QUEUED
        answered: set[int] = set()
        while answered != asked:
            answered |= {message.stream_id for message in lean.receive()}


def test_a_token_that_comes_byte_by_byte_for_ever_is_not_waited_for(runtime: Runtime, tokens: dict[str, str]) -> None:
    with Lean(runtime.root, None) as loris, Lean(runtime.root, tokens[B]) as other:
        sent = 0
        for byte in CONNECT.encode(0, json.dumps({"authToken": tokens[A], "padding": "p" * 10_000}).encode()):
            try:
                loris.sock.sendall(bytes((byte,)))
            except (BrokenPipeError, ConnectionResetError):
                break
            sent += 1
            if sent % 10 == 0:
                assert_served(other)
            if sent > 20:
                time.sleep(0.05)
        else:
            pytest.fail("it could send its whole request")
    assert sent > 20
    assert_logged(runtime, "it showed no token")


def test_who_asks_more_than_is_taken_in_a_second_loses_nothing(runtime: Runtime, tokens: dict[str, str]) -> None:
    count = rate.MAX_PER_SECOND * 3 // 2
    data = memoryview(b"".join(PING.encode(0, b"%d" % n) for n in range(count)))
    with Lean(runtime.root, tokens[A]) as flood, Lean(runtime.root, tokens[B]) as other:
        flood.sock.setblocking(False)
        numbers: list[int] = []
        while len(numbers) < count:
            readable, writable, _ = select.select([flood], [flood] if data else [], [], 30)
            assert readable or writable
            if writable:
                data = data[flood.sock.send(data[:65536]) :]
            if readable:
                numbers += [int(message.payload) for message in flood.receive()]
        assert_served(other)
    assert numbers == list(range(count))
