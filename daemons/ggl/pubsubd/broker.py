"""Who gets what: subscriptions and their receive modes. Knows no bus."""

from __future__ import annotations

from typing import Generic, TypeVar

from ggl.pubsubd.topics import TopicIndex, is_wildcard

ALL_MESSAGES = "RECEIVE_ALL_MESSAGES"
FROM_OTHERS = "RECEIVE_MESSAGES_FROM_OTHERS"

Sink = TypeVar("Sink")


class Subscription(Generic[Sink]):
    """One subscriber's interest in one filter; ``sink`` is where its messages go."""

    __slots__ = ("own_messages", "sink", "subscriber", "topic_filter")

    def __init__(self, subscriber: str, topic_filter: str, receive_mode: str | None, sink: Sink) -> None:
        self.subscriber = subscriber
        self.topic_filter = topic_filter
        self.sink = sink
        self.own_messages = not is_wildcard(topic_filter) if receive_mode is None else receive_mode == ALL_MESSAGES
        """Whether it wants what it published itself. Unless it says so: not through a wildcard, lest it loops."""


class Broker(Generic[Sink]):
    def __init__(self) -> None:
        self._index: TopicIndex[Subscription[Sink]] = TopicIndex()

    def subscribe(self, subscription: Subscription[Sink]) -> None:
        self._index.add(subscription.topic_filter, subscription)

    def unsubscribe(self, subscription: Subscription[Sink]) -> None:
        self._index.remove(subscription.topic_filter, subscription)

    def sinks(self, topic: str, publisher: str) -> list[Sink]:
        """Where a message that ``publisher`` publishes on ``topic`` goes."""
        return [
            subscription.sink
            for subscription in self._index.subscribers(topic)
            if subscription.own_messages or subscription.subscriber != publisher
        ]
