"""The event loop: timers, worker threads, signals."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ggl.bus import Loop

THIRTY_DAYS = 30 * 86400.0


@contextmanager
def one_moment() -> Iterator[None]:
    """Time stands still: else who is kept waiting between two timers sets the second for later than was meant."""
    now = time.monotonic()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: now)
        yield


def test_timers_run_in_the_order_of_their_times_and_not_when_cancelled() -> None:
    loop = Loop()
    ran: list[str] = []
    with one_moment():
        loop.call_later(0.02, lambda: ran.append("second"))
        loop.call_later(0.0, lambda: ran.append("first"))
        loop.call_later(0.01, lambda: ran.append("never")).cancel()
        loop.call_later(0.03, loop.stop)
    loop.run()
    assert ran == ["first", "second"]


def test_a_timer_may_be_further_away_than_epoll_can_wait() -> None:
    loop = Loop()
    loop.call_later(THIRTY_DAYS, loop.stop)
    threading.Timer(0.05, lambda: loop.call_soon_threadsafe(loop.stop)).start()
    loop.run()


def test_what_blocks_runs_on_another_thread_and_reports_on_the_loop() -> None:
    loop = Loop()
    seen: list[object] = []

    def done(result: object, error: BaseException | None) -> None:
        seen.append((result, type(error), threading.current_thread() is threading.main_thread()))
        if len(seen) == 2:
            loop.stop()

    loop.run_blocking(lambda: threading.current_thread() is threading.main_thread(), done)
    loop.run_blocking(lambda: 1 // 0, done)
    loop.run()
    assert sorted(seen, key=str) == [(False, type(None), True), (None, ZeroDivisionError, True)]


def test_more_work_than_threads_is_done_all_the_same() -> None:
    loop = Loop()
    done: list[int] = []

    def finished(result: int, _error: BaseException | None) -> None:
        done.append(result)
        if len(done) == 50:
            loop.stop()

    for number in range(50):
        loop.run_blocking(lambda n=number: n, finished)
    loop.run()
    assert sorted(done) == list(range(50))


def test_a_callback_that_fails_costs_only_itself() -> None:
    loop = Loop()
    loop.call_soon(lambda: 1 // 0)
    loop.call_later(0.0, loop.stop)
    loop.run()


def test_a_signal_becomes_a_callback() -> None:
    loop = Loop()
    before = signal.getsignal(signal.SIGUSR1)
    try:
        loop.on_signal(signal.SIGUSR1, loop.stop)
        loop.call_later(0.0, lambda: os.kill(os.getpid(), signal.SIGUSR1))
        loop.run()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_signal_ends_the_wait_before_its_handler_has_run() -> None:
    loop = Loop()
    before = signal.getsignal(signal.SIGUSR1)
    try:
        loop.on_signal(signal.SIGUSR1, loop.stop)
        signal.signal(signal.SIGUSR1, lambda *_: None)  # as if it had come too late for the handler
        os.kill(os.getpid(), signal.SIGUSR1)
        assert select.select([loop._wake_r], [], [], 0)[0]
    finally:
        signal.signal(signal.SIGUSR1, before)
        loop.close()
    assert signal.set_wakeup_fd(-1) == -1


def test_canceled_timers_do_not_pile_up_and_the_others_still_fire_in_order() -> None:
    loop = Loop()
    fired: list[int] = []
    timers = [loop.call_later(3600.0, lambda: fired.append(-1)) for _ in range(10_000)]
    with one_moment():
        for number in (3, 1, 2):
            loop.call_later(number / 100, lambda number=number: fired.append(number))  # type: ignore[misc]
        loop.call_later(0.1, loop.stop)
    for timer in timers:
        timer.cancel()
        timer.cancel()
    assert len(loop._timers) < 500
    loop.run()
    loop.close()
    assert fired == [1, 2, 3]
