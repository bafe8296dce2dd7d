"""A loop whose time only passes when a test lets it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ggl.bus.loop import Timer


class VirtualLoop:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self._soon: list[Callable[[], None]] = []
        self._timers: list[Timer] = []
        monkeypatch.setattr("time.monotonic", lambda: self.now)

    def call_soon(self, callback: Callable[[], None]) -> None:
        self._soon.append(callback)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(self, self.now + seconds, callback)  # type: ignore[arg-type]
        self._timers.append(timer)
        return timer

    def timer_canceled(self) -> None:
        pass

    def run_blocking(self, work: Callable[[], Any], done: Callable[[Any, BaseException | None], None]) -> None:
        raise AssertionError("nothing blocks here")

    def run(self, seconds: float = 0.0) -> None:
        """Let time pass."""
        end = self.now + seconds
        while True:
            while self._soon:
                self._soon.pop(0)()
            due = [timer for timer in self._timers if timer.callback is not None and timer.due <= end]
            if not due:
                break
            timer = min(due)
            self._timers.remove(timer)
            self.now = max(self.now, timer.due)
            callback, timer.callback = timer.callback, None
            assert callback is not None
            callback()
        self.now = end
