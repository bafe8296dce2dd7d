"""Passwords for the local debug console: made on request, valid for a few hours, and nowhere but in memory."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass

USERNAME = "debug"
LIFETIME = 8 * 3600.0
"""Seconds that a password is valid."""
MAX_PASSWORDS = 64
"""Passwords at a time; beyond it the oldest is no longer valid."""


@dataclass(frozen=True, slots=True)
class _Password:
    """``until`` is on the clock of ``now`` in the calls below."""

    text: bytes
    until: float


class DebugPasswords:
    """``now`` is seconds on a clock that is never set: ``time.monotonic()``."""

    def __init__(self) -> None:
        self._valid: deque[_Password] = deque()

    def create(self, now: float) -> str:
        """A new password: 43 characters, from 32 random bytes."""
        from binascii import b2a_base64

        text = b2a_base64(os.urandom(32), newline=False).rstrip(b"=").translate(bytes.maketrans(b"+/", b"-_"))
        self.expire(now)
        if len(self._valid) >= MAX_PASSWORDS:
            self._valid.popleft()
        self._valid.append(_Password(text, now + LIFETIME))
        return text.decode()

    def check(self, username: str, password: str, now: float) -> bool:
        """Whether these let somebody in. How long it takes does not tell how much of a password is right."""
        # What ``hmac`` calls compare_digest; that module would load OpenSSL.
        from _operator import _compare_digest

        self.expire(now)
        given = password.encode("utf-8", "replace")
        matches = [_compare_digest(valid.text, given) for valid in self._valid]
        return username == USERNAME and any(matches)

    def expire(self, now: float) -> bool:
        """Forget those that are no longer valid; whether any is left."""
        while self._valid and self._valid[0].until <= now:
            self._valid.popleft()
        return bool(self._valid)
