"""The last step before a lifecycle script runs: become its user, with its environment, in its directory; then exec.

It reads what a component's environment needs over the databus (which starts the daemons that hold it), and leaves no
interpreter behind. ``preparation`` is what every host does; ``become_script`` is for a child that was forked to become
the script.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from ggl.host.unit import Command, Unit
from ggl.paths import Root
from ggl.runner.preparation import EXIT_LACKING, EXIT_NOT_STARTED, NotStarted, prepare

BEGINNING = b"\0"
"""What is written to the status pipe right before the exec. Its end right after that means that the script runs."""

_MARK = "GGL_SUPERVISED"
"""By this variable a supervisor knows the processes of a component again, wherever they go."""

__all__ = ["BEGINNING", "EXIT_LACKING", "EXIT_NOT_STARTED", "become_script"]


def become_script(
    unit: Unit,
    command: Command,
    stage: str,
    root: Root,
    status_fd: int,
    cgroups: tuple[str, ...] = (),
    common: Mapping[str, str] | None = None,
) -> None:
    """Replace this process by ``command``; on failure say why on ``status_fd`` and exit.

    ``cgroups``: the files by which it enters the cgroups that limit it, with everything that it starts. ``common``: see
    ``prepare``.
    """
    try:
        script = prepare(unit, command, stage, root, common)
        if _MARK in os.environ:
            script.environment[_MARK] = os.environ[_MARK]
        _enter_cgroups(cgroups)  # as late as its user allows: what Python has used so far is not the script's
        script.enter()
        os.write(status_fd, BEGINNING)
        script.execute()
    except NotStarted as error:
        os.write(2, f"<3>{stage} could not begin: {error}\n".encode())
        os.write(status_fd, str(error).encode())
        raise SystemExit(error.exit_status) from None


def _enter_cgroups(files: tuple[str, ...]) -> None:
    for path in files:
        try:
            with open(path, "w") as file:
                file.write(str(os.getpid()))
        except OSError as error:
            os.write(2, f"<4>runs without its systemResourceLimits: {path}: {error.strerror}\n".encode())
