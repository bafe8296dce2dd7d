"""Who gets a message: receive modes, and what a message must look like."""

from __future__ import annotations

from typing import Any

import pytest

from ggl.pubsubd.broker import ALL_MESSAGES, FROM_OTHERS, Broker, Subscription
from ggl.pubsubd.messages import event_of
from ggl.values import InvalidValue


def receives_own(topic_filter: str, mode: str | None) -> bool:
    broker: Broker[str] = Broker()
    broker.subscribe(Subscription("me", topic_filter, mode, "sink"))
    assert broker.sinks("a/b", "other") == ["sink"]
    return broker.sinks("a/b", "me") == ["sink"]


@pytest.mark.parametrize(
    ("topic_filter", "mode", "expected"),
    [
        ("a/b", None, True),
        ("a/+", None, False),
        ("a/#", None, False),
        ("a/b", FROM_OTHERS, False),
        ("a/b", ALL_MESSAGES, True),
        ("a/#", ALL_MESSAGES, True),
        ("a/#", FROM_OTHERS, False),
    ],
)
def test_whether_a_component_gets_what_it_published_itself(topic_filter: str, mode: str | None, expected: bool) -> None:
    assert receives_own(topic_filter, mode) is expected


def test_every_subscription_that_covers_a_topic_gets_the_message() -> None:
    broker: Broker[int] = Broker()
    for number, topic_filter in enumerate(("a/b", "a/b", "a/+", "x")):
        broker.subscribe(Subscription("s", topic_filter, None, number))
    assert sorted(broker.sinks("a/b", "p")) == [0, 1, 2]


def test_after_unsubscribing_nothing_comes() -> None:
    broker: Broker[int] = Broker()
    subscription = Subscription("s", "a", None, 1)
    broker.subscribe(subscription)
    assert broker.sinks("a", "p") == [1]
    broker.unsubscribe(subscription)
    assert broker.sinks("a", "p") == []


def test_an_event_tells_the_topic_whatever_the_publisher_said() -> None:
    message = {"jsonMessage": {"message": {"n": 1}, "context": {"topic": "faked"}}}
    assert event_of("a", message) == {"jsonMessage": {"message": {"n": 1}, "context": {"topic": "a"}}}
    assert event_of("a", {"binaryMessage": {"message": ""}, "jsonMessage": None}) == {
        "binaryMessage": {"message": "", "context": {"topic": "a"}}
    }


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"jsonMessage": {"message": {}}, "binaryMessage": {"message": ""}},
        {"jsonMessage": {}},
        {"jsonMessage": {"message": "text"}},
        {"jsonMessage": "text"},
        {"binaryMessage": {"message": "not base64!"}},
        {"binaryMessage": {"message": "YWI"}},
        {"binaryMessage": {"message": "YWI\n="}},
        {"binaryMessage": {"message": "ü"}},
    ],
)
def test_what_is_no_message_is_refused(message: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue):
        event_of("a", message)
