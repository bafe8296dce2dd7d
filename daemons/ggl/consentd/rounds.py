"""Rounds: one question put to several components at once, each of which may answer once.

Knows no bus and no clock: it is told of answers, and that the time is up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class Round(Generic[Answer]):
    """``decides`` tells of an answer whether it makes all others needless; ``on_over`` is called once, at the end."""

    def __init__(
        self, asked: Iterable[str], decides: Callable[[Answer], bool], on_over: Callable[[Round[Answer]], None]
    ) -> None:
        self.answers: dict[str, Answer] = {}
        self.over = False
        self._waiting = set(asked)
        self._decides = decides
        self._on_over = on_over

    @property
    def silent(self) -> list[str]:
        """Those who were asked and have not answered."""
        return sorted(self._waiting)

    def is_waiting_for(self, component: str) -> bool:
        """Whether an answer of ``component`` would count: it was asked, has not answered, and the round is open."""
        return not self.over and component in self._waiting

    def answer(self, component: str, answer: Answer) -> None:
        """Raises ``KeyError`` when the round is not waiting for it."""
        if self.over:
            raise KeyError(component)
        self._waiting.remove(component)
        self.answers[component] = answer
        if self._decides(answer):
            self.finish()
        else:
            self.finish_if_answered()

    def finish_if_answered(self) -> None:
        if not self._waiting:
            self.finish()

    def finish(self) -> None:
        """Everybody has answered, or the time is up."""
        if not self.over:
            self.over = True
            self._on_over(self)

    def discard(self) -> None:
        """Nobody wants to know any more; ``on_over`` is not called."""
        self.over = True
