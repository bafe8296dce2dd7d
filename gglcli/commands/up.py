"""``ggl up`` and ``ggl down``: the life of the runtime itself."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from gglcli import output
from gglcli.client import HOST, call, command, forbidden, is_forbidden, root
from gglcli.errors import CliError
from gglcli.output import Text
from gglcli.parameters import seconds


def up(
    foreground: Annotated[
        bool, typer.Option("--foreground", "-F", help="Stay in the foreground, for a container or a service manager.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", "-w", help="Wait until every component is RUNNING, FINISHED or BROKEN.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", callback=seconds, help="How long the runtime may take to be ready.")
    ] = 30,
) -> None:
    """Start the runtime, and the components that were deployed.

    It is ready when this returns. A runtime that runs already is no error.

    Examples:
      ggl up
      ggl up --wait --timeout 120     # until the components are up as well
      ggl up --foreground             # as the main process of a container
      ggl up --root /tmp/device-1     # a second runtime beside the first
    """
    from ggl.host.process import launch

    if is_forbidden():
        raise forbidden()
    if foreground:
        launch.foreground(root())  # this process becomes the runtime
    deadline = time.monotonic() + timeout
    try:
        result = launch.start(root(), timeout)
    except launch.StartError as error:
        started = (root().logs / "ggl.core.ggld.log").exists()
        raise CliError(str(error), hint=f"see '{command('logs ggld')}'" if started else "") from None
    state = "running already" if result.already_running else "started"
    if wait:
        _wait_for_components(deadline)
    data = {"state": "running", "already_running": result.already_running, "pid": result.pid, "root": str(root().state)}
    output.show(data, Text(f"runtime {state} (pid {result.pid}, {root().state})"))


def down(
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="After this, what still runs is killed.")] = 60,
) -> None:
    """Stop the components in order, then the daemons and the runtime itself.

    A runtime that does not run is no error.

    Examples:
      ggl down
      ggl down --timeout 10
    """
    from ggl.host.process import launch

    if is_forbidden():
        raise forbidden()
    result = launch.stop(root(), timeout)
    text = "runtime stopped" if result.was_running else f"the runtime at {root().state} was not running"
    data = {"state": "stopped", "was_running": result.was_running, "ended": result.ended}
    blocks = [Text(text)]
    if result.ended:
        blocks.append(Text(f"ended {len(result.ended)} processes that were left", "dim"))
    output.show(data, *blocks)


def _wait_for_components(deadline: float) -> None:
    from gglcli.health import Healths, require_up

    # A component that was stopped by hand stays so over a restart: nobody waits for it.
    wanted = {unit["component"] for unit in call(HOST, "list") if unit.get("phase") == "main" and unit.get("wanted")}
    with Healths() as healths:
        require_up(healths, wanted, healths.settle(wanted, deadline))
