"""Who asks AWS, and when: with a clock and worker processes that the test has in its hands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ggl.paths import find_root
from ggl.tesd import source as module
from ggl.tesd.cache import Answer, Entry
from ggl.tesd.source import Source


class Clock:
    """Stands in for the loop, the clock and the worker processes."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[Timer] = []
        self.children: list[Worker] = []

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(self.now + seconds, callback)
        self.timers.append(timer)
        return timer

    def advance(self, seconds: float) -> None:
        self.now += seconds
        for timer in list(self.timers):
            if timer.due <= self.now:
                self.timers.remove(timer)
                if not timer.canceled:
                    timer.callback()

    def fork(self, _loop: object, _work: object, done: Callable[[Any], None], _seconds: int) -> Worker:
        worker = Worker(done)
        self.children.append(worker)
        return worker

    def finish(self, **result: Any) -> None:
        """The last worker has an answer."""
        worker = self.children[-1]
        assert not worker.killed
        worker.done(result or None)

    def good(self, key: str, lifetime: float = 3600.0, identity: str = "me") -> None:
        credentials = {"accessKeyId": key, "expiration": "then"}
        self.finish(status=200, credentials=credentials, body=key, lifetime=lifetime, identity=identity)


class Timer:
    def __init__(self, due: float, callback: Callable[[], None]) -> None:
        self.due, self.callback, self.canceled = due, callback, False

    def cancel(self) -> None:
        self.canceled = True


class Worker:
    def __init__(self, done: Callable[[Any], None]) -> None:
        self.done, self.killed = done, False

    def kill(self) -> None:
        self.killed = True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "Child", clock.fork)
    monkeypatch.setattr(module, "now", lambda: clock.now)
    return clock


@pytest.fixture
def source(clock: Clock, tmp_path: Path) -> Source:
    source = Source(clock, find_root(str(tmp_path)), lambda: None)  # type: ignore[arg-type]
    source.refreshing = True
    source.know("me")
    return source


def ask(source: Source) -> list[Entry]:
    got: list[Entry] = []
    source.obtain(got.append)
    return got


def key(got: list[Entry]) -> str:
    return got[0].answer.body


def test_all_who_wait_share_one_question(source: Source, clock: Clock) -> None:
    waiting = [ask(source) for _ in range(5)]
    assert len(clock.children) == 1
    clock.good("A")
    assert [key(each) for each in waiting] == ["A"] * 5
    assert key(ask(source)) == "A"
    assert len(clock.children) == 1


def test_whoever_uses_them_never_waits_again(source: Source, clock: Clock) -> None:
    ask(source)
    clock.good("A")
    clock.advance(2000)
    ask(source)
    clock.advance(700)
    assert len(clock.children) == 2
    assert key(ask(source)) == "A"
    clock.good("B")
    assert key(ask(source)) == "B"


def test_for_nobody_nothing_is_fetched_until_somebody_comes(source: Source, clock: Clock) -> None:
    ask(source)
    clock.good("A")
    clock.advance(2700)  # who waited has used them
    clock.good("B")
    clock.advance(2700)
    assert len(clock.children) == 2
    assert key(ask(source)) == "B"
    clock.advance(0)
    assert len(clock.children) == 3
    clock.good("C")
    clock.advance(3599)
    assert ask(source) == []


def test_a_failure_ahead_of_time_is_nobodys_business_and_tried_again(source: Source, clock: Clock) -> None:
    ask(source)
    clock.good("A")
    clock.advance(2700)
    clock.finish(status=500, text="no")
    assert key(ask(source)) == "A"
    clock.advance(60)
    assert len(clock.children) == 3
    clock.good("B")
    assert key(ask(source)) == "B"


def test_a_failure_is_told_to_all_for_a_while(source: Source, clock: Clock) -> None:
    first = ask(source)
    clock.finish(status=403, text="no")
    assert first[0].status == ask(source)[0].status == 403
    clock.advance(120)
    assert ask(source) == []
    clock.finish()  # the process died
    assert ask(source)[0].status == 500


def test_another_identity_gets_its_own(source: Source, clock: Clock) -> None:
    ask(source)
    clock.good("A")
    source.know("me")
    assert key(ask(source)) == "A"
    source.know("you")
    waiting = ask(source)
    source.know("them")
    assert clock.children[1].killed
    clock.good("B", identity="them")
    assert key(waiting) == "B"


def test_what_was_kept_is_not_believed_before_it_is_known_whose_it_is(source: Source, clock: Clock) -> None:
    kept = Entry(
        Answer(200, credentials={"accessKeyId": "A"}, body="A", lifetime=3600.0), clock.now + 900, clock.now + 1200
    )
    source.restore(kept, "me")
    waiting = ask(source)
    assert waiting == []
    source.know("me")
    assert key(waiting) == "A"
    source.restore(kept, "me")
    waiting = ask(source)
    source.know("you")
    clock.good("B", identity="you")
    assert key(waiting) == "B"
