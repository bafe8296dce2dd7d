"""Who on this device wants which messages, and what must be subscribed to at the broker for that.

The broker is asked for as little as possible: of filters where one covers another only the wider one, however many
subscribers there are. So it sends each message once, and once it is handed to each subscriber, whichever and how many
of its filters cover the topic. A wider filter takes over before the narrower one goes, and the other way round:
nothing is missed in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from ggl.iotcored.owner import TIMED_OUT
from ggl.iotcored.topics import covers, covers_topic

PER_LINE = 50
"""Subscriptions that AWS IoT Core allows for a connection."""
MAX_HELD = 500
"""Subscriptions at the broker: ten connections."""
PER_PACKET = 8
"""Filters that AWS IoT Core takes at a time."""
GRANTED = 2
"""The largest reason code that grants a subscription: it is the QoS."""
_MAX_REMEMBERED = 1024


class Subscriber:
    """Wants messages on ``filters``. ``virtual``: the broker sends them without having been asked for.

    With ``ready`` it is told once how it went: that, or ``refused(filter, reason code, text)``, and then it is gone.
    Without, it just stays, and what was refused is tried again later.
    """

    __slots__ = ("filters", "qos", "ready", "refused", "sink", "virtual", "waits")

    def __init__(
        self,
        filters: Iterable[str],
        qos: int,
        sink: object,
        ready: Callable[[], None] | None = None,
        refused: Callable[[str, int, str], None] | None = None,
        virtual: bool = False,
    ) -> None:
        self.filters = tuple(dict.fromkeys(filters))
        self.qos = qos
        self.sink = sink
        self.ready = ready
        self.refused = refused
        self.virtual = virtual
        self.waits = ready is not None


class Lines(Protocol):
    """The connections as they are seen from here."""

    def line_is_up(self, index: int) -> bool: ...
    def line_subscribe(self, index: int, filters: list[tuple[str, int]]) -> None: ...
    def line_unsubscribe(self, index: int, filters: list[str]) -> None: ...
    def lines_wanted(self, indexes: set[int]) -> None:
        """Which connections there must be."""

    def retry_refused(self) -> None:
        """Some established subscription was refused: ``try_refused`` should be called in a while."""


class _Held:
    """A filter that is subscribed to on a line, or is about to be."""

    __slots__ = ("active", "asked", "line", "qos")

    def __init__(self, qos: int, line: int) -> None:
        self.qos = qos
        self.line = line
        self.active = False
        """The broker has granted it, and remembers it."""
        self.asked = False


def widest(filters: Mapping[str, int]) -> dict[str, int]:
    """Those of ``filters`` (each with its QoS) that no other one covers, with the highest QoS of what they cover."""
    wide = [each for each in filters if "+" in each or "#" in each]
    kept = {}
    for each, qos in filters.items():
        # Two that cover each other are equal, and there is one of those: so no two can be dropped for each other.
        if not any(other != each and covers(other, each) for other in wide):
            kept[each] = qos
    for each in kept:
        if "+" in each or "#" in each:
            kept[each] = max(qos for other, qos in filters.items() if covers(each, other))
    return kept


class Subscriptions:
    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._subscribers: dict[Subscriber, None] = {}
        self._by_filter: dict[str, dict[Subscriber, None]] = {}
        self._held: dict[str, _Held] = {}
        self._refused: dict[str, tuple[int, str]] = {}
        self._remembered: dict[tuple[str, int], tuple[object, ...]] = {}

    def __len__(self) -> int:
        return len(self._held)

    @property
    def full(self) -> bool:
        return len(self._held) >= MAX_HELD

    def add(self, subscriber: Subscriber) -> None:
        self._subscribers[subscriber] = None
        for each in subscriber.filters:
            self._by_filter.setdefault(each, {})[subscriber] = None
            if not subscriber.virtual:
                self._refused.pop(each, None)  # policies may have changed
        self._remembered.clear()
        self._settle()

    def remove(self, subscriber: Subscriber) -> None:
        if self._subscribers.pop(subscriber, self) is self:
            return
        for each in subscriber.filters:
            of_filter = self._by_filter[each]
            del of_filter[subscriber]
            if not of_filter:
                del self._by_filter[each]
                self._refused.pop(each, None)
        self._remembered.clear()
        self._settle()

    def line_up(self, index: int, session_present: bool) -> None:
        """The line is there (again); with ``session_present`` the broker still has its subscriptions."""
        for held in self._held.values():
            if held.line == index and not session_present:
                held.active = False
        self._settle()

    def line_down(self, index: int) -> None:
        for held in self._held.values():
            if held.line == index:
                held.asked = False

    def answered(self, filters: list[tuple[str, int]], codes: list[int], text: str) -> None:
        """The broker's answer to a subscription; a negative code: there was none, nor to the filters after it."""
        unanswered = [TIMED_OUT] * (len(filters) - len(codes))
        for (each, _qos), code in zip(filters, [*codes, *unanswered], strict=False):
            held = self._held.get(each)
            if held is None or not held.asked:
                continue
            held.asked = False
            if 0 <= code <= GRANTED:
                held.active = True
            else:
                del self._held[each]
                self._refuse(each, code, text)
        self._remembered.clear()
        self._settle()

    def try_refused(self) -> None:
        self._refused.clear()
        self._settle()

    def is_settled(self, subscriber: Subscriber) -> bool:
        """Whether all its messages come, but for those that the broker refuses."""
        return all(each in self._refused or self._is_served(each) for each in subscriber.filters)

    def sinks(self, topic: str, line: int) -> tuple[object, ...]:
        """Where a message on ``topic`` goes that came over ``line``.

        Those come first whose subscription is on that line: what comes over several goes to everybody once. But the
        broker also sends answers over the line of the question, whoever subscribes to them; they go to all.
        """
        found = self._remembered.get((topic, line))
        if found is None:
            matching = [s for s in self._subscribers if any(covers_topic(each, topic) for each in s.filters)]
            bound = [s for s in matching if s.virtual or self._is_bound(s, topic, line)]
            found = tuple(s.sink for s in bound or matching)
            if len(self._remembered) >= _MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[topic, line] = found
        return found

    def _is_bound(self, subscriber: Subscriber, topic: str, line: int) -> bool:
        return any(
            held.line == line and covers(wide, each)
            for each in subscriber.filters
            if covers_topic(each, topic)
            for wide, held in self._held.items()
        )

    # -- what the broker is asked for --------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Ask the broker for what is missing, and give up what is not needed any more."""
        local = {
            each: max(s.qos for s in of_filter if not s.virtual)
            for each, of_filter in self._by_filter.items()
            if each not in self._refused and any(not s.virtual for s in of_filter)
        }
        wanted = widest(local)
        for each, qos in wanted.items():
            held = self._held.get(each)
            if held is None:
                self._held[each] = _Held(qos, self._line_with_room())
            elif held.qos < qos:
                held.qos = qos
                held.active = held.asked = False
        self._give_up(local, wanted)
        self._lines.lines_wanted({held.line for held in self._held.values()})
        self._ask()
        self._tell()

    def _line_with_room(self) -> int:
        used: dict[int, int] = {}
        for held in self._held.values():
            used[held.line] = used.get(held.line, 0) + 1
        index = 0
        while used.get(index, 0) >= PER_LINE:
            index += 1
        return index

    def _ask(self) -> None:
        missing: dict[int, list[tuple[str, int]]] = {}
        for each, held in self._held.items():
            if not held.active and not held.asked and self._lines.line_is_up(held.line):
                held.asked = True
                missing.setdefault(held.line, []).append((each, held.qos))
        for line, filters in missing.items():
            for start in range(0, len(filters), PER_PACKET):
                self._lines.line_subscribe(line, filters[start : start + PER_PACKET])

    def _give_up(self, local: Mapping[str, int], wanted: Mapping[str, int]) -> None:
        leaving: dict[int, list[str]] = {}
        for each, held in list(self._held.items()):
            if each in wanted or held.asked:
                continue
            up = self._lines.line_is_up(held.line)
            if held.active and (not up or not self._is_replaced(each, local)):
                continue
            del self._held[each]
            if held.active:
                leaving.setdefault(held.line, []).append(each)
        for line, filters in leaving.items():
            for start in range(0, len(filters), PER_PACKET):
                self._lines.line_unsubscribe(line, filters[start : start + PER_PACKET])
        if leaving:
            self._remembered.clear()

    def _is_replaced(self, going: str, local: Mapping[str, int]) -> bool:
        """Whether all that ``going`` brings comes by other subscriptions as well."""
        return all(
            any(held.active and wide != going and covers(wide, each) for wide, held in self._held.items())
            for each in local
            if covers(going, each)
        )

    # -- what subscribers are told -----------------------------------------------------------------------------------

    def _tell(self) -> None:
        for subscriber in [s for s in self._subscribers if s.waits]:
            if subscriber.virtual or all(self._is_served(each) for each in subscriber.filters):
                subscriber.waits = False
                if subscriber.ready is not None:
                    subscriber.ready()

    def _is_served(self, each: str) -> bool:
        return any(
            held.active and covers(wide, each) and self._lines.line_is_up(held.line)
            for wide, held in self._held.items()
        )

    def _refuse(self, each: str, code: int, text: str) -> None:
        established = False
        for subscriber in list(self._by_filter.get(each, ())):
            if subscriber.virtual:
                continue
            if not subscriber.waits:
                established = True
                continue
            self._subscribers.pop(subscriber)
            for other in subscriber.filters:
                del self._by_filter[other][subscriber]
                if not self._by_filter[other]:
                    del self._by_filter[other]
            if subscriber.refused is not None:
                subscriber.refused(each, code, text)
        if established:
            self._refused[each] = (code, text)
            self._lines.retry_refused()
