"""One component's connection, message by message."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ggl.ipc.errors import IpcError, not_found, service_error
from ggl.ipcd import eventstream as es
from ggl.ipcd.connection import MAX_ANSWERS, MAX_STREAMS, Connection
from ggl.ipcd.identity import Identified, Identity, Refused
from ggl.ipcd.rate import MAX_PER_SECOND
from ggl.ipcd.stream import Stream
from ggl.ipcd.trace import Tracer, Watcher
from ggl.ipcd.unfinished import MAX_UNFINISHED, Unfinished

CONNECT = es.Template(es.CONNECT, 0, [(":version", es.STRING, "0.1.0")])
PUBLISH = "aws.greengrass#PublishToTopic"
SUBSCRIBE = "aws.greengrass#SubscribeToTopic"


def identify(token: str | None, component: str | None, done: Identified) -> None:
    if component is not None:
        done(Identity(component, component, token="SECRET"))
    else:
        done(Identity("com.example.A", "com.example.A") if token == "SECRET" else Refused("its token is nobody's"))


class Peer:
    """A client without a socket. ``calls`` are the operations it started, ``sent`` what it was sent."""

    def __init__(self, connected: bool = True, unfinished: Unfinished | None = None) -> None:
        self.calls: list[tuple[Stream, dict[str, Any]]] = []
        self.finished = False
        self.waiting = 0
        self.violations: list[str] = []
        self.seen: list[dict[str, Any]] = []
        self.pauses: list[float] = []
        self.answer: Any = None
        self._decoder = es.Decoder()
        self._sent: list[es.Message] = []
        self.connection = Connection(
            self, identify, self._start, self.violations.append, Tracer(), unfinished or Unfinished()
        )
        if connected:
            self.connection.receive(CONNECT.encode(0, b'{"authToken":"SECRET"}'))
            self.sent()

    def _start(self, stream: Stream, request: dict[str, Any]) -> None:
        self.calls.append((stream, request))
        if isinstance(self.answer, IpcError):
            raise self.answer

    @property
    def behind(self) -> int:
        return self.waiting

    def send(self, data: bytes) -> None:
        assert not self.finished
        self._sent += self._decoder.feed(data)

    def finish(self) -> None:
        self.finished = True

    def hold(self, on: bool) -> None:
        pass

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def sent(self) -> list[es.Message]:
        sent, self._sent = self._sent, []
        return sent

    def give(self, kind: int, stream: int = 0, payload: bytes = b"", flags: int = 0, operation: str = "") -> None:
        headers = [("operation", es.STRING, operation)] if operation else []
        self.connection.receive(es.Template(kind, flags, headers).encode(stream, payload))

    def call(self, stream: int, operation: str = PUBLISH, payload: bytes = b"{}", flags: int = 0) -> None:
        self.give(es.APPLICATION_MESSAGE, stream, payload, flags, operation)


def types(messages: list[es.Message]) -> list[tuple[int, int, int]]:
    return [(message.type, message.flags, message.stream_id) for message in messages]


# -- connecting --------------------------------------------------------------------------------------------------------


def test_a_token_is_accepted() -> None:
    peer = Peer(connected=False)
    peer.connection.receive(CONNECT.encode(0, b'{"authToken":"SECRET","more":1}'))
    assert types(peer.sent()) == [(es.CONNECT_ACK, es.CONNECTION_ACCEPTED, 0)]
    assert peer.connection.component == "com.example.A"


def test_flags_of_a_connect_request_mean_nothing() -> None:
    peer = Peer(connected=False)
    flagged = es.Template(es.CONNECT, es.TERMINATE_STREAM | 1, [(":version", es.STRING, "0.1.0")])
    peer.connection.receive(flagged.encode(0, b'{"authToken":"SECRET"}'))
    assert types(peer.sent()) == [(es.CONNECT_ACK, es.CONNECTION_ACCEPTED, 0)]


@pytest.mark.parametrize(
    "message",
    [
        CONNECT.encode(0, b'{"authToken":"WRONG"}'),
        CONNECT.encode(0, b'{"authToken":5}'),
        CONNECT.encode(0, b'["SECRET"]'),
        CONNECT.encode(0, b"no json"),
        CONNECT.encode(0, b"[" * 50_000),
        CONNECT.encode(0, b""),
        es.Template(es.CONNECT).encode(0, b'{"authToken":"SECRET"}'),
        es.Template(es.CONNECT, 0, [(":version", es.STRING, "0.2.0")]).encode(0, b'{"authToken":"SECRET"}'),
        es.Template(es.CONNECT, 0, [(":version", es.INT32, 1)]).encode(0, b'{"authToken":"SECRET"}'),
    ],
)
def test_a_refused_connect_request_is_answered_before_the_connection_ends(message: bytes) -> None:
    peer = Peer(connected=False)
    peer.connection.receive(message)
    assert types(peer.sent()) == [(es.CONNECT_ACK, 0, 0)]
    assert peer.finished
    assert "WRONG" not in "".join(peer.violations)


@pytest.mark.parametrize(
    "message",
    [
        es.Template(es.APPLICATION_MESSAGE, 0, [("operation", es.STRING, PUBLISH)]).encode(1, b"{}"),
        es.Template(es.PING).encode(),
        CONNECT.encode(1, b'{"authToken":"SECRET"}'),
        b"GET / HTTP/1.1\r\n\r\n",
        CONNECT.encode(0, bytes(100_000)),
    ],
)
def test_whoever_does_not_begin_with_connect_breaks_the_protocol(message: bytes) -> None:
    peer = Peer(connected=False)
    peer.connection.receive(message)
    assert types(peer.sent()) == [(es.PROTOCOL_ERROR, 0, 0)]
    assert peer.finished
    assert not peer.calls


# -- stream 0 ----------------------------------------------------------------------------------------------------------


def test_ping_is_answered_with_its_payload_and_its_own_headers() -> None:
    peer = Peer()
    mine = {"a": (es.STRING, "x"), "b": (es.INT32, 5), "c": (es.UUID, bytes(16)), "d": (es.TRUE, True)}
    ping = es.Template(es.PING, 0, [(name, *header) for name, header in mine.items()] + [(":theirs", es.STRING, "y")])
    peer.connection.receive(ping.encode(0, b"payload"))
    (answer,) = peer.sent()
    assert answer == es.Message(es.PING_RESPONSE, 0, 0, mine, b"payload"), "who sends a type can read it"


def test_a_ping_response_is_ignored() -> None:
    peer = Peer()
    peer.give(es.PING_RESPONSE)
    assert not peer.sent()
    assert not peer.finished


@pytest.mark.parametrize(
    ("kind", "stream"),
    [
        (es.CONNECT, 0),
        (es.CONNECT_ACK, 0),
        (es.APPLICATION_MESSAGE, 0),
        (es.APPLICATION_ERROR, 0),
        (99, 0),
        (es.APPLICATION_MESSAGE, -1),
        (es.PING, 1),
        (es.CONNECT, 1),
    ],
)
def test_a_message_out_of_place_breaks_the_protocol(kind: int, stream: int) -> None:
    peer = Peer()
    peer.give(kind, stream, operation=PUBLISH)
    (message,) = peer.sent()
    assert types([message]) == [(es.PROTOCOL_ERROR, 0, 0)]
    assert json.loads(message.payload)["message"] == peer.violations[0]
    assert peer.finished
    assert not peer.calls


# -- calls -------------------------------------------------------------------------------------------------------------


def test_a_response_ends_the_stream_of_a_call() -> None:
    peer = Peer()
    peer.call(1, payload=b'{"topic":"a"}')
    ((stream, request),) = peer.calls
    assert request == {"topic": "a"}
    stream.respond({})
    (message,) = peer.sent()
    assert types([message]) == [(es.APPLICATION_MESSAGE, es.TERMINATE_STREAM, 1)]
    assert message.text("service-model-type") == "aws.greengrass#PublishToTopicResponse"
    assert message.text(":content-type") == "application/json"
    assert message.payload == b"{}"
    assert not peer.connection.streams


def test_a_request_without_payload_is_an_empty_one() -> None:
    peer = Peer()
    peer.call(1, payload=b"")
    assert peer.calls[0][1] == {}


def test_a_request_may_come_as_an_error_or_with_flags_that_nobody_knows() -> None:
    peer = Peer()
    peer.give(es.APPLICATION_ERROR, 1, b"{}", operation=PUBLISH)
    peer.call(2, flags=4)
    assert len(peer.calls) == 2


def test_an_error_carries_its_text_for_every_client() -> None:
    peer = Peer()
    peer.answer = not_found("Key not found", "key", "k")
    peer.call(1)
    (message,) = peer.sent()
    assert types([message]) == [(es.APPLICATION_ERROR, es.TERMINATE_STREAM, 1)]
    assert message.text("service-model-type") == "aws.greengrass#ResourceNotFoundError"
    assert json.loads(message.payload) == {
        "message": "Key not found",
        "_message": "Key not found",
        "_errorCode": "ResourceNotFoundError",
        "_service": "aws.greengrass#GreengrassCoreIPC",
        "resourceType": "key",
        "resourceName": "k",
    }


@pytest.mark.parametrize(
    "payload", [b"{", b"[]", b'"x"', b"{}{}", b"\xff", b'{"a":NaN}', b'{"a":' * 100_000, b"[" * 100_000]
)
def test_a_request_that_is_no_json_object_fails_and_the_connection_lives_on(payload: bytes) -> None:
    peer = Peer()
    peer.call(1, payload=payload)
    (message,) = peer.sent()
    assert message.text("service-model-type") == "aws.greengrass#ServiceError"
    assert not peer.calls
    peer.call(2)
    assert len(peer.calls) == 1


@pytest.mark.parametrize("value", [b"bytes", float("nan"), "\ud800"])
def test_an_answer_that_is_no_json_becomes_an_error(value: Any) -> None:
    peer = Peer()
    peer.call(1)
    peer.calls[0][0].respond({"value": value})
    assert types(peer.sent()) == [(es.APPLICATION_ERROR, es.TERMINATE_STREAM, 1)]


def test_a_call_that_the_component_gave_up_gets_no_answer() -> None:
    peer = Peer()
    peer.call(1)
    peer.give(es.APPLICATION_MESSAGE, 1, flags=es.TERMINATE_STREAM)
    peer.calls[0][0].respond({})
    assert not peer.sent()


def test_a_first_message_that_terminates_its_stream_runs_nothing() -> None:
    peer = Peer()
    peer.call(1, flags=es.TERMINATE_STREAM)
    assert not peer.calls
    assert not peer.sent()


def test_a_stream_without_an_operation_breaks_the_protocol() -> None:
    peer = Peer()
    peer.give(es.APPLICATION_MESSAGE, 1)
    assert types(peer.sent()) == [(es.PROTOCOL_ERROR, 0, 0)]


@pytest.mark.parametrize("name", ["x" * 300, "aws.greengrass#\x1b[2J", "a\nb"])
def test_a_name_that_no_operation_has_is_made_readable(name: str) -> None:
    peer = Peer()
    peer.call(1, name)
    ((stream, _request),) = peer.calls
    assert stream.name != name
    assert len(stream.name) <= 256
    assert stream.name.isprintable()
    stream.fail(service_error(f"{stream.name} is not supported"))
    (message,) = peer.sent()
    assert message.text("service-model-type") == "aws.greengrass#ServiceError"


def test_a_header_without_a_name_breaks_the_protocol() -> None:
    peer = Peer()
    block = es.Template(es.PING).encode(0)[12:-4] + b"\0\0"
    peer.connection.receive(es.encode_raw(block, b"hi"))
    assert types(peer.sent()) == [(es.PROTOCOL_ERROR, 0, 0)]


def test_stream_ids_may_skip_and_overtake_but_not_repeat() -> None:
    peer = Peer()
    for number in (1, 5, 3, 2, 900_000, 899_999):
        peer.call(number)
        peer.calls[-1][0].respond({})
    assert len(peer.calls) == 6
    peer.call(3, flags=es.TERMINATE_STREAM)
    assert not peer.finished
    peer.call(3)
    assert peer.finished


def test_an_id_that_was_skipped_is_good_for_one_stream() -> None:
    peer = Peer()
    for number in (5, 3):
        peer.call(number)
        peer.calls[-1][0].respond({})
    peer.call(3)
    assert (len(peer.calls), peer.finished) == (2, True)


def test_only_so_many_streams_may_be_open() -> None:
    peer = Peer()
    for number in range(1, MAX_STREAMS + 2):
        peer.call(number, SUBSCRIBE)
    assert len(peer.calls) == MAX_STREAMS
    (message,) = peer.sent()
    assert message.stream_id == MAX_STREAMS + 1
    assert message.text("service-model-type") == "aws.greengrass#ServiceError"


# -- subscriptions -----------------------------------------------------------------------------------------------------


def test_a_subscription_is_answered_and_stays_open_for_events() -> None:
    peer = Peer()
    peer.call(1, SUBSCRIBE)
    stream = peer.calls[0][0]
    stream.respond({})
    stream.event({"jsonMessage": {"message": {}}})
    response, event = peer.sent()
    assert types([response, event]) == [(es.APPLICATION_MESSAGE, 0, 1)] * 2
    assert event.text("service-model-type") == "aws.greengrass#SubscriptionResponseMessage"
    assert json.loads(event.payload) == {"jsonMessage": {"message": {}}}


def test_the_component_ends_a_subscription_without_an_answer() -> None:
    peer = Peer()
    peer.call(1, SUBSCRIBE)
    closed = []
    stream = peer.calls[0][0]
    stream.on_close = lambda: closed.append(1)
    stream.respond({})
    peer.sent()
    peer.give(es.APPLICATION_MESSAGE, 1, flags=es.TERMINATE_STREAM)
    assert closed == [1]
    stream.event({"jsonMessage": {}})
    peer.give(es.APPLICATION_MESSAGE, 1, flags=es.TERMINATE_STREAM)
    assert not peer.sent()
    assert not peer.finished


def test_we_end_a_subscription() -> None:
    peer = Peer()
    peer.call(1, SUBSCRIBE)
    stream = peer.calls[0][0]
    stream.respond({})
    peer.sent()
    stream.end()
    stream.event({"jsonMessage": {}})
    assert types(peer.sent()) == [(es.APPLICATION_MESSAGE, es.TERMINATE_STREAM, 1)]


def test_an_event_that_is_no_json_ends_the_subscription_and_lets_its_source_know() -> None:
    peer = Peer()
    peer.call(1, SUBSCRIBE)
    closed = []
    stream = peer.calls[0][0]
    stream.on_close = lambda: closed.append(1)
    stream.respond({})
    stream.event({"jsonMessage": b""})
    assert types(peer.sent())[-1] == (es.APPLICATION_ERROR, es.TERMINATE_STREAM, 1)
    assert closed == [1]


def test_the_end_of_the_connection_ends_every_stream() -> None:
    peer = Peer()
    closed = []
    for number in (1, 2):
        peer.call(number, SUBSCRIBE)
        peer.calls[-1][0].on_close = lambda number=number: closed.append(number)
    peer.connection.release()
    assert closed == [1, 2]
    assert not peer.connection.streams


def test_requests_after_a_broken_one_in_the_same_bytes_are_not_run() -> None:
    peer = Peer()
    broken = es.Template(es.APPLICATION_MESSAGE).encode(1)
    good = es.Template(es.APPLICATION_MESSAGE, 0, [("operation", es.STRING, PUBLISH)]).encode(2, b"{}")
    peer.connection.receive(broken + good)
    assert not peer.calls


def test_who_asks_for_more_than_it_reads_gets_errors() -> None:
    peer = Peer()
    peer.call(1)
    peer.waiting = MAX_ANSWERS + 1
    peer.calls[0][0].respond({"value": 1})
    (message,) = peer.sent()
    assert types([message]) == [(es.APPLICATION_ERROR, es.TERMINATE_STREAM, 1)]
    assert not peer.finished


def test_the_oldest_of_too_many_unfinished_messages_goes() -> None:
    unfinished = Unfinished()
    peers = [Peer(unfinished=unfinished) for _ in range(3)]
    message = es.Template(es.PING).encode(0, bytes(MAX_UNFINISHED // 2 - 100))
    for peer in peers:
        peer.connection.receive(message[:-1])
    assert [peer.finished for peer in peers] == [True, False, False]
    assert "unfinished" in peers[0].violations[0]
    peers[1].connection.receive(message[-1:])
    assert types(peers[1].sent()) == [(es.PING_RESPONSE, 0, 0)], "the others go on"
    peers[2].connection.release()
    late = [Peer(unfinished=unfinished) for _ in range(2)]
    for peer in late:
        peer.connection.receive(message[:-1])
    assert not any(peer.finished for peer in late), "what was finished, or is gone, does not count any more"


# -- clients with small buffers ----------------------------------------------------------------------------------------

C_SUBSCRIBE = es.Template(
    es.APPLICATION_MESSAGE,
    0,
    [("operation", es.STRING, SUBSCRIBE), ("service-model-type", es.STRING, f"{SUBSCRIBE}Request")],
)


def test_a_client_with_small_buffers_is_told_that_an_answer_is_too_large() -> None:
    peer = Peer()
    peer.connection.receive(C_SUBSCRIBE.encode(1, b"{}"))
    closed = []
    stream = peer.calls[0][0]
    stream.on_close = lambda: closed.append(1)
    stream.respond({"value": "x" * 10_000})
    (message,) = peer.sent()
    assert types([message]) == [(es.APPLICATION_ERROR, es.TERMINATE_STREAM, 1)]
    assert "10000" in json.loads(message.payload)["message"]
    assert closed == [1]


def test_who_connects_by_name_has_small_buffers() -> None:
    """Whatever its requests look like: only the component SDK for C does that."""
    peer = Peer(connected=False)
    peer.connection.receive(CONNECT.encode(0, b'{"componentName":"com.example.C"}'))
    peer.call(1)
    peer.calls[0][0].respond({"value": "x" * 10_000})
    accepted, answer = peer.sent()
    assert accepted.headers == {"svcuid": (es.STRING, "SECRET")}
    assert types([answer]) == [(es.APPLICATION_ERROR, es.TERMINATE_STREAM, 1)]


def test_a_client_with_small_buffers_misses_an_event_that_is_too_large_and_nothing_else() -> None:
    peer = Peer()
    peer.connection.receive(C_SUBSCRIBE.encode(1, b"{}"))
    stream = peer.calls[0][0]
    stream.respond({})
    stream.event({"n": 1})
    stream.event({"n": "x" * 10_000})
    stream.event({"n": 2})
    assert [json.loads(message.payload) for message in peer.sent()] == [{}, {"n": 1}, {"n": 2}]


def test_a_client_with_small_buffers_gets_errors_that_fit() -> None:
    peer = Peer()
    peer.answer = not_found("no " + "x" * 4000, "component", "ü" * 4000)
    peer.connection.receive(C_SUBSCRIBE.encode(1, b"{}"))
    (message,) = peer.sent()
    assert types([message]) == [(es.APPLICATION_ERROR, es.TERMINATE_STREAM, 1)]
    assert len(message.payload) < 9_000
    assert json.loads(message.payload)["_errorCode"] == "ResourceNotFoundError"


def test_other_clients_take_large_messages() -> None:
    peer = Peer()
    peer.call(1, SUBSCRIBE)
    peer.calls[0][0].respond({"value": "x" * 1_000_000})
    (message,) = peer.sent()
    assert message.type == es.APPLICATION_MESSAGE


# -- looking on --------------------------------------------------------------------------------------------------------


def test_a_watcher_sees_calls_subscriptions_events_and_ends() -> None:
    peer = Peer()
    peer.connection.tracer.watchers.append(Watcher("", "", peer.seen.append))
    peer.call(1, payload=b'{"topic":"a"}')
    peer.calls[0][0].respond({})
    peer.answer = not_found("Key not found")
    peer.call(2)
    peer.answer = None
    peer.call(3, SUBSCRIBE)
    peer.calls[-1][0].respond({})
    peer.calls[-1][0].event({"jsonMessage": {}})
    peer.give(es.APPLICATION_MESSAGE, 3, flags=es.TERMINATE_STREAM)
    assert [
        (item["kind"], item["stream"], item["error"], item["bytes_in"], item["bytes_out"]) for item in peer.seen
    ] == [
        ("call", 1, "", 13, 2),
        ("call", 2, "ResourceNotFoundError", 2, len(peer.sent()[1].payload)),
        ("subscription", 3, "", 2, 2),
        ("event", 3, "", 0, 18),
        ("end", 3, "", 0, 0),
    ]
    assert {item["component"] for item in peer.seen} == {"com.example.A"}


def test_a_watcher_sees_only_what_it_asked_for() -> None:
    peer = Peer()
    peer.connection.tracer.watchers.append(Watcher("com.example.A", SUBSCRIBE, peer.seen.append))
    peer.connection.tracer.watchers.append(Watcher("com.example.B", "", peer.seen.append))
    peer.call(1)
    peer.calls[-1][0].respond({})
    peer.call(2, SUBSCRIBE)
    peer.calls[-1][0].respond({})
    assert [item["stream"] for item in peer.seen] == [2]


# -- the rate ----------------------------------------------------------------------------------------------------------


def test_who_sends_too_much_in_a_second_is_made_to_wait_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Peer()
    now = 1000.0
    monkeypatch.setattr("ggl.ipcd.rate.time.monotonic", lambda: now)
    ping = es.Template(es.PING).encode()
    peer.connection.receive(ping * MAX_PER_SECOND)
    assert not peer.pauses
    now = 1000.25
    peer.connection.receive(ping * MAX_PER_SECOND)
    assert peer.pauses == [0.75]
    now = 1001.5
    peer.connection.receive(ping * MAX_PER_SECOND)
    assert peer.pauses == [0.75, 0.5], "the budget of the second that was waited for is used up too"
    assert len(peer.sent()) == 3 * MAX_PER_SECOND, "what has been read is answered"
