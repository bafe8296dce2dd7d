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
    """Stands in for the clock and the worker processes."""

    def __init__(self, directory: Path) -> None:
        self.root = find_root(str(directory))
        self.now = 1000.0
        self.children: list[Worker] = []

    def advance(self, seconds: float) -> None:
        self.now += seconds

    def fork(self, _context: object, _work: object, done: Callable[[Any], None], _seconds: int) -> Worker:
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
        self.finish(
            status=200, credentials=credentials, body=key, lifetime=lifetime, identity=identity, fingerprint="f"
        )


class Worker:
    def __init__(self, done: Callable[[Any], None]) -> None:
        self.done, self.killed = done, False

    def kill(self) -> None:
        self.killed = True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Clock:
    clock = Clock(tmp_path)
    monkeypatch.setattr(module, "Child", clock.fork)
    monkeypatch.setattr(module, "now", lambda: clock.now)
    return clock


@pytest.fixture
def saved() -> list[tuple[Entry | None, Entry | None]]:
    """What was to be kept: credentials and failures."""
    return []


@pytest.fixture
def source(clock: Clock, saved: list[tuple[Entry | None, Entry | None]]) -> Source:
    def changed() -> None:
        saved.append((made.cache.good, made.cache.failure))

    made = Source(clock, changed)  # type: ignore[arg-type]
    made.know("me", "f")
    return made


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


def test_whoever_asks_near_the_end_gets_the_old_ones_and_the_next_one_new_ones(source: Source, clock: Clock) -> None:
    ask(source)
    clock.good("A")
    clock.advance(2699)
    assert key(ask(source)) == "A"
    assert len(clock.children) == 1
    clock.advance(1)
    assert [key(ask(source)) for _ in range(3)] == ["A"] * 3
    assert len(clock.children) == 2
    clock.good("B")
    assert key(ask(source)) == "B"
    assert len(clock.children) == 2


def test_for_nobody_nothing_is_fetched(source: Source, clock: Clock) -> None:
    ask(source)
    clock.good("A")
    clock.advance(3599)
    assert len(clock.children) == 1
    assert ask(source) == []


def test_a_failure_ahead_of_time_is_nobodys_business_and_tried_again(source: Source, clock: Clock) -> None:
    ask(source)
    clock.good("A")
    clock.advance(2700)
    ask(source)
    clock.finish(status=500, text="no")
    clock.advance(59)
    assert key(ask(source)) == "A"
    assert len(clock.children) == 2
    clock.advance(1)
    assert key(ask(source)) == "A"
    assert len(clock.children) == 3
    clock.good("B")
    assert key(ask(source)) == "B"


def test_how_long_a_failure_counts_says_whoever_has_asked(source: Source, clock: Clock) -> None:
    ask(source)
    clock.finish(status=403, text="no", retry={"clientError": 20, "serverError": 20, "unknownError": 20})
    clock.advance(19)
    assert ask(source)[0].status == 403
    clock.advance(1)
    assert ask(source) == []


def test_every_answer_is_to_be_kept(
    source: Source, clock: Clock, saved: list[tuple[Entry | None, Entry | None]]
) -> None:
    del saved[:]
    ask(source)
    clock.finish(status=0, text="no")
    source.forget_failure()
    source.forget_failure()
    ask(source)
    clock.good("A")
    source.know("you", "f")
    assert [(good and good.status, failure and failure.status) for good, failure in saved] == [
        (None, 500),
        (None, None),
        (200, None),
        (None, None),
    ]


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
    source.know("me", "f")
    assert key(ask(source)) == "A"
    source.know("you", "f")
    waiting = ask(source)
    source.know("them", "f")
    assert clock.children[1].killed
    clock.good("B", identity="them")
    assert key(waiting) == "B"


def test_what_was_kept_is_not_believed_before_it_is_known_whose_it_is(source: Source, clock: Clock) -> None:
    good = Answer(200, credentials={"accessKeyId": "A"}, body="A", lifetime=3600.0)
    kept = Entry(good, clock.now + 900, clock.now + 1200)
    source.restore("me", "f", kept, None)
    waiting = ask(source)
    assert waiting == []
    source.know("me", "f")
    assert key(waiting) == "A"
    source.restore("me", "f", kept, None)
    waiting = ask(source)
    source.know("you", "f")
    clock.good("B", identity="you")
    assert key(waiting) == "B"


def test_a_failure_that_was_kept_counts_as_long_as_the_identity_does(source: Source, clock: Clock) -> None:
    kept = Entry(Answer(403, "no"), clock.now + 100)
    source.restore("me", "f", None, kept)
    waiting = ask(source)
    assert (waiting, clock.children) == ([], [])
    source.know("me", "f")
    assert [entry.status for entry in waiting] == [403]
    source.restore("me", "f", None, kept)
    waiting = ask(source)
    source.know("you", "f")
    clock.good("B", identity="you")
    assert key(waiting) == "B"


def test_with_nothing_kept_nobody_waits_to_learn_whose_it_would_be(source: Source, clock: Clock) -> None:
    source.restore("me", "f", None, None)
    ask(source)
    assert len(clock.children) == 1
