"""Running a shutdown or a recover script for its time, beside whatever of the component still runs."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from ggl.host.conditions import is_skipped
from ggl.host.systemd.streams import INFO, WARNING, open_stream
from ggl.log import get_logger
from ggl.notify import notify
from ggl.runner import BEGINNING, EXIT_LACKING, become_script
from ggl.runner.preparation import reset_signals

if TYPE_CHECKING:
    from ggl.host.systemd.records import Run
    from ggl.host.systemd.surroundings import Surroundings
    from ggl.host.unit import Command, Unit

FIRST_DELAY = 0.5
"""Seconds before another try when the device lacks what a process needs; doubled each time."""
_MARGIN = 30.0
"""Seconds that systemd gives us beyond the script's own limit."""
_FOR_EVER = 10 * 365 * 86400.0

_log = get_logger("hostd")


def run_aside(here: Surroundings, unit: Unit, run: Run, command: Command | None, stage: str) -> str:
    """Run ``command``, the step ``stage`` (stop, recover) of ``unit``, if there is one; a failure is only logged.

    Returns what to say when it took too long, else an empty text. Then it is left alone: it ends with the unit.
    """
    if command is None or is_skipped(command, unit.user):
        return ""
    seconds = command.timeout
    notify(f"EXTEND_TIMEOUT_USEC={int(((seconds or _FOR_EVER) + _MARGIN) * 1e6)}")
    deadline = None if seconds is None else time.monotonic() + seconds
    delay = FIRST_DELAY
    while True:
        why = _try(here, unit, run, command, stage, deadline)
        if why is not None:
            break
        time.sleep(delay if deadline is None else max(0.0, min(delay, deadline - time.monotonic())))
        delay *= 2
        if deadline is not None and time.monotonic() >= deadline:
            why = _overdue(seconds)
            break
    if why:
        name = "shutdown" if stage == "stop" else stage
        _log.warning("%s: its %s script failed: %s; going on", here.name, name, why)
    return why if why == _overdue(seconds) else ""


def _try(here: Surroundings, unit: Unit, run: Run, command: Command, stage: str, deadline: float | None) -> str | None:
    """Empty when the script ended well, else why not; ``None`` when it is worth another try."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    said, says = os.pipe2(os.O_CLOEXEC)
    try:
        pid = os.fork()
    except OSError:
        return None
    finally_status = 1
    if not pid:
        try:
            _become(here, unit, run, command, stage, says)
        except SystemExit as leaving:
            finally_status = leaving.code if isinstance(leaving.code, int) else 1
        finally:
            os._exit(finally_status)
    os.close(says)
    status = _wait(pid, deadline)
    if status is None:
        return _overdue(command.timeout)
    why = os.read(said, 4096)
    os.close(said)
    if os.WIFSIGNALED(status):
        return f"killed by signal {os.WTERMSIG(status)}"
    code = os.waitstatus_to_exitcode(status)
    if why.removeprefix(BEGINNING) or not why:
        if code == EXIT_LACKING:
            return None
        return why.removeprefix(BEGINNING).decode("utf-8", "replace") or "it ended before the script began"
    return f"exit code {code}" if code else ""


def _become(here: Surroundings, unit: Unit, run: Run, command: Command, stage: str, says: int) -> None:
    os.setsid()
    for number, severity in ((1, INFO), (2, WARNING)):
        stream = open_stream(unit.component or unit.name, here.service, severity)
        if stream >= 0:
            os.dup2(stream, number)
    reset_signals()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    become_script(unit, command, stage, here.root, says, common=run.environment)


def _wait(pid: int, deadline: float | None) -> int | None:
    """The status of the process; ``None`` when it has not ended by then."""
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return status
        if deadline is None:
            signal.sigwaitinfo({signal.SIGCHLD})
        elif (left := deadline - time.monotonic()) <= 0:
            return None
        else:
            signal.sigtimedwait({signal.SIGCHLD}, left)


def _overdue(seconds: float | None) -> str:
    return f"did not finish within {seconds or 0:g} s"
