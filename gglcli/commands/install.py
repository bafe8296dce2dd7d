"""``ggl install`` and ``ggl uninstall``: making a device of this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ggl.host.detect import host_of, is_booted_with_openrc, is_booted_with_systemd
from gglcli import output
from gglcli.client import root
from gglcli.errors import FAILURE, USAGE, CliError
from gglcli.output import Text
from gglcli.session import session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ggl.host.action import Action

_INTO_OPT = (
    "put ggl where every user can run it, from its folder: "
    "umask 022; python3 -m venv /opt/ggl && /opt/ggl/bin/pip install ."
)


def install(
    no_start: Annotated[bool, typer.Option("--no-start", help="Enable it at boot, but do not start it now.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")] = False,
    stage: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Only write the files, below DIR: for a package or the image of a device."),
    ] = None,
    unit_dir: Annotated[Path, typer.Option(metavar="PATH", help="With --stage: where the units go in DIR.")] = Path(
        "usr/lib/systemd/system"
    ),
    python: Annotated[
        str, typer.Option(metavar="PATH", help="With --stage: the Python of the device (default: this one).")
    ] = "",
) -> None:
    """Install the runtime on this device as services of systemd, or of OpenRC, and start it.

    Makes the users ggcore (for the daemons) and ggc_user (for components), the directories, and the units; the runtime
    then starts at boot. What is there already is left alone, so it can be run again, for example after an upgrade.
    Needs root, and a Python that other users can run. With OpenRC there is one service, greengrass-lite, run by root.

    Examples:
      ggl install
      ggl install --dry-run          # what would be done
      ggl install --stage ./image    # files for a package or an image, as any user
    """
    if stage is not None:
        _stage(stage, unit_dir, python)
        return
    if python or unit_dir != Path("usr/lib/systemd/system"):
        raise CliError("--python and --unit-dir are for --stage", USAGE)
    _require_device("installed")
    if is_booted_with_openrc():
        actions = _openrc_actions(start=not no_start)
    else:
        _refuse_other_nucleus()
        _refuse_packaged("it is there already", "start it: ggl up")
        actions = _install_actions(start=not no_start)
    was_up = bool(actions) and _is_up()
    _perform(actions, dry_run, "installed, not started" if no_start else "installed", "it is installed already")
    if was_up and not dry_run:
        output.note("what runs goes on as it was started; to put all of this in force: ggl down && ggl up")


def _is_up() -> bool:
    if is_booted_with_openrc():
        from ggl.host.openrc.control import is_started

        return is_started()
    from ggl.host.systemd.control import is_up

    return is_up()


def install_services() -> None:
    """What ``ggl up --systemd`` does before it starts the runtime."""
    from ggl.host.systemd.install import packaged

    _require_device("installed")
    _refuse_other_nucleus()
    if packaged() is None:
        _do(_install_actions(start=False))


def _install_actions(*, start: bool) -> list[Action]:
    from ggl.host.systemd.install import install_actions
    from ggl.host.systemd.layout import Layout
    from ggl.host.systemd.reach import obstacle

    layout = Layout()
    if why := obstacle(layout.command):
        raise CliError(why, FAILURE, hint=_INTO_OPT)
    _refuse_supervisor()
    return install_actions(layout, start=start)


def _openrc_actions(*, start: bool) -> list[Action]:
    from ggl.host.openrc.control import install_actions, is_started
    from ggl.host.systemd.layout import interpreter

    if not is_started():
        _refuse_supervisor()
    return install_actions(interpreter(), start_it=start)


def uninstall(
    purge: Annotated[
        bool, typer.Option("--purge", help="Also remove the state with every component, the configuration, the users.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")] = False,
) -> None:
    """Stop the runtime of this device, and remove its services.

    Deployments, configuration and users stay, for the next 'ggl install', unless --purge is given.

    Examples:
      ggl uninstall
      ggl uninstall --purge --dry-run    # what would be lost
      ggl uninstall --purge --yes        # in a script
    """
    from ggl.host.openrc import control
    from ggl.host.systemd.install import uninstall_actions
    from ggl.host.systemd.layout import Layout

    _require_device("removed")
    if is_booted_with_openrc():
        actions = control.uninstall_actions(purge=purge)
    else:
        _refuse_other_nucleus()
        _refuse_packaged("it belongs to a package", "remove that, for example: apt remove ggl")
        actions = uninstall_actions(Layout(), purge=purge)
    if actions and not dry_run and not yes:
        _confirm(actions, purge)
    _perform(actions, dry_run, "removed", "it is not installed")


def _stage(directory: Path, unit_dir: Path, python: str) -> None:
    from ggl.host.systemd.install import stage
    from ggl.host.systemd.layout import Layout

    if unit_dir.is_absolute():
        unit_dir = unit_dir.relative_to("/")
    directory = directory.absolute()
    program = Path(python or sys.executable)
    if not python and program.is_relative_to(directory):
        program = Path("/", program.relative_to(directory))
    written = stage(Layout(command=(str(program), "-I")), directory, unit_dir)
    data = {"files": [str(path) for path in written], "python": str(program)}
    output.show(data, *(Text(f"wrote {path}") for path in written))


def _require_device(done: str) -> None:
    if not root().system and os.geteuid() == 0:
        hint = "leave out --root and GGL_ROOT; a runtime in a directory of its own is started with 'ggl up'"
        raise CliError(f"only the runtime of the whole device can be {done} as services", USAGE, hint=hint)
    if os.geteuid() != 0:
        raise CliError(
            f"only root can do this: the runtime is {done} for the whole device",
            FAILURE,
            hint="use sudo",
            code="NOPERM",
        )
    if not is_booted_with_systemd() and not is_booted_with_openrc():
        hint = "'ggl up' runs it under a supervisor of its own; 'ggl install --stage DIR' writes the files for an image"
        raise CliError("neither systemd nor OpenRC has booted this machine: no service manager", FAILURE, hint=hint)


def _refuse_packaged(why: str, hint: str) -> None:
    from ggl.host.systemd.install import packaged

    if (path := packaged()) is not None:
        raise CliError(f"a package has installed the runtime ({path}): {why}", FAILURE, hint=hint)


def _refuse_other_nucleus() -> None:
    from ggl.host.systemd.takeover import foreign_target

    if (path := foreign_target()) is not None:
        raise CliError(
            f"another Greengrass nucleus is installed on this device ({path})",
            FAILURE,
            hint="remove it first, with its package or its own means; 'ggl config migrate' reads its configuration",
        )


def _refuse_supervisor() -> None:
    from ggl.host.process import launch

    if pid := launch.running_pid(root()):
        raise CliError(
            f"the runtime runs under a supervisor of its own (pid {pid})", FAILURE, hint="stop it first: ggl down"
        )
    if left := launch.left_behind(root()):
        pids = " ".join(str(pid) for pid in left)
        how = "ggl down" if host_of(root()) == "process" else f"kill {pids}"
        raise CliError(
            f"a runtime under a supervisor of its own has left processes ({pids})", FAILURE, hint=f"end them: {how}"
        )


def _confirm(actions: Sequence[Action], purge: bool) -> None:
    what = "with its state, configuration and users" if purge else "from this device"
    if not sys.stdin.isatty() or not sys.stdout.isatty():
        raise CliError(f"this removes the runtime {what}", USAGE, hint="confirm with --yes, or look with --dry-run")
    for action in actions:
        sys.stderr.write(f"  {action.text}\n")
    sys.stderr.write(f"Remove the runtime {what}? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CliError("nothing was removed", FAILURE)


def _do(actions: Sequence[Action]) -> None:
    """Do all in turn, and say so as it happens."""
    from ggl.host.openrc.control import OpenrcError
    from ggl.host.systemd.accounts import AccountError
    from ggl.host.systemd.systemctl import SystemctlError

    for action in actions:
        if not session.json:
            output.show(None, Text(action.text))
            output.flush()
        try:
            action.perform()
        except (SystemctlError, AccountError, OpenrcError) as error:
            raise CliError(f"could not {action.text}: {error}", FAILURE) from None
        except OSError as error:
            why = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
            raise CliError(f"could not {action.text}: {why}", FAILURE) from None


def _perform(actions: Sequence[Action], dry_run: bool, done: str, nothing: str) -> None:
    """Do all in turn, or only say what would be done."""
    if not dry_run:
        _do(actions)
    lines = [Text(f"would {action.text}") for action in actions] if dry_run else [Text(done, "good")]
    data = {
        "changed": bool(actions) and not dry_run,
        "dry_run": dry_run,
        "actions": [action.text for action in actions],
    }
    output.show(data, *(lines if actions else [Text(nothing)]))
