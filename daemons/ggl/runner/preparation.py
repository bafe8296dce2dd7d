"""What every host does before a lifecycle script runs: its user, its environment, its directory; then exec.

``prepare`` finds out, as whoever the host is; ``Script.enter`` becomes the script's user, for good; ``Script.execute``
replaces the process. Each raises ``NotStarted``.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ggl.cloud import needs_credentials
from ggl.host.unit import ONCE_PHASES, Command, Unit
from ggl.paths import Root
from ggl.version import NUCLEUS

T = TypeVar("T")

EXIT_NOT_STARTED = 203
"""Exit status of a process that failed before its script or daemon began."""
EXIT_LACKING = 204
"""The same, because the device or the runtime lacks something just now: it is worth another try."""

_DEVICE_ERRORS = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT)
"""What no script is to blame for: processes, memory, descriptors or disk space have run out."""


class NotStarted(Exception):
    """The script cannot be run; the text says why.

    ``lacking``: nothing is wrong with it, the device or the runtime lacks something just now.
    """

    def __init__(self, reason: str, lacking: bool = False) -> None:
        super().__init__(reason)
        self.lacking = lacking

    @property
    def exit_status(self) -> int:
        return EXIT_LACKING if self.lacking else EXIT_NOT_STARTED


@dataclass(frozen=True)
class Script:
    """A lifecycle script with all that it needs to run. ``common``: its environment without what is the step's own."""

    shell: str
    text: str
    account: Any
    directory: Path
    environment: dict[str, str]
    common: Mapping[str, str]

    def enter(self) -> None:
        """Become its user, in its directory."""
        from ggl.runner.user import become

        try:
            become(self.account)
            os.chdir(self.directory)
        except PermissionError as error:
            if error.filename is None:
                raise _explained(error, self.shell) from None
            raise NotStarted(
                f"the user {self.account.name or os.geteuid()} may not enter {self.directory}: every directory above "
                "it must let others in (chmod o+x)"
            ) from None
        except OSError as error:
            raise _explained(error, self.shell) from None

    def execute(self) -> None:
        """Replace this process by it."""
        self.become([self.shell, "-c", self.text])

    def become(self, arguments: list[str]) -> None:
        """Replace this process by ``arguments``, with the script's environment."""
        try:
            os.execvpe(arguments[0], arguments, self.environment)
        except (OSError, ValueError) as error:  # ValueError: a zero byte in the script or its environment
            raise _explained(error, arguments[0]) from None


def prepare(unit: Unit, command: Command, stage: str, root: Root, common: Mapping[str, str] | None = None) -> Script:
    """Find out all that ``command``, the step ``stage`` of ``unit``, needs, and make its directory.

    ``common``: the part of the environment that is the same for every step, if it is known from an earlier one; else
    the runtime is asked, which starts the daemons that know.
    """
    from ggl.bus.errors import BusError
    from ggl.runner.user import UnknownUser, hand_over, resolve

    try:
        account = resolve("root" if command.privileged else unit.user)
        common = common or _common_environment(unit, root)
        directory = root.work / (unit.component or unit.name)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A privileged step works in the component's directory, it does not take it away.
        hand_over(directory, resolve(unit.user))
    except UnknownUser as error:
        raise NotStarted(str(error)) from None
    except BusError as error:
        raise NotStarted(f"the runtime did not give what {stage} needs: {error.message}", _will_pass(error)) from None
    except OSError as error:
        raise _explained(error, unit.shell) from None
    environment = dict(common)
    if account.home:
        environment["HOME"] = account.home
    environment.update(command.environment)
    return Script(unit.shell, command.script, account, directory, environment, common)


def reset_signals() -> None:
    """The signals of a fresh process: a script is not to ignore what the interpreter, or who started it, ignores."""
    import signal

    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)


def _explained(error: OSError | ValueError, shell: str) -> NotStarted:
    lacking = isinstance(error, OSError) and error.errno in _DEVICE_ERRORS
    return NotStarted(f"cannot run {shell}: {error}", lacking)


def _will_pass(error: Any) -> bool:
    from ggl.bus.errors import ErrorCode

    # NOENTRY: others have their sockets, but this daemon has not; there is no other way to be without an answer.
    codes = (ErrorCode.NOCONN, ErrorCode.NOENTRY, ErrorCode.TIMEOUT, ErrorCode.BUSY, ErrorCode.RETRY, ErrorCode.NOMEM)
    return error.code in codes


def _common_environment(unit: Unit, root: Root) -> dict[str, str]:
    from ggl.bus.client import connect
    from ggl.runner.environment import component_environment

    with connect("gg_config", root, 30.0) as config:
        system: dict[str, Any] = _read(config, ["system"], {})
        nucleus: dict[str, Any] = _read(config, ["services", NUCLEUS, "configuration"], {})
        # Only whoever names the service as a dependency gets credentials; it serves no port for nobody.
        dependencies: list[Any] = _read(config, ["services", unit.component, "dependencies"], [])
    tes_port = None
    if needs_credentials(dependencies):
        with connect("aws_iot_tes", root, 30.0) as tes:
            tes_port = tes.call("serve_port")
    with connect("gg_ipc", root, 30.0) as ipc:
        token = ipc.call("token", {"component": unit.component, "users": _users(unit)})
    return component_environment(
        system,
        nucleus,
        token=token,
        ipc_socket=str(root.ipc_socket),
        registration_socket=str(root.bus_socket("gg_registration")),
        inherited=os.environ,
        tes_port=tes_port,
    )


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


def _read(config: Any, key_path: list[str], default: T) -> T:
    """What is there, if it is of the kind of ``default``."""
    from ggl.bus.errors import BusError, ErrorCode

    try:
        value = config.call("read", {"key_path": key_path})
    except BusError as error:
        if error.code is ErrorCode.NOENTRY:
            return default
        raise
    return value if isinstance(value, type(default)) else default
