"""``ggl up`` and ``ggl down``: the life of the runtime itself."""

from __future__ import annotations

import os
import time
from typing import Annotated, Any

import typer

from ggl.host.detect import host_of, is_booted_with_systemd
from gglcli import output
from gglcli.client import HOST, call, command, forbidden, is_forbidden, root
from gglcli.errors import FAILURE, USAGE, CliError
from gglcli.output import Text
from gglcli.parameters import seconds


def up(
    foreground: Annotated[
        bool, typer.Option("--foreground", "-F", help="Stay in the foreground, for a container or a service manager.")
    ] = False,
    systemd: Annotated[
        bool, typer.Option("--systemd", help="Install the runtime as services of this device before, as 'ggl install'.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", "-w", help="Wait until every component is RUNNING, FINISHED or BROKEN.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", callback=seconds, help="How long the runtime may take to be ready.")
    ] = 30,
) -> None:
    """Start the runtime, and the components that were deployed.

    It is ready when this returns. A runtime that runs already is no error. On a device where it is installed ('ggl
    install'), systemd or OpenRC runs it; elsewhere a supervisor of its own does. Where systemd is, the runtime of the
    whole device must be installed.

    Examples:
      ggl up
      ggl up --wait --timeout 120     # until the components are up as well
      ggl up --systemd                # on a device, with systemd
      ggl up --foreground             # as the main process of a container
      ggl up --root /tmp/device-1     # a second runtime beside the first
    """
    if foreground and (systemd or host_of(root()) != "process"):
        raise CliError(
            f"{host_of(root())} runs the runtime of this device, and nobody does that in the foreground",
            USAGE,
            hint="'ggl up' starts it; 'ggl up --foreground --root DIR' runs another one",
        )
    if systemd:
        from gglcli.commands.install import install_services

        install_services()
    if is_forbidden():
        raise forbidden()
    if not foreground:
        _refuse_half_a_device()
    if foreground:
        from ggl.host.process import launch

        launch.foreground(root())  # this process becomes the runtime
    deadline = time.monotonic() + timeout
    pid, already_running = _START[host_of(root())](timeout)
    if wait:
        _wait_for_components(deadline)
    data = {"state": "running", "already_running": already_running, "pid": pid, "root": str(root().state)}
    state = "running already" if already_running else "started"
    output.show(data, Text(f"runtime {state} (pid {pid}, {root().state})"))


def down(
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="After this, what still runs is killed.")] = 60,
) -> None:
    """Stop the components in order, then the daemons and the runtime itself.

    A runtime that does not run is no error. One that is installed on a device starts again at the next boot.

    Examples:
      ggl down
      ggl down --timeout 10
    """
    if is_forbidden():
        raise forbidden()
    was_running, ended = _STOP[host_of(root())](timeout)
    text = "runtime stopped" if was_running else f"the runtime at {root().state} was not running"
    data = {"state": "stopped", "was_running": was_running, "ended": ended}
    blocks = [Text(text)]
    if ended:
        blocks.append(Text(f"ended {len(ended)} processes that were left", "dim"))
    output.show(data, *blocks)


def _refuse_half_a_device() -> None:
    """A supervisor in the place of the device's runtime would be gone at the next boot, and leave root's files."""
    if not root().system or host_of(root()) != "process" or not is_booted_with_systemd():
        return
    from ggl.host.process import launch

    if not launch.running_pid(root()):
        hint = "'ggl install' does that and starts it; 'ggl up --root DIR' runs another one"
        raise CliError("the runtime of this device is not installed as services of systemd", FAILURE, hint=hint)


def _start_supervisor(timeout: float) -> tuple[int, bool]:
    """Process id, and whether it ran before."""
    from ggl.host.process import launch

    try:
        result = launch.start(root(), timeout)
    except launch.StartError as error:
        started = (root().logs / "ggl.core.ggld.log").exists()
        raise CliError(str(error), hint=f"see '{command('logs ggld')}'" if started else "") from None
    return result.pid, result.already_running


def _start_services(timeout: float) -> tuple[int, bool]:
    from ggl.host.systemd import control
    from ggl.host.systemd.systemctl import SystemctlError

    try:
        before = control.is_up()
        return control.start(root(), timeout), before
    except SystemctlError as error:
        raise _failed(error, "see 'systemctl status ggl.core.hostd' and 'ggl logs hostd'") from None


def _stop_supervisor(timeout: float) -> tuple[bool, list[int]]:
    """Whether it ran, and the processes that had lost it and were ended."""
    from ggl.host.process import launch

    result = launch.stop(root(), timeout)
    return result.was_running, result.ended


def _stop_services(timeout: float) -> tuple[bool, list[int]]:
    from ggl.host.systemd import control
    from ggl.host.systemd.systemctl import SystemctlError

    try:
        return control.stop(timeout), []
    except SystemctlError as error:
        raise _failed(error, "see 'systemctl list-jobs'") from None


def _failed(error: Exception, hint: str) -> CliError:
    if os.geteuid() != 0:  # whom systemd asks for a password, if it lets him at all
        return CliError(f"only root may start and stop services: {error}", FAILURE, hint="use sudo", code="NOPERM")
    return CliError(str(error), FAILURE, hint=hint)


def _start_service(_timeout: float) -> tuple[int, bool]:
    from ggl.host.openrc import control

    before = control.is_started()
    try:
        control.start()
    except control.OpenrcError as error:
        raise CliError(str(error), FAILURE, hint=f"see '{command('logs ggld')}' and {control.LOG}") from None
    return call(HOST, "info")["pid"], before


def _stop_service(_timeout: float) -> tuple[bool, list[int]]:
    from ggl.host.openrc import control

    was_running = control.is_started()
    try:
        control.stop()
    except control.OpenrcError as error:
        raise CliError(str(error), FAILURE, hint="see 'rc-service greengrass-lite status'") from None
    return was_running, []


_START = {"systemd": _start_services, "openrc": _start_service, "process": _start_supervisor}
_STOP = {"systemd": _stop_services, "openrc": _stop_service, "process": _stop_supervisor}
"""By who runs the runtime (``ggl.host.detect``)."""


def _wait_for_components(deadline: float) -> None:
    from gglcli.health import Healths, require_up

    # A component that was stopped by hand stays so over a restart: nobody waits for it.
    units: list[dict[str, Any]] = call(HOST, "list")
    wanted = {unit["component"] for unit in units if unit.get("phase") == "main" and unit.get("wanted")}
    with Healths() as healths:
        require_up(healths, wanted, healths.settle(wanted, deadline))
