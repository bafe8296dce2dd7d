"""``step start``: from systemd's start of a unit to the component's script, in the same process."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, replace
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


def start(here: Surroundings, kind: str, delay: str = str(FIRST_DELAY)) -> int:
    """Become the script of the unit; the exit status when there is none to run, or it cannot be run.

    ``kind``: the way to start for which the unit file was written. ``delay``: how long to wait before another try.
    """
    before = records.read_run(here.directory, here.name)
    run = Run(invocation=here.invocation, kind=kind, started=records.now(), restarts=before.restarts)
    unit = here.loaded()
    if unit is None:
        return _failed(here, run, NotStarted(f"there is no definition of it in {here.root.units}"))
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
        status = _become(here, replace(run, began=True, environment=script.common), script)
    except NotStarted as error:
        status = _failed(here, run, error)
    if status == EXIT_LACKING and os.geteuid() == 0:
        _try_later(float(delay), kind, here.name, chosen.command.timeout)
    return status


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


def _nothing(here: Surroundings, run: Run) -> int:
    here.write(run, "nothing to do")
    notify(READY)
    return 0


def _become(here: Surroundings, run: Run, script: Script) -> int:
    problem = here.write(run, f"{run.kind} script")
    if problem:
        return _failed(here, run, NotStarted(problem, lacking=True))
    # The directory of the records is root's, which this process is soon not any more.
    record = os.open(records.run_path(here.directory, here.name), os.O_WRONLY | os.O_CLOEXEC)
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
        if run.kind == "run":
            notify(READY)
        script.execute()
    except NotStarted as error:
        data = json.dumps(asdict(_with(run, error))).encode()
        os.pwrite(record, data, 0)
        os.ftruncate(record, len(data))
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


def _failed(here: Surroundings, run: Run, error: NotStarted) -> int:
    here.write(_with(run, error), f"not started: {error}")
    return _say(error)


def _with(run: Run, error: NotStarted) -> Run:
    return replace(run, began=False, why=str(error), lacking=error.lacking)


def _say(error: NotStarted) -> int:
    os.write(2, f"<3>start could not begin: {error}\n".encode("utf-8", "replace"))
    return error.exit_status
