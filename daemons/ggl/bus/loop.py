"""The event loop of a daemon: sockets, timers, worker threads, signals.

One loop runs in the main thread of each daemon. Callbacks run inline and must be quick; what may block goes to
``run_blocking``, whose result comes back as a callback on the loop. Built on epoll itself: it costs a tenth of what
asyncio costs in memory, and less than ``selectors`` on each wake-up.
"""

from __future__ import annotations

import heapq
import os
import select
import signal
import time
from _thread import allocate_lock, start_new_thread
from collections import deque
from collections.abc import Callable
from typing import Any

from ggl.log import get_logger

READABLE = select.EPOLLIN
WRITABLE = select.EPOLLOUT

MAX_WORKERS = 4
LONGEST_WAIT = 86400.0
"""Seconds of one wait; epoll itself refuses more than some weeks."""

_MANY = 100
"""Canceled timers that are not worth removing."""

_log = get_logger("loop")


class Timer:
    """A callback that is due at a time; see ``Loop.call_later``."""

    __slots__ = ("_loop", "callback", "due")

    def __init__(self, loop: Loop, due: float, callback: Callable[[], None] | None) -> None:
        self._loop = loop
        self.due = due
        self.callback = callback

    def cancel(self) -> None:
        if self.callback is not None:
            self.callback = None
            self._loop.timer_canceled()

    def __lt__(self, other: Timer) -> bool:
        return self.due < other.due


class Loop:
    """See the module's text. Only ``call_soon_threadsafe`` may be called from another thread or a signal handler."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._watched: dict[int, Callable[[int], None]] = {}
        self._timers: list[Timer] = []
        self._canceled = 0
        self._soon: deque[Callable[[], None]] = deque()
        self._stopped = False
        self._wake_r, self._wake_w = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.watch(self._wake_r, self._drain_wake)
        self._workers: _Workers | None = None
        self._wakes_on_signal = False

    def watch(self, fd: int, callback: Callable[[int], None], events: int = READABLE) -> None:
        """Call ``callback(events)`` whenever ``fd`` is ready; ``EPOLLHUP`` and ``EPOLLERR`` are always reported."""
        self._watched[fd] = callback
        self._epoll.register(fd, events)

    def rewatch(self, fd: int, events: int) -> None:
        self._epoll.modify(fd, events)

    def unwatch(self, fd: int) -> None:
        """Forget ``fd``; must come before it is closed."""
        if self._watched.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(self, time.monotonic() + seconds, callback)
        heapq.heappush(self._timers, timer)
        return timer

    def timer_canceled(self) -> None:
        """Timers that were canceled go when they are due, or when they are most of all (used by ``Timer``)."""
        self._canceled += 1
        if self._canceled > _MANY and self._canceled * 2 > len(self._timers):
            self._timers[:] = [timer for timer in self._timers if timer.callback is not None]
            heapq.heapify(self._timers)
            self._canceled = 0

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Run ``callback`` before the loop waits again."""
        self._soon.append(callback)

    def call_soon_threadsafe(self, callback: Callable[[], None]) -> None:
        self._soon.append(callback)
        try:
            os.write(self._wake_w, b"\0")
        except BlockingIOError:
            pass  # the pipe is full of wake-ups already

    def run_blocking(self, work: Callable[[], Any], done: Callable[[Any, BaseException | None], None]) -> None:
        """Run ``work`` on a worker thread, then ``done(result, error)`` on the loop."""
        if self._workers is None:
            self._workers = _Workers(self)
        self._workers.submit(work, done)

    def on_signal(self, number: int, callback: Callable[[], None]) -> None:
        """Run ``callback`` on the loop when the process receives signal ``number``."""
        signal.signal(number, lambda *_: self.call_soon_threadsafe(callback))
        # Python runs the handler between two steps of its own, so not while we wait: a signal that comes on the way
        # into the poll must end it, or is not noticed before something else happens.
        signal.set_wakeup_fd(self._wake_w, warn_on_full_buffer=False)
        self._wakes_on_signal = True

    def stop(self) -> None:
        self._stopped = True

    @property
    def stopped(self) -> bool:
        return self._stopped

    def run(self) -> None:
        """Serve until ``stop`` is called. An exception in a callback is logged and costs only that callback."""
        self._stopped = False
        poll = self._epoll.poll
        watched = self._watched
        soon = self._soon
        timers = self._timers
        monotonic = time.monotonic
        while True:
            while soon:
                self._guard(soon.popleft())
            if self.stopped:
                return
            for fd, events in poll(min(LONGEST_WAIT, max(0.0, timers[0].due - monotonic())) if timers else -1):
                callback = watched.get(fd)
                if callback is None:
                    continue  # closed by an earlier callback of this round
                try:
                    callback(events)
                except Exception:
                    _log.exception("a callback failed")
            if timers and timers[0].due <= monotonic():
                self._run_timers()

    def close(self) -> None:
        """Give up everything the loop holds; watched descriptors stay open."""
        if self._wakes_on_signal:
            signal.set_wakeup_fd(-1)
        self._epoll.close()
        os.close(self._wake_r)
        os.close(self._wake_w)

    def _run_timers(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0].due <= now:
            timer = heapq.heappop(self._timers)
            callback, timer.callback = timer.callback, None  # to cancel it from now on does nothing
            if callback is not None:
                self._guard(callback)
            elif self._canceled:
                self._canceled -= 1

    def _guard(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception:
            _log.exception("a callback failed")

    def _drain_wake(self, _events: int) -> None:
        try:
            os.read(self._wake_r, 4096)
        except BlockingIOError:
            pass


class _Workers:
    """At most ``MAX_WORKERS`` threads, made when needed; each ends after some idle seconds, so none stays resident."""

    IDLE_SECONDS = 5.0

    def __init__(self, loop: Loop) -> None:
        # The workers themselves need less than these two load, which is half a megabyte. But ``threading`` takes the
        # thread that loads it for the main one, so it must not be a worker that does.
        import threading  # noqa: F401
        from _queue import Empty, SimpleQueue

        self._empty = Empty
        self._lock = allocate_lock()
        self._loop = loop
        self._jobs: SimpleQueue[tuple[Callable[[], Any], Callable[[Any, BaseException | None], None]]]
        self._jobs = SimpleQueue()
        self._threads = 0
        self._idle = 0

    def submit(self, work: Callable[[], Any], done: Callable[[Any, BaseException | None], None]) -> None:
        with self._lock:
            self._jobs.put((work, done))
            if self._idle < self._jobs.qsize() and self._threads < MAX_WORKERS:
                self._threads += 1
                start_new_thread(self._run, ())

    def _run(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
            try:
                job = self._jobs.get(timeout=self.IDLE_SECONDS)
            except self._empty:
                job = None
            with self._lock:
                self._idle -= 1
                if job is None:
                    if not self._jobs.empty():
                        continue
                    self._threads -= 1
                    return
            work, done = job
            result, error = None, None
            try:
                result = work()
            except BaseException as failure:
                error = failure
            self._loop.call_soon_threadsafe(lambda d=done, r=result, e=error: d(r, e))  # type: ignore[misc]
