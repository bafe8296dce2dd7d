"""``step start``: from systemd's start of a unit to the component's script, in the same process."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from ggl.host.conditions import is_skipped
from ggl.host.systemd import records
from ggl.host.systemd.records import Run
from ggl.host.systemd.streams import INFO, OWN_IDENTIFIER, WARNING, open_stream
from ggl.host.systemd.syntax import escaped
from ggl.notify import READY, notify
from ggl.runner.preparation import EXIT_LACKING, NotStarted, Script, prepare, reset_signals

if TYPE_CHECKING:
    from ggl.host.systemd.surroundings import Surroundings
    from ggl.host.unit import Start, Unit

_STARTUP = """\
trap 'exit 143' TERM INT HUP PIPE
"$0" -c "$1" || exit
unset LD_PRELOAD LD_LIBRARY_PATH
exec "$2" --ready
"""
"""A startup script's unit is up when the script has ended with 0. Whoever sends a signal means the script: so this
waits for that, and says by its exit status that it was ended. What the script needs of libraries is not ours."""
_NOTIFY = ("/usr/bin/systemd-notify", "/bin/systemd-notify", "/run/current-system/sw/bin/systemd-notify")

_MOST_BYTES = 128 * 1024
"""Of one argument or variable of a program, with its end (MAX_ARG_STRLEN of the kernel)."""


FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0
"""Seconds before another try when the device or the runtime lacks what a script needs; doubled each time."""


@dataclass(frozen=True)
class Attempt:
    """What comes of a start before the script begins. With neither ``script`` nor ``error`` there is nothing to do."""

    run: Run
    message: str
    """What is said of the record that has been written."""
    script: Script | None = None
    error: NotStarted | None = None
    record: int = -1
    """The open record: its directory is root's, which this process is soon not any more."""
    limit: float | None = None
    """The seconds that the script may take."""
    again: bool = False
    """What is lacking may be there in a moment."""


def start(here: Surroundings, kind: str, delay: str = str(FIRST_DELAY)) -> int:
    """Become the script of the unit; the exit status when there is none to run, or it cannot be run.

    ``kind``: the way to start for which the unit file was written. ``delay``: how long to wait before another try.
    """
    if os.geteuid() and here.root.system:
        return _say(NotStarted("its unit has a user, so that it cannot become the one that is to run it"))
    if here.is_confined():
        from ggl.host.systemd.outside import attempt_outside

        try:
            made = attempt_outside(here, kind)
        except NotStarted as error:
            return _say(error)
        here.tell(made.message)
    else:
        made = attempt(here, kind)
    if made.error is not None:
        status = _say(made.error)
    elif made.script is not None:
        status = _become(here, made, made.script)
    else:
        notify(READY)
        return 0
    if status == EXIT_LACKING and (made.again or made.script) and os.geteuid() == 0:
        _try_later(float(delay), kind, here.name, made.limit)
    return status


def attempt(here: Surroundings, kind: str) -> Attempt:
    """Everything that comes before the script, and can be done by another process in its place."""
    before = records.read_run(here.directory, here.name)
    run = Run(invocation=here.invocation, kind=kind, started=records.now(), restarts=before.restarts)
    unit = here.loaded()
    if unit is None:
        why = f"there is no definition of it in {here.root.units}"
        return _failed(here, replace(run, failures=before.failures), NotStarted(why))
    same = before.unit.get("revision") == unit.revision
    run = replace(run, unit=unit.to_dict(), failures=before.failures if same else {})
    chosen = _choose(here, unit)
    if chosen is None:
        return _nothing(here, replace(run, kind="oneshot" if kind == "oneshot" else ""))
    if chosen.kind != kind:
        why = f"a Skipif has changed: it is started by its {chosen.kind} script from now on"
        return _failed(here, run, NotStarted(why, lacking=True))
    try:
        script = prepare(unit, chosen.command, "start", here.root)
    except NotStarted as error:
        return replace(_failed(here, run, error), limit=chosen.command.timeout, again=error.lacking)
    run = replace(run, began=True, environment=script.common)
    message = f"{run.kind} script"
    problem = here.write(run, message)
    if problem:
        failed = _failed(here, run, NotStarted(problem, lacking=True))
        return replace(failed, limit=chosen.command.timeout, again=True)
    record = os.open(records.run_path(here.directory, here.name), os.O_WRONLY | os.O_CLOEXEC)
    return Attempt(run, message, script, record=record, limit=chosen.command.timeout)


def _try_later(delay: float, kind: str, name: str, limit: float | None) -> None:
    """Become a shell that waits and begins anew: an interpreter that waits for a runtime that is down costs too much.

    It does not count as the script's time.
    """
    notify(f"EXTEND_TIMEOUT_USEC={int((delay + (limit or 0.0) + 1.0) * 1e6)}")
    again = (*sys.orig_argv[: -len(sys.argv) + 1], "start", escaped(name), kind, str(min(2 * delay, LONGEST_DELAY)))
    try:
        os.execv("/bin/sh", ["/bin/sh", "-c", 'sleep "$0"; exec "$@"', str(delay), *again])
    except OSError:
        pass  # there is not even memory for that: systemd tries again


def _choose(here: Surroundings, unit: Unit) -> Start | None:
    for start in unit.start:
        if not is_skipped(start.command, unit.user):
            return start
        _tell(here, f"{here.name}: {start.kind} is skipped: its Skipif holds")
    return None


def _tell(here: Surroundings, message: str) -> None:
    """Say what is not for the component's log."""
    stream = open_stream(OWN_IDENTIFIER, here.service, INFO)
    os.write(stream if stream >= 0 else 2, f"<6>hostd: {message}\n".encode("utf-8", "replace"))


def _nothing(here: Surroundings, run: Run) -> Attempt:
    message = "nothing to do"
    here.write(run, message)
    return Attempt(run, message)


def _become(here: Surroundings, made: Attempt, script: Script) -> int:
    run = made.run
    stream = open_stream(str(run.unit["component"] or here.name), here.service, WARNING)
    if stream >= 0:
        os.dup2(stream, 2)
    reset_signals()
    try:
        script.enter()
        _check(script)
        if run.kind == "startup":
            script.environment["NOTIFY_SOCKET"] = os.environ.get("NOTIFY_SOCKET", "")
            program = next(filter(os.path.exists, _NOTIFY), "systemd-notify")
            script.become(["/bin/sh", "-c", _STARTUP, script.shell, script.text, program])
        if run.kind == "run" and not notify(READY) and "NOTIFY_SOCKET" in os.environ:
            raise NotStarted("it cannot tell systemd that it is up")
        script.execute()
    except NotStarted as error:
        data = json.dumps(asdict(_with(run, error))).encode()
        os.pwrite(made.record, data, 0)
        os.ftruncate(made.record, len(data))
        return _say(error)
    return 0


def _check(script: Script) -> None:
    """The unit is up as soon as the script runs, and once it is said there is no way back: so see that it will run."""
    path = script.environment.get("PATH", os.defpath)
    candidates = [script.shell] if "/" in script.shell else [os.path.join(p, script.shell) for p in path.split(":")]
    if not any(os.path.isfile(candidate) and os.access(candidate, os.X_OK) for candidate in candidates):
        raise NotStarted(f"cannot run {script.shell}: there is no such program for this user in {path}")
    texts = [script.text, *(f"{name}={value}" for name, value in script.environment.items())]
    for text in texts:
        if "\0" in text:
            raise NotStarted(f"cannot run {script.shell}: embedded null byte")
        if len(os.fsencode(text)) >= _MOST_BYTES:
            raise NotStarted(f"cannot run {script.shell}: {text[:40]!r}... is longer than a program can be given")


def _failed(here: Surroundings, run: Run, error: NotStarted) -> Attempt:
    run, message = _with(run, error), f"not started: {error}"
    here.write(run, message)
    return Attempt(run, message, error=error)


def _with(run: Run, error: NotStarted) -> Run:
    return replace(run, began=False, why=str(error), lacking=error.lacking)


def _say(error: NotStarted) -> int:
    os.write(2, f"<3>start could not begin: {error}\n".encode("utf-8", "replace"))
    return error.exit_status
