"""Exit codes, and the one exception with which a command gives up.

The codes are stable: scripts rely on them. ``EXIT_CODES`` is what the documentation prints.
"""

from __future__ import annotations

OK = 0
FAILURE = 1
USAGE = 2
NOT_RUNNING = 3
NOT_FOUND = 4
INVALID = 5
TIMEOUT = 6
BUSY = 7
BROKEN = 8
DIFFERENT = 9
WARNING = 10
INTERRUPTED = 130
CLOSED_PIPE = 141

EXIT_CODES = {
    OK: "It worked.",
    FAILURE: "It failed for another reason than those below.",
    USAGE: "The command line is wrong: unknown option, missing argument.",
    NOT_RUNNING: "The runtime is not running.",
    NOT_FOUND: "What was named does not exist: component, configuration key, deployment, interface, log, file.",
    INVALID: "A value is not acceptable: malformed JSON, a recipe with an error, a request the runtime refuses.",
    TIMEOUT: "It took longer than allowed, or too little came in that time ('pubsub sub', 'mqtt sub', 'ipc trace', "
    "'config watch', 'bus monitor'). What was begun goes on in the runtime.",
    BUSY: "The runtime cannot do it now; try again.",
    BROKEN: "A deployment failed, a component is BROKEN, a core daemon has failed, or 'doctor' found a failure.",
    DIFFERENT: "What was compared differs ('config diff'), or is not allowed ('component policy --check').",
    WARNING: "'doctor' has warnings, and no failures.",
    INTERRUPTED: "Interrupted with Ctrl-C. What was begun goes on in the runtime.",
    CLOSED_PIPE: "The reader of the output went away (as in 'ggl logs | head').",
}

_BY_BUS_CODE = {
    "NOENTRY": NOT_FOUND,
    "NODATA": NOT_FOUND,
    "INVALID": INVALID,
    "PARSE": INVALID,
    "RANGE": INVALID,
    "UNSUPPORTED": INVALID,
    "CONFIG": INVALID,
    "TIMEOUT": TIMEOUT,
    "BUSY": BUSY,
    "RETRY": BUSY,
    "NOMEM": BUSY,
    "NOCONN": BUSY,
}
"""Codes of the databus; any other is ``FAILURE``. NOCONN with no runtime at all is ``NOT_RUNNING`` (see ``client``)."""


class CliError(Exception):
    """A command cannot go on. ``message``: what failed and why; ``hint``: what to do next."""

    def __init__(
        self, message: str, exit_code: int = FAILURE, *, hint: str = "", code: str = "", trail: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code
        self.hint = hint
        self.trail = trail
        self.code = code or _NAMES.get(exit_code, "FAILURE")

    def to_dict(self) -> dict[str, str]:
        return {"code": self.code, "message": self.message, "hint": self.hint, "trail": self.trail}


_NAMES = {
    FAILURE: "FAILURE",
    USAGE: "USAGE",
    NOT_RUNNING: "NOT_RUNNING",
    NOT_FOUND: "NOENTRY",
    INVALID: "INVALID",
    TIMEOUT: "TIMEOUT",
    BUSY: "BUSY",
    BROKEN: "BROKEN",
    INTERRUPTED: "INTERRUPTED",
}


def exit_code_for(bus_code: str) -> int:
    return _BY_BUS_CODE.get(bus_code, FAILURE)
