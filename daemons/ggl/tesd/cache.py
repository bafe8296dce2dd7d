"""What is kept of AWS' answers, and for how long.

Pure: the time comes from outside, as seconds of a clock that is never set, so that a device whose clock is corrected
keeps or loses nothing by that.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from ggl.values import get_float, get_int, get_str

MARGIN = 300.0
"""Seconds before their end from which on credentials are not handed out any more, if there are others to be had."""
LEAST_USE = 10.0
"""Seconds that credentials must be good for, when there are no others to be had."""
AHEAD = 600.0
"""Seconds before ``MARGIN`` from which on new ones are due; or the last fifth of the time until then, if less."""
RETRY: Mapping[str, int] = MappingProxyType({"clientError": 120, "serverError": 60, "unknownError": 300})
"""Seconds for which an answer 4xx, 5xx, and anything else that is no success, is kept."""
LOCAL_SECONDS = 10
"""For which a fault of the device itself is kept: AWS is not troubled by another look."""


class Answer(NamedTuple):
    """What came of asking AWS. ``status`` is 0 when there was no answer; ``local``: because of the device itself.

    (No dataclass, here and below: making one costs a process that stays 150 KB.)
    """

    status: int
    text: str = ""
    """For people: what went wrong."""
    credentials: Mapping[str, str] = MappingProxyType({})
    """As AWS names them; empty when there are none that can be used."""
    body: str = ""
    """The credentials in the form that the SDKs read."""
    lifetime: float = 0.0
    """Seconds for which the credentials are valid."""
    local: bool = False

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Answer:
        """Raises ``InvalidValue``."""
        return Answer(
            get_int(data, "status"),
            get_str(data, "text", ""),
            data.get("credentials") or {},
            get_str(data, "body", ""),
            get_float(data, "lifetime", 0.0),
            bool(data.get("local")),
        )


class Entry(NamedTuple):
    """An answer and its time: it is given to whoever asks before ``until``; at ``end`` credentials expire."""

    answer: Answer
    until: float
    end: float = 0.0

    @property
    def status(self) -> int:
        """What a component is told; an answer without credentials is no success, whatever AWS calls it."""
        if self.answer.credentials:
            return 200
        return self.answer.status if self.answer.status >= 400 else 500


class Cache:
    """At most one set of credentials, and the last failure since."""

    def __init__(self) -> None:
        self.good: Entry | None = None
        self.failure: Entry | None = None

    def put(self, answer: Answer, now: float, retry: Mapping[str, int] = RETRY) -> Entry:
        """Keep ``answer``, a failure for as long as ``retry`` says; what those get who wait for it."""
        if answer.credentials and answer.lifetime > 0:
            self.failure = None
            self.good = Entry(answer, now + answer.lifetime - MARGIN, now + answer.lifetime)
            return self.good
        self.failure = Entry(answer, now + _kept(answer, retry))
        return self._usable(now) or self.failure

    def get(self, now: float) -> Entry | None:
        """What is to be answered now; ``None``: AWS must be asked."""
        if self.good is not None and now < self.good.until:
            return self.good
        if self.failure is not None and now < self.failure.until:
            return self._usable(now) or self.failure
        return None

    def is_due(self, now: float) -> bool:
        """Whether to fetch new credentials although the old ones will do, so that nobody has to wait for them."""
        if self.good is None or self.good.until <= now:
            return False
        if self.failure is not None and now < self.failure.until:
            return False
        left = self.good.until - self.good.end + self.good.answer.lifetime
        return now >= self.good.until - min(AHEAD, left / 5)

    @property
    def is_empty(self) -> bool:
        return self.good is None and self.failure is None

    def forget_failure(self) -> bool:
        """AWS can be reached again: what was only for lack of that is worth another try. Whether there was any."""
        if self.failure is None or self.failure.answer.status != 0:
            return False
        self.failure = None
        return True

    def clear(self) -> None:
        self.good = self.failure = None

    def _usable(self, now: float) -> Entry | None:
        """The credentials there are, if they will do although newer ones could not be had."""
        return self.good if self.good is not None and self.good.end - now > LEAST_USE else None


def _kept(answer: Answer, retry: Mapping[str, int]) -> float:
    if 200 <= answer.status < 300:
        return 0.0  # it is no error of AWS that it would take time to put right
    if answer.local:
        return LOCAL_SECONDS
    if 400 <= answer.status < 500:
        return retry["clientError"]
    if 500 <= answer.status < 600:
        return retry["serverError"]
    return retry["unknownError"]
