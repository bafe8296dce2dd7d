"""Error codes of the databus.

An error that travels upstream is a code that tells the caller what it can do next, and one short message. The daemon
that knows most has logged everything else; the trail id joins the two.
"""

from __future__ import annotations

from enum import StrEnum


class ErrorCode(StrEnum):
    """What a caller can do about a failed call."""

    FAILURE = "FAILURE"
    """It failed; trying again will not help by itself."""
    RETRY = "RETRY"
    """A passing fault: try again later."""
    BUSY = "BUSY"
    """The daemon is at a limit: try again when it is less busy."""
    FATAL = "FATAL"
    """The daemon cannot go on; its supervisor will deal with it."""
    INVALID = "INVALID"
    """The caller's arguments are wrong."""
    UNSUPPORTED = "UNSUPPORTED"
    """No such method, or not on this host."""
    PARSE = "PARSE"
    """Text or bytes that should be decoded cannot be."""
    RANGE = "RANGE"
    """A value is outside its limits."""
    NOMEM = "NOMEM"
    """No memory or disk space left."""
    NOCONN = "NOCONN"
    """No connection to the daemon, or it was lost."""
    NODATA = "NODATA"
    """Nothing there yet."""
    NOENTRY = "NOENTRY"
    """The thing asked for does not exist."""
    CONFIG = "CONFIG"
    """The configuration must be changed first."""
    REMOTE = "REMOTE"
    """A service beyond this device failed."""
    TIMEOUT = "TIMEOUT"
    """It took longer than allowed."""


class BusError(Exception):
    """A call failed. ``trail`` finds the whole story in the logs (``ggl logs --trail``)."""

    def __init__(self, code: ErrorCode, message: str, trail: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.trail = trail

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"
