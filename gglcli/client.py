"""The way to the runtime: which one, a connection to its databus, and what its errors mean to whoever called us."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ggl.bus import BusError, ErrorCode
from ggl.paths import SYSTEM, Root, find_root
from ggl.privilege import RUNTIME_GROUP
from gglcli.errors import FAILURE, NOT_RUNNING, CliError, exit_code_for
from gglcli.session import session

if TYPE_CHECKING:
    from ggl.bus import Client

HOST = "gg_host"

_HINTS = {
    "TIMEOUT": "the runtime may be busy; try again or allow more time",
    "BUSY": "try again in a moment",
    "RETRY": "try again in a moment",
    "NOMEM": "free some memory or disk space",
    "NOCONN": "try again in a moment; 'ggl status' shows which daemon is down",
}


def root() -> Root:
    """The runtime that ``--root``, ``GGL_ROOT`` or this user's default selects."""
    return find_root(session.root)


def connect(interface: str, timeout: float = 10.0) -> Client:
    """A connection to ``interface``; ``timeout`` (seconds) holds for each call as well. Raises ``BusError``."""
    from ggl.bus import connect as connect_bus

    client = connect_bus(interface, root(), timeout)
    if session.trail:
        client.trail = session.trail
    session.trail = client.trail
    return client


def call(interface: str, method: str, params: dict[str, Any] | None = None, timeout: float = 10.0) -> Any:
    """One call on its own connection."""
    with connect(interface, timeout) as client:
        return client.call(method, params)


def is_running() -> bool:
    try:
        connect(HOST, timeout=2.0).close()
    except BusError as error:
        return error.code == ErrorCode.BUSY
    return True


def is_forbidden() -> bool:
    """Whether a runtime is there that belongs to another user."""
    socket = root().bus_socket(HOST)
    try:
        return socket.exists() and not os.access(socket, os.W_OK)
    except PermissionError:
        return True


def forbidden() -> CliError:
    from ggl.host.detect import host_of

    hint = "run ggl as the runtime's user, for example with sudo"
    if host_of(root()) == "systemd":
        hint = f"use sudo, or join the group {RUNTIME_GROUP}"
    return CliError(f"no permission to use the runtime at {root().state}", FAILURE, hint=hint, code="NOPERM")


def not_running() -> CliError:
    return CliError(f"the runtime at {root().state} is not running", NOT_RUNNING, hint=start_hint())


def start_hint() -> str:
    hint = f"start it with '{command('up')}'"
    by_default = not (session.root or os.environ.get("GGL_ROOT") or root().system)
    if by_default and SYSTEM.bus_socket(HOST).exists():
        hint += f"; that of the device needs --root {SYSTEM.state}, and the group {RUNTIME_GROUP} or sudo"
    return hint


def command(words: str) -> str:
    """A command to suggest, with the ``--root`` that this invocation was given."""
    import shlex

    return f"ggl {words} --root {shlex.quote(session.root)}" if session.root else f"ggl {words}"


def translate(error: BusError) -> CliError:
    """What to tell the user about an error of the databus, and with which code to exit."""
    if error.code == ErrorCode.NOCONN:
        if is_forbidden():
            return forbidden()
        if not is_running():
            return not_running()
    # A message that names a command has its own remedy.
    hint = "" if "'ggl " in error.message else _HINTS.get(error.code.value, "")
    if not hint and error.trail and error.code in (ErrorCode.FAILURE, ErrorCode.FATAL, ErrorCode.REMOTE):
        hint = f"see '{command(f'logs --trail {error.trail}')}'"
    return CliError(error.message, exit_code_for(error.code.value), hint=hint, code=error.code.value, trail=error.trail)
