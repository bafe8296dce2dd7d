"""The last step before a lifecycle script runs: become its user, with its environment, in its directory; then exec.

Runs in a child that the host has forked. It reads what a component's environment needs over the databus (which starts
the daemons that hold it), and leaves no interpreter behind.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

from ggl.host.unit import ONCE_PHASES, Command, Unit
from ggl.paths import Root
from ggl.version import NUCLEUS, NUCLEUS_ALIAS

EXIT_NOT_STARTED = 203
"""Exit status of a child that failed before its script or daemon began."""
EXIT_LACKING = 204
"""The same, because the device or the runtime lacks something just now: it is worth another try."""
BEGINNING = b"\0"
"""What is written to the status pipe right before the exec. Its end right after that means that the script runs."""


_DEVICE_ERRORS = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT)
"""What no script is to blame for: processes, memory, descriptors or disk space have run out."""


class NotStarted(Exception):
    """The script cannot be run; the text says why."""


def become_script(
    unit: Unit, command: Command, stage: str, root: Root, status_fd: int, cgroups: tuple[str, ...] = ()
) -> None:
    """Replace this process by ``command``; on failure say why on ``status_fd`` and exit.

    ``cgroups``: the files by which it enters the cgroups that limit it, with everything that it starts.
    """
    from ggl.bus.errors import BusError
    from ggl.runner.user import UnknownUser, become, hand_over, resolve

    status = EXIT_NOT_STARTED
    try:
        account = resolve("root" if command.privileged else unit.user)
        environment = _environment(unit, command, root, account.home)
        directory = root.work / (unit.component or unit.name)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A privileged step works in the component's directory, it does not take it away.
        hand_over(directory, resolve(unit.user))
        _enter_cgroups(cgroups)  # as late as its user allows: what Python has used so far is not the script's
        become(account)
        _enter(directory, account.name)
        os.write(status_fd, BEGINNING)
        os.execvpe(unit.shell, [unit.shell, "-c", command.script], environment)
    except (UnknownUser, NotStarted) as error:
        reason = str(error)
    except BusError as error:
        reason = f"the runtime did not give what {stage} needs: {error.message}"
        status = EXIT_LACKING if _will_pass(error) else status
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the script or its environment
        reason = f"cannot run {unit.shell}: {error}"
        status = EXIT_LACKING if isinstance(error, OSError) and error.errno in _DEVICE_ERRORS else status
    os.write(2, f"<3>{stage} could not begin: {reason}\n".encode())
    os.write(status_fd, reason.encode())
    raise SystemExit(status)


def _will_pass(error: Any) -> bool:
    from ggl.bus.errors import ErrorCode

    codes = (ErrorCode.NOCONN, ErrorCode.TIMEOUT, ErrorCode.BUSY, ErrorCode.RETRY, ErrorCode.NOMEM)
    return error.code in codes


def _enter_cgroups(files: tuple[str, ...]) -> None:
    for path in files:
        try:
            with open(path, "w") as file:
                file.write(str(os.getpid()))
        except OSError as error:
            os.write(2, f"<4>runs without its systemResourceLimits: {path}: {error.strerror}\n".encode())


def _environment(unit: Unit, command: Command, root: Root, home: str) -> dict[str, str]:
    from ggl.bus.client import connect
    from ggl.runner.environment import component_environment

    with connect("gg_config", root, 30.0) as config:
        system = _read(config, ["system"])
        nucleus: dict[str, Any] = {}
        for name in (NUCLEUS, NUCLEUS_ALIAS):
            nucleus = nucleus or _read(config, ["services", name, "configuration"])
    with connect("gg_ipc", root, 30.0) as ipc:
        token = ipc.call("token", {"component": unit.component, "users": _users(unit)})
    environment = component_environment(
        system,
        nucleus,
        token=token,
        ipc_socket=str(root.ipc_socket),
        registration_socket=str(root.bus_socket("gg_registration")),
        inherited=os.environ,
    )
    if home:
        environment["HOME"] = home
    environment.update(command.environment)
    # By this the supervisor knows the component's processes again, wherever they go.
    environment["GGL_SUPERVISED"] = os.environ["GGL_SUPERVISED"]
    return environment


def _users(unit: Unit) -> dict[str, list[int]]:
    """The user ids that the steps run as, by phase: those from which the component's token will be accepted.

    When a component begins, whatever ran once before has ended.
    """
    from ggl.runner.user import resolve

    commands = [*(start.command for start in unit.start), unit.stop, unit.recover]
    privileged = any(command is not None and command.privileged for command in commands)
    phase = unit.phase or "main"
    users: dict[str, list[int]] = {phase: sorted({resolve(unit.user).uid, *([0] if privileged else [])})}
    if phase == "main":
        users |= {once: [] for once in (*ONCE_PHASES, *(() if unit.install else ("install",)))}
    return users


def _enter(directory: Path, user: str) -> None:
    try:
        os.chdir(directory)
    except PermissionError:
        raise NotStarted(
            f"the user {user or os.geteuid()} may not enter {directory}: every directory above it must let others in "
            "(chmod o+x)"
        ) from None


def _read(config: Any, key_path: list[str]) -> dict[str, Any]:
    from ggl.bus.errors import BusError, ErrorCode

    try:
        value = config.call("read", {"key_path": key_path})
    except BusError as error:
        if error.code is ErrorCode.NOENTRY:
            return {}
        raise
    return value if isinstance(value, dict) else {}
