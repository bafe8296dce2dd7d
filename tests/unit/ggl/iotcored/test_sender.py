from types import SimpleNamespace
from typing import Any

import pytest

from ggl.iotcored.message import Message
from ggl.iotcored.owner import TIMED_OUT
from ggl.iotcored.sender import Sender
from ggl.iotcored.spool import MemorySpool
from ggl.iotcored.target import Target
from tests.unit.ggl.iotcored.virtual import VirtualLoop

QUOTA, NOT_AUTHORIZED, NO_SUBSCRIBERS = 0x97, 0x87, 0x10


class FakeLink:
    in_flight_limit = 5
    max_packet = 150_000
    room = True

    def __init__(self) -> None:
        self.sent: list[tuple[str, int]] = []
        self.open: list[int] = []

    @property
    def in_flight(self) -> int:
        return len(self.open)

    def publish(self, message: Message, token: int) -> None:
        self.sent.append((message.payload.decode(), token))
        if message.qos:
            self.open.append(token)


class Scene:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
        self.loop = VirtualLoop(monkeypatch)
        self.lines: list[Any] = []
        self.sender = Sender(self.loop, lambda: self.lines)  # type: ignore[arg-type]
        self.target = Target("broker", 8883, "T", **options)
        self.sender.use(self.target, MemorySpool(1_000_000))
        self.link = self.connect()

    def connect(self, index: int = 0) -> FakeLink:
        link = FakeLink()
        self.lines.append(SimpleNamespace(index=index, link=link))
        self.sender.go_on()
        return link

    def disconnect(self, by_broker: bool = False) -> None:
        line = self.lines.pop()
        self.sender.line_down(line, by_broker)

    def publish(self, *texts: str, qos: int = 1, topic: str = "a") -> None:
        for text in texts:
            self.sender.add(Message(topic, text.encode(), qos))
        self.loop.run()

    def answer(self, code: int = 0, link: FakeLink | None = None) -> None:
        link = link or self.link
        self.sender.published(link.open.pop(0), code, f"code {code}")
        self.loop.run()

    def sent(self, link: FakeLink | None = None) -> list[str]:
        link = link or self.link
        sent, link.sent = link.sent, []
        return [text for text, _token in sent]


def test_only_so_many_are_under_way_and_the_rest_follows_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, in_flight=5)
    scene.publish(*"abcdefg")
    assert scene.sent() == list("abcde")
    scene.answer()
    scene.answer(NO_SUBSCRIBERS)
    assert scene.sent() == ["f", "g"]
    assert scene.sender.spool.messages == 5


def test_a_lost_connection_costs_nothing_and_changes_no_order(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, max_retries=0)
    scene.publish(*"abcdefg")
    scene.answer()
    for _ in range(3):
        scene.disconnect()
        link = scene.connect()
        scene.loop.run()
        assert scene.sent(link) == list("bcdef")
    assert scene.sender.spool.messages == 6


def test_a_message_that_the_broker_cannot_stand_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, max_retries=2)
    scene.publish("poison")
    for _ in range(3):
        assert scene.sender.unsent
        scene.disconnect(by_broker=True)
        scene.connect()
        scene.loop.run()
    assert not scene.sender.unsent


def test_a_refused_message_is_tried_again_after_a_pause_and_not_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, max_retries=2)
    scene.publish("a")
    for _ in range(2):
        scene.answer(QUOTA)
        scene.loop.run(60)
    assert scene.sent() == ["a", "a", "a"]
    scene.answer(QUOTA)
    scene.loop.run(600)
    assert (scene.sent(), scene.sender.unsent) == ([], False)


def test_what_the_broker_will_never_take_is_dropped_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch)
    outcomes: list[str] = []
    scene.sender.add(Message("a", b"x", 1), outcomes.append)
    scene.publish("b")
    scene.answer(NOT_AUTHORIZED)
    assert (outcomes, scene.sender.spool.messages) == (["code 135"], 1)
    scene.answer()
    assert not scene.sender.unsent


def test_without_an_answer_it_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch)
    scene.publish("a", "b")
    scene.answer(TIMED_OUT)
    assert scene.sent() == ["a", "b", "a"]


def test_no_more_than_the_quota_of_a_connection_in_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, messages_per_second=10)
    scene.publish(*(str(number) for number in range(25)), qos=0)
    assert len(scene.sent()) == 10
    scene.loop.run(1.0)
    assert len(scene.sent()) == 10
    scene.loop.run(10.0)
    assert scene.sent() == [str(number) for number in range(20, 25)]


def test_bytes_have_a_quota_too(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, bytes_per_second=100)
    scene.publish("x" * 60, "y" * 60, "z" * 500)
    assert len(scene.sent()) == 1
    scene.loop.run(0.3)
    assert len(scene.sent()) == 1
    scene.loop.run(60.0)
    assert len(scene.sent()) == 1


def test_a_second_connection_helps_but_not_with_what_aws_answers_to(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, in_flight=5)
    second = scene.connect(1)
    scene.publish(*(str(number) for number in range(9)), topic="a")
    assert (len(scene.sent()), len(scene.sent(second))) == (5, 4)
    scene.publish("job", topic="$aws/things/T/jobs/get")
    assert scene.sent(second) == []
    scene.answer()
    assert scene.sent() == ["job"]


def test_a_packet_that_the_broker_does_not_take_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch)
    scene.link.max_packet = 1000
    scene.publish("x" * 1000, "b")
    assert scene.sent() == ["b"]


def test_messages_of_qos_0_do_not_wait_for_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch)
    scene.disconnect()
    scene.publish("a", "b", qos=0)
    scene.publish("c")
    scene.sender.drop_qos0()
    link = scene.connect()
    scene.loop.run()
    assert scene.sent(link) == ["c"]


def test_what_somebody_waits_for_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeLink, "in_flight_limit", 2)
    scene = Scene(monkeypatch)
    outcomes: list[str] = []
    scene.publish(*"abcd")
    for text in "xyz":
        scene.sender.add(Message("a", text.encode(), 1), outcomes.append)
    scene.answer()
    scene.answer()
    assert scene.sent() == ["a", "b", "x", "y"]
    scene.disconnect()
    scene.link = scene.connect()
    scene.loop.run()
    assert scene.sent() == ["x", "y"]
    for _ in range(5):
        scene.answer()
    assert (scene.sent(), outcomes, scene.sender.unsent) == (["z", "c", "d"], ["", "", ""], False)


def test_much_that_is_waited_for_waits_with_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeLink, "in_flight_limit", 1)
    monkeypatch.setattr(FakeLink, "max_packet", 1_000_000)
    scene = Scene(monkeypatch, bytes_per_second=100_000_000)
    outcomes: list[str] = []
    for text in "abc":
        scene.sender.add(Message("a", text.encode() * 500_000, 1), outcomes.append)
    scene.publish("d")
    for _ in range(4):
        scene.answer()
    assert [text[0] for text in scene.sent()] == list("abcd")
    assert outcomes == ["", "", ""]


def test_another_spool_takes_over_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, in_flight=5)
    outcomes: list[str] = []
    scene.sender.add(Message("a", b"0", 1), outcomes.append)
    scene.publish(*"1234567")
    former = scene.sender.spool
    scene.sender.stop()
    scene.sender.use(scene.target, MemorySpool(6, former.next_number))
    assert scene.sender.take_over(former) == 1
    late = scene.link.open[1:]
    scene.disconnect()
    link = scene.connect()
    scene.loop.run()
    for token in late:
        scene.sender.published(token, 0, "")  # on a connection that is gone: nobody is meant
    assert (scene.sent(link), outcomes) == (["0", "1", "2", "3", "4"], [])
    scene.answer(link=link)
    assert outcomes == [""]
