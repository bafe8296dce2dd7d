"""What is to be published and has not been acknowledged yet, in order, and within a limit. Knows no connection.

A message stays until ``remove``, also while it is under way: a connection that is lost costs nothing. The size is that
of payloads and properties. When there is no room, messages of QoS 0 go, the oldest first, and if that does not help the
new one is refused.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from ggl.iotcored.message import Message

MAX_MESSAGES = 50_000
"""That are kept in memory: empty ones need some as well."""


class SpoolFull(Exception):
    """There is no room for a message; the text says what is there."""


class Entry:
    """A message with its number; ``tries``: how often the broker has not taken it."""

    __slots__ = ("message", "number", "tries")

    def __init__(self, number: int, message: Message, tries: int = 0) -> None:
        self.number = number
        self.message = message
        self.tries = tries


class Spool(Protocol):
    """Where messages wait, be it in memory or on the disk."""

    storage: str
    next_number: int

    @property
    def messages(self) -> int: ...
    @property
    def size(self) -> int: ...
    def add(self, message: Message) -> int:
        """Take ``message`` in; returns its number. Raises ``SpoolFull``."""

    def take(self) -> Entry | None:
        """The next one that waits; it is under way then."""

    def put_back(self, entry: Entry) -> None:
        """It was not taken by the broker: it waits again, before all that came after it."""

    def remove(self, number: int) -> None: ...
    def drop_qos0(self) -> int:
        """Forget the messages of QoS 0 that wait; returns how many."""

    def commit(self) -> None:
        """From now on what was added will not be lost with this process, as far as that can be had."""

    def close(self) -> None: ...


class MemorySpool:
    """``limit``: bytes of payload and properties. ``first``: the number of the first message."""

    storage = "Memory"

    def __init__(self, limit: int, first: int = 1) -> None:
        self._limit = limit
        self.next_number = first
        self._entries: dict[int, Entry] = {}
        self._waiting: deque[int] = deque()
        self._qos0: dict[int, None] = {}
        """Those that wait."""
        self._size = 0

    @property
    def messages(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        return self._size

    def add(self, message: Message) -> int:
        self._make_room(message.size)
        number = self.next_number
        self.next_number += 1
        self.insert(Entry(number, message))
        return number

    def insert(self, entry: Entry, *, waits: bool = True) -> None:
        """Put in what has a number already, which is larger than any here; not ``waits``: it is under way."""
        self._entries[entry.number] = entry
        self._size += entry.message.size
        if not waits:
            return
        self._waiting.append(entry.number)
        if entry.message.qos == 0:
            self._qos0[entry.number] = None

    def take(self) -> Entry | None:
        while self._waiting:
            number = self._waiting.popleft()
            entry = self._entries.get(number)
            if entry is not None:
                self._qos0.pop(number, None)
                return entry
        return None

    def peek(self) -> int | None:
        """The number of what ``take`` would return."""
        while self._waiting:
            if self._waiting[0] in self._entries:
                return self._waiting[0]
            self._waiting.popleft()
        return None

    def put_back(self, entry: Entry) -> None:
        if entry.number in self._entries:
            self._waiting.appendleft(entry.number)
            if entry.message.qos == 0:
                self._qos0 = {entry.number: None, **self._qos0}

    def remove(self, number: int) -> None:
        entry = self._entries.pop(number, None)
        if entry is not None:
            self._size -= entry.message.size
            self._qos0.pop(number, None)

    def drop_qos0(self) -> int:
        dropped = list(self._qos0)
        for number in dropped:
            self.remove(number)
        return len(dropped)

    def commit(self) -> None:
        pass

    def close(self) -> None:
        pass

    def _make_room(self, size: int) -> None:
        while (self._size + size > self._limit or len(self._entries) >= MAX_MESSAGES) and self._qos0:
            self.remove(next(iter(self._qos0)))
        if self._size + size > self._limit or len(self._entries) >= MAX_MESSAGES:
            raise full(self.messages, self._size, size, self._limit)


def full(messages: int, used: int, size: int, limit: int) -> SpoolFull:
    return SpoolFull(
        f"the spool is full: {messages} messages of {used} bytes wait for the broker, and {size} more are over "
        f"mqtt.spooler.maxSizeInBytes ({limit})"
        if used + size > limit
        else f"the spool is full: {messages} messages wait for the broker"
    )
