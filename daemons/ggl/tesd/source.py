"""Where credentials come from for everybody who asks: the cache, or AWS, which is asked once for all who wait."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from ggl.log import get_logger
from ggl.tesd.cache import RETRY, Answer, Cache, Entry
from ggl.tesd.child import Child
from ggl.tesd.errands import ask
from ggl.tesd.keeping import now
from ggl.values import InvalidValue

if TYPE_CHECKING:
    from ggl.daemon import Context

ASK_SECONDS = 60
"""For all tries of asking AWS."""
Got = Callable[[Entry], None]

_log = get_logger("tesd")


class Source:
    """``changed`` is called when there is something else to be kept. What ``restore`` brings is given to nobody before
    ``know`` has said that it is still right.
    """

    def __init__(self, context: Context, changed: Callable[[], None]) -> None:
        self.identity = ""
        """For whom the credentials are."""
        self.fingerprint = ""
        """Of the configuration that says so."""
        self.cache = Cache()
        self.certain = True
        """Whether what is kept is for who we are now."""
        self._context = context
        self._changed = changed
        self._waiting: list[Got] = []
        self._child: Child | None = None

    @property
    def is_empty(self) -> bool:
        return self._child is None and self.cache.is_empty

    def obtain(self, got: Got) -> None:
        """``got`` is called with credentials, or with why there are none."""
        entry = self.cache.get(now()) if self.certain else None
        if entry is not None:
            got(entry)
            if self.cache.is_due(now()):
                self._fetch()
            return
        self._waiting.append(got)
        if self.certain:
            self._fetch()

    def restore(self, identity: str, fingerprint: str, good: Entry | None, failure: Entry | None) -> None:
        self.identity, self.fingerprint, self.cache.good, self.cache.failure = identity, fingerprint, good, failure
        self.certain = self.cache.is_empty

    def know(self, identity: str, fingerprint: str) -> None:
        """The configuration says who we are now."""
        changed, self.fingerprint = fingerprint != self.fingerprint, fingerprint
        if identity != self.identity:
            self.identity = identity
            if self._child is not None:
                self._child.kill()
                self._child = None
            if self.cache.good is not None:
                _log.info("the credentials are for another identity or endpoint than configured now: they are dropped")
            self.cache.clear()
            changed = True
        if changed:
            self._changed()
        self.certain = True
        waiting, self._waiting = self._waiting, []
        for got in waiting:
            self.obtain(got)

    def forget_failure(self) -> None:
        """See ``Cache.forget_failure``."""
        if self.cache.forget_failure():
            self._changed()

    def close(self) -> None:
        if self._child is not None:
            self._child.kill()

    def _fetch(self) -> None:
        if self._child is not None:
            return
        try:
            self._child = Child(self._context, partial(ask, self._context.root), self._fetched, ASK_SECONDS)
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
        entry = self.cache.put(answer, now(), result.get("retry", RETRY))
        if "identity" in result:
            self.identity, self.fingerprint = result["identity"], result["fingerprint"]
        self._changed()
        if answer.credentials:
            _log.info("credentials until %s", answer.credentials["expiration"])
        else:
            _log.warning("%s", answer.text)
        waiting, self._waiting = self._waiting, []
        for got in waiting:
            got(entry)
