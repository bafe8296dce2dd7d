"""What the broker has been asked on a connection, and has not answered yet."""

from __future__ import annotations

from collections.abc import Callable

from ggl.iotcored.owner import TIMED_OUT

Answer = Callable[[list[int], str], None]
"""``answer(reason codes, text)``; the one code ``TIMED_OUT`` when there was none. Nobody is told of a lost link."""


class Answers:
    """Packets are known by their ids. Times are those of a clock that only goes forward, in seconds."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._published: dict[int, tuple[float, int]] = {}
        self._asked: dict[int, tuple[float, Answer]] = {}

    def __bool__(self) -> bool:
        return bool(self._published or self._asked)

    @property
    def in_flight(self) -> int:
        """Messages that are not acknowledged."""
        return len(self._published)

    def expect_acknowledgement(self, packet: int, token: int, now: float) -> None:
        self._published[packet] = (now + self._timeout, token)

    def expect(self, packet: int, answer: Answer, now: float) -> None:
        self._asked[packet] = (now + self._timeout, answer)

    def acknowledged(self, packet: int) -> int | None:
        """The token of the message; ``None`` when nobody waits for it."""
        found = self._published.pop(packet, None)
        return None if found is None else found[1]

    def answered(self, packet: int, codes: list[int], text: str) -> None:
        found = self._asked.pop(packet, None)
        if found is not None:
            found[1](codes, text)

    def late(self, now: float) -> list[tuple[int, int]]:
        """Packet and token of each message whose time is over."""
        late = [(packet, token) for packet, (deadline, token) in self._published.items() if deadline <= now]
        for packet, _token in late:
            del self._published[packet]
        return late

    def give_up(self, now: float) -> None:
        """Tell those who have waited too long for another answer."""
        for packet in [packet for packet, (deadline, _) in self._asked.items() if deadline <= now]:
            self.answered(packet, [TIMED_OUT], self.too_late)

    @property
    def too_late(self) -> str:
        return f"no answer within {self._timeout:g} s"

    def clear(self) -> None:
        self._published.clear()
        self._asked.clear()
