"""Logging of the daemons: one line per event on stderr, for the host's log service to keep.

A line starts with the severity in the form that both journald and our log writer understand (``<6>``); a line about a
request ends with its trail id. Thin on purpose: every daemon is resident, and the standard logging package would cost
more memory than what it is used for here.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from ggl.bus.trail import current

LEVELS = {"TRACE": 0, "DEBUG": 1, "INFO": 2, "WARN": 3, "ERROR": 4}
_SEVERITY = ("<7>", "<7>", "<6>", "<4>", "<3>")

_threshold = LEVELS.get(os.environ.get("GGL_LOG_LEVEL", "INFO").upper(), 2)


class Logger:
    """Writes lines tagged with a subsystem's name. ``arguments`` are put into ``message`` with ``%``."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def debug(self, message: str, *arguments: Any) -> None:
        if _threshold <= 1:
            self._write(1, message, arguments)

    def info(self, message: str, *arguments: Any) -> None:
        if _threshold <= 2:
            self._write(2, message, arguments)

    def warning(self, message: str, *arguments: Any) -> None:
        if _threshold <= 3:
            self._write(3, message, arguments)

    def error(self, message: str, *arguments: Any) -> None:
        self._write(4, message, arguments)

    def exception(self, message: str, *arguments: Any) -> None:
        """Like ``error``, followed by the traceback of the exception being handled (our own fault: say everything)."""
        import traceback

        self._write(4, message, arguments)
        for line in traceback.format_exc().splitlines():
            self._write(4, "%s", (line,))

    def _write(self, level: int, message: str, arguments: tuple[Any, ...]) -> None:
        text = message % arguments if arguments else message
        trail = f" trail={current.trail}" if current.trail else ""
        line = f"{_SEVERITY[level]}{self._name}: {text}{trail}".replace("\n", "\\n")
        try:
            # One write per line: lines of several threads never mix.
            os.write(2, line.encode("utf-8", "backslashreplace") + b"\n")
        except OSError:
            pass  # nobody is left to tell


def get_logger(name: str) -> Logger:
    return Logger(name)


def fatal(message: str) -> None:
    """Say why the process cannot go on, in one line, and leave with status 1."""
    sys.stderr.write(f"<3>{message}\n")
    sys.exit(1)
