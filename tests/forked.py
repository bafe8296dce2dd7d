"""Work in processes of its own, each of which hands back one result."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

_fork = multiprocessing.get_context("fork")


class Forked(Generic[T]):
    """Runs ``work()`` in a child process, from now on. Start it before the parent has threads."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._end, theirs = _fork.Pipe(duplex=False)
        self._process = _fork.Process(target=lambda: theirs.send(work()), daemon=True)
        self._process.start()
        theirs.close()

    def running(self) -> bool:
        return self._process.is_alive()

    def result(self, otherwise: T, seconds: float = 120.0) -> T:
        """What the work came to; ``otherwise`` when it died, or is not done after ``seconds``."""
        try:
            return self._end.recv() if self._end.poll(seconds) else otherwise
        except EOFError:
            return otherwise
        finally:
            self._process.join(5.0)
            if self._process.is_alive():
                self._process.kill()
