"""Sends what waits in the spool: as fast as the broker, and its limits for a connection, allow.

Messages whose fate somebody waits for go before all others: the report of a deployment must not wait until everything
has been sent that components left behind in a week without a connection. Such a message is in memory only, for whoever
waits learns when it is lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ggl.cloud.backoff import FullJitter
from ggl.iotcored.bucket import Bucket
from ggl.iotcored.owner import TIMED_OUT
from ggl.iotcored.spool import Entry, MemorySpool, SpoolFull
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.bus.loop import Loop, Timer
    from ggl.iotcored.line import Line
    from ggl.iotcored.message import Message
    from ggl.iotcored.spool import Spool
    from ggl.iotcored.target import Target

ACCEPTED = (0x00, 0x10)
"""Reason codes of a message that was taken; the second: nobody has subscribed to it."""
HOPELESS = (0x87, 0x90, 0x99)
"""Not authorized, invalid topic, invalid payload: the same message will never be taken."""
FIRST_PAUSE, LAST_PAUSE = 0.5, 60.0
"""Seconds after the broker has refused a message for the time being."""
RESERVED = "$aws/"
FIRST_AWAITED = -(2**62)
"""The number of the first message that somebody waits for: negative, so that it is told from those in the spool."""
AWAITED_BYTES = 1024 * 1024
"""Of messages that somebody waits for. What is more waits with the others."""
OVERHEAD = 64
"""Bytes of a packet besides topic, payload and properties, roughly."""
SHORTEST_WAIT = 0.001
"""Seconds. A bucket that lacks next to nothing is not worth more looks."""
COMMIT_SECONDS = 1.0
"""After which it is on the disk as well that messages have been sent."""
MAX_SAID = 10
"""Topics whose refusal is said as a warning; more go to those who debug."""

Outcome = Callable[[str], None]
"""Told what became of a message: ``""`` when the broker has it, else why it does not."""

_log = get_logger("mqtt")


class Sender:
    """``lines``: what there is to send over, now."""

    def __init__(self, loop: Loop, lines: Callable[[], list[Line]]) -> None:
        self.spool: Spool = MemorySpool(0)
        self._awaited = MemorySpool(AWAITED_BYTES, FIRST_AWAITED)
        self.when_empty: Callable[[], None] | None = None
        self._loop = loop
        self._lines = lines
        self._target: Target | None = None
        self._buckets: dict[int, tuple[Bucket, Bucket]] = {}
        self._under_way: dict[int, tuple[Entry, Line]] = {}
        self._outcomes: dict[int, Outcome] = {}
        self._next: Entry | None = None
        self._timer: Timer | None = None
        self._pause = FullJitter(FIRST_PAUSE, LAST_PAUSE)
        self._paused_until = 0.0
        self._due = False
        self._committing = False
        self._said: set[str] = set()

    def use(self, target: Target, spool: Spool) -> None:
        """From now on send what is in ``spool``."""
        self._target = target
        self.spool = spool
        self._buckets.clear()

    def stop(self) -> None:
        """Nothing is under way any more; an answer that comes yet is not waited for."""
        self._hold_back()
        for entry, _line in reversed(self._under_way.values()):
            self._put_back(entry)
        self._under_way.clear()

    def take_over(self, former: Spool) -> int:
        """Take in what waits in ``former``; returns how many messages there is no room for."""
        lost = 0
        while (entry := former.take()) is not None:
            outcome = self._outcomes.pop(entry.number, None)
            try:
                self.add(entry.message, outcome)
            except SpoolFull as error:
                lost += 1
                if outcome is not None:
                    outcome(str(error))
        return lost

    @property
    def unsent(self) -> bool:
        return bool(self.spool.messages or self._awaited.messages)

    def add(self, message: Message, outcome: Outcome | None = None) -> None:
        """Take in ``message``. Raises ``SpoolFull``."""
        if outcome is None:
            self.spool.add(message)
        else:
            self._outcomes[self._add_awaited(message)] = outcome
        self.go_on()

    def _add_awaited(self, message: Message) -> int:
        try:
            number = self._awaited.add(message)
        except SpoolFull:
            return self.spool.add(message)
        self._hold_back()
        return number

    def go_on(self) -> None:
        """Send, before the loop waits again."""
        if not self._due:
            self._due = True
            self._loop.call_soon(self._send)

    def line_down(self, line: Line, by_broker: bool) -> None:
        """What was under way on ``line`` has to be sent again. If it was the broker that ended the connection, that may
        be for a message that it cannot stand: then it counts as refused."""
        lost = [entry for entry, its_line in self._under_way.values() if its_line is line]
        self._hold_back()
        for entry in reversed(lost):
            del self._under_way[entry.number]
            if by_broker:
                self._try_again(entry, "the broker ended the connection")
            else:
                self._put_back(entry)
        self._buckets.pop(line.index, None)

    def drop_qos0(self) -> None:
        self._hold_back()
        dropped = self.spool.drop_qos0()
        if dropped:
            _log.debug("%d messages of QoS 0 are dropped: there is no connection", dropped)

    def published(self, token: int, code: int, text: str) -> None:
        """The broker's answer to a message."""
        entry, _line = self._under_way.pop(token, (None, None))
        if entry is None:
            return
        if code in ACCEPTED:
            self._pause.reset()
            self._done(entry, "")
        elif code in HOPELESS:
            self._drop(entry, text)
        else:
            self._hold_back()
            self._try_again(entry, text)
            if code != TIMED_OUT:
                self._paused_until = time.monotonic() + self._pause.next()
        self.go_on()

    # -- sending -----------------------------------------------------------------------------------------------------

    def _send(self) -> None:
        self._due = False
        if self._target is None:
            return
        now = time.monotonic()
        wait = self._paused_until - now
        while wait <= 0:
            entry = self._next or self._awaited.take() or self.spool.take()
            self._next = entry
            if entry is None:
                return
            line, wait = self._line_for(entry.message, now)
            if line is None:
                if not wait:
                    return  # until there is a line, or room on one
                break
            self._next = None
            self._send_over(line, entry)
        wait = max(wait, SHORTEST_WAIT)
        if self._timer is None or self._timer.due > now + wait:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_later(wait, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._send()

    def _line_for(self, message: Message, now: float) -> tuple[Line | None, float]:
        """A line that may send ``message`` now; or how many seconds until one may, 0 when only an event will tell."""
        least = 0.0
        for line in self._lines():
            link = line.link
            if link is None or not link.room or (message.qos and link.in_flight >= link.in_flight_limit):
                continue
            # AWS answers what is published on its own topics to that connection: the one that has the subscriptions.
            if line.index and message.topic.startswith(RESERVED):
                continue
            messages, size = self._buckets_of(line, now)
            wait = max(messages.wait(1, now), size.wait(len(message.payload), now))
            if wait <= 0:
                messages.take(1)
                size.take(len(message.payload))
                return line, 0.0
            least = min(least or wait, wait)
        return None, least

    def _buckets_of(self, line: Line, now: float) -> tuple[Bucket, Bucket]:
        found = self._buckets.get(line.index)
        if found is None:
            assert self._target is not None
            found = Bucket(self._target.messages_per_second, now), Bucket(self._target.bytes_per_second, now)
            self._buckets[line.index] = found
        return found

    def _send_over(self, line: Line, entry: Entry) -> None:
        link, message = line.link, entry.message
        assert link is not None
        if len(message.topic.encode()) + message.size + OVERHEAD > link.max_packet:
            self._drop(entry, f"the broker takes no packets of more than {link.max_packet} bytes")
            return
        if message.qos:
            self._under_way[entry.number] = entry, line
        link.publish(message, entry.number)
        if not message.qos:
            self._done(entry, "")

    # -- what becomes of a message -----------------------------------------------------------------------------------

    def _hold_back(self) -> None:
        """What was taken but not sent yet goes back: others will come before it."""
        if self._next is not None:
            self._put_back(self._next)
            self._next = None

    def _spool_of(self, number: int) -> Spool:
        return self._awaited if number < 0 else self.spool

    def _put_back(self, entry: Entry) -> None:
        self._spool_of(entry.number).put_back(entry)

    def _try_again(self, entry: Entry, text: str) -> None:
        assert self._target is not None
        entry.tries += 1
        if 0 <= self._target.max_retries < entry.tries:
            self._drop(entry, f"{text}, after {entry.tries} tries")
        else:
            _log.debug("the message on '%s' was not taken (%s), trying again", entry.message.topic, text)
            self._put_back(entry)

    def _drop(self, entry: Entry, why: str) -> None:
        topic = entry.message.topic
        if topic not in self._said and len(self._said) < MAX_SAID:
            self._said.add(topic)
            _log.warning("a message on '%s' is dropped: %s; further ones on it are not mentioned", topic, why)
        else:
            _log.debug("a message on '%s' is dropped: %s", topic, why)
        self._done(entry, why)

    def _done(self, entry: Entry, why: str) -> None:
        spool = self._spool_of(entry.number)
        spool.remove(entry.number)
        if not self._committing and spool.storage == "Disk":
            self._committing = True
            self._loop.call_later(COMMIT_SECONDS, self._commit)
        if self._outcomes:
            outcome = self._outcomes.pop(entry.number, None)
            if outcome is not None:
                outcome(why)
        if self.when_empty is not None and not self.unsent:
            self.when_empty()

    def _commit(self) -> None:
        self._committing = False
        self.spool.commit()
