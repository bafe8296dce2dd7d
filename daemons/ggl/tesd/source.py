"""Where credentials come from for everybody who asks: the cache, or AWS, which is asked once for all who wait."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from ggl.log import get_logger
from ggl.tesd.cache import Answer, Cache, Entry
from ggl.tesd.child import Child
from ggl.tesd.errands import ask
from ggl.tesd.keeping import now
from ggl.values import InvalidValue

if TYPE_CHECKING:
    from ggl.bus.loop import Loop, Timer
    from ggl.paths import Root

ASK_SECONDS = 60
"""For all tries of asking AWS."""
Got = Callable[[Entry], None]

_log = get_logger("tesd")


class Source:
    """``changed`` is called when there are other credentials, or none any more. What ``restore`` brings is given to
    nobody before ``know`` has said that it is still right.
    """

    def __init__(self, loop: Loop, root: Root, changed: Callable[[], None]) -> None:
        self.identity = ""
        """For whom the credentials are."""
        self.cache = Cache()
        self.refreshing = False
        """Whether to fetch new credentials ahead of time, as long as the present ones are used."""
        self._loop = loop
        self._root = root
        self._changed = changed
        self._waiting: list[Got] = []
        self._child: Child | None = None
        self._timer: Timer | None = None
        self._used = False
        self._certain = True

    @property
    def is_empty(self) -> bool:
        return self._child is None and self.cache.is_empty

    def obtain(self, got: Got) -> None:
        """``got`` is called with credentials, or with why there are none."""
        entry = self.cache.get(now()) if self._certain else None
        if entry is not None:
            self._used = True
            if self._timer is None:
                self._schedule()
            got(entry)
            return
        self._waiting.append(got)
        if self._certain:
            self._fetch()

    def restore(self, good: Entry, identity: str) -> None:
        self.cache.good, self.identity, self._certain = good, identity, False

    def know(self, identity: str) -> None:
        """The configuration says who we are now."""
        if identity != self.identity:
            self.identity = identity
            if self._child is not None:
                self._child.kill()
                self._child = None
            if self.cache.good is not None:
                _log.info("the credentials are for another identity or endpoint than configured now: they are dropped")
            self.cache.clear()
            self._changed()
        self._certain = True
        self._schedule()
        waiting, self._waiting = self._waiting, []
        for got in waiting:
            self.obtain(got)

    def close(self) -> None:
        if self._child is not None:
            self._child.kill()

    def _fetch(self) -> None:
        if self._child is not None:
            return
        try:
            self._child = Child(self._loop, partial(ask, self._root), self._fetched, ASK_SECONDS)
        except OSError as error:
            self._take({"status": 0, "text": f"no process can be started: {error.strerror}", "local": True})

    def _fetched(self, result: dict[str, Any] | None) -> None:
        self._child = None
        self._take(result or {"status": 0, "text": f"AWS has not answered within {ASK_SECONDS} s"})

    def _take(self, result: dict[str, Any]) -> None:
        try:
            answer = Answer.from_dict(result)
        except InvalidValue as error:
            answer = Answer(0, str(error))
        entry = self.cache.put(answer, now())
        self.identity = result.get("identity", self.identity)
        self._used = bool(self._waiting)
        if answer.credentials:
            _log.info("credentials until %s", answer.credentials["expiration"])
            self._changed()
        else:
            _log.warning("%s", answer.text)
        self._schedule()
        waiting, self._waiting = self._waiting, []
        for got in waiting:
            got(entry)

    def _schedule(self) -> None:
        """Fetch ahead of time, once there is somebody to whom it matters."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self.cache.refresh_at(now()) if self.refreshing else None
        if due is not None:
            self._timer = self._loop.call_later(max(0.0, due - now()), self._refresh)

    def _refresh(self) -> None:
        self._timer = None
        if self._used:
            self._fetch()
