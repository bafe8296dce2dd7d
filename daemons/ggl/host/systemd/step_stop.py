"""``step stop``: the shutdown script of a component that is to go down, or has finished."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from ggl.host.systemd.aside import run_aside
from ggl.host.systemd.streams import INFO, OWN_IDENTIFIER, open_stream
from ggl.host.systemd.surroundings import definition

if TYPE_CHECKING:
    from ggl.host.systemd.records import Run
    from ggl.host.systemd.surroundings import Surroundings
    from ggl.host.unit import Unit


def stop(here: Surroundings) -> int:
    """Run the shutdown script, and recover when that takes too long; the exit status, which says nothing of either.

    After an error that is up to ``post``: recover comes first then.
    """
    use_own_log(here)
    run = here.run()
    unit = definition(run)
    if unit is None or not run.kind or _has_failed(here, run):
        return 0
    take_down(here, unit, run)
    return 0


def take_down(here: Surroundings, unit: Unit, run: Run) -> Run:
    """Run the shutdown script, then, when that takes too long, recover. Returns the record with what came of it."""
    run = replace(run, shut_down=True)
    here.write(run, "shutdown script")
    overdue = run_aside(here, unit, run, unit.stop, "stop")
    if overdue:
        run = replace(run, overdue=overdue)
        here.write(run, f"shutdown {overdue}")
        run_aside(here, unit, run, unit.recover, "recover")
    return run


def _has_failed(here: Surroundings, run: Run) -> bool:
    """The run has ended by an error; that it was asked to end, or has finished, is none."""
    if os.environ.get("SERVICE_RESULT", "success") != "success" or here.wish().reported_error > run.started:
        return True
    # They are set when the main process is gone.
    return (os.environ.get("EXIT_CODE", "exited"), os.environ.get("EXIT_STATUS", "0")) != ("exited", "0")


def use_own_log(here: Surroundings) -> None:
    """What we say ourselves is not the component's."""
    stream = open_stream(OWN_IDENTIFIER, here.service, INFO)
    if stream >= 0:
        os.dup2(stream, 2)
        os.close(stream)
