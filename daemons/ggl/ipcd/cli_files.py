"""The files by which clients of the command line tool find the runtime and show who they are.

Each is ``<root>/cli_ipc_info/user-<uid>`` or ``group-<gid>``, JSON with ``cli_auth_token`` and ``domain_socket_path``,
and readable by that user or group alone. The file itself is where its token is kept: it is valid while the file is
there, and a new one is made whenever the file has to be made.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ggl.ipcd.tokens import is_token, new_token

DIRECTORY = "cli_ipc_info"
USER, GROUP = "user-", "group-"
MAX_GROUPS = 64
_TOKEN, _SOCKET = "cli_auth_token", "domain_socket_path"
_LARGEST = 16384
_NO_GROUP = 0xFFFFFFFF
"""To the kernel this stands for none."""


@dataclass(frozen=True, slots=True)
class CliClient:
    """Who may use a token: the user or the group of this number."""

    kind: str
    """``USER`` or ``GROUP``."""
    number: int

    @property
    def name(self) -> str:
        return f"{self.kind}{self.number}"


def read(directory: Path, clients: list[CliClient]) -> dict[str, CliClient]:
    """The tokens of those of ``clients`` that have a file in ``directory`` already."""
    found = {client: _kept(directory / client.name, client, None) for client in clients}
    return {token: client for client, token in found.items() if token}


def write(
    directory: Path, socket_path: str, clients: list[CliClient], complain: Callable[[str], None]
) -> dict[str, CliClient]:
    """Make ``directory`` hold the files of ``clients``, and no others; returns their tokens.

    ``complain`` is told of a client that cannot have a file, and gets none. Raises ``OSError`` when the directory
    cannot be used.
    """
    directory.mkdir(mode=0o711, exist_ok=True)
    # A member of a group finds the group's file by looking what there is; a user knows the name of his.
    os.chmod(directory, 0o755 if any(client.kind == GROUP for client in clients) else 0o711)
    tokens: dict[str, CliClient] = {}
    for client in clients:
        path = directory / client.name
        try:
            token = _kept(path, client, socket_path) or _make(path, client, socket_path)
        except OSError as error:
            complain(f"no client of the command line tool can be {client.name}: {error.strerror}: {path}")
        else:
            tokens[token] = client
    names = {client.name for client in tokens.values()}
    for name in os.listdir(directory):
        if name.lstrip(".").startswith((USER, GROUP)) and name not in names:
            (directory / name).unlink(missing_ok=True)
    return tokens


def groups(setting: Any, complain: Callable[[str], None]) -> list[CliClient]:
    """The groups that ``AuthorizedPosixGroups`` names: names or numbers, separated by commas, or a list of such."""
    found: dict[CliClient, None] = {}
    for name in _names(setting, complain):
        if not name:
            continue
        number = _group_number(name)
        if number is None:
            complain(f"AuthorizedPosixGroups: there is no group '{name[:64]}' on this device")
        elif len(found) >= MAX_GROUPS:
            complain(f"AuthorizedPosixGroups names more than {MAX_GROUPS} groups")
            break
        else:
            found[CliClient(GROUP, number)] = None
    return list(found)


def _names(setting: Any, complain: Callable[[str], None]) -> list[str]:
    names: list[str] = []
    for part in setting if isinstance(setting, list) else [setting]:
        if isinstance(part, (str, int)) and not isinstance(part, bool):
            names += [name.strip() for name in str(part).split(",")]
        elif part is not None:
            complain('AuthorizedPosixGroups must be names of groups, separated by commas: "ggadmins,1200"')
    return names


def _group_number(name: str) -> int | None:
    import grp

    try:
        return grp.getgrnam(name).gr_gid
    except (KeyError, ValueError, OSError):
        number = int(name) if name.isascii() and name.isdecimal() and len(name) <= 10 else _NO_GROUP
        return number if number < _NO_GROUP else None


def _kept(path: Path, client: CliClient, socket_path: str | None) -> str:
    """The token in a file that is as it should be; empty when it is not. ``None`` for any socket."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb") as file:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
                return ""
            if stat.S_IMODE(found.st_mode) != _mode(client):
                return ""
            if client.kind == GROUP and found.st_gid != client.number:
                return ""
            content = json.loads(file.read(_LARGEST))
    except (OSError, ValueError, RecursionError):
        return ""
    if not isinstance(content, dict) or socket_path not in (None, content.get(_SOCKET)):
        return ""
    token = content.get(_TOKEN)
    return token if isinstance(token, str) and is_token(token) else ""


def _make(path: Path, client: CliClient, socket_path: str) -> str:
    token = new_token()
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(fd, "w", encoding="utf-8") as file:
            json.dump({_TOKEN: token, _SOCKET: socket_path}, file)
            if client.kind == GROUP:
                os.fchown(fd, -1, client.number)
            os.fchmod(fd, _mode(client))
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return token


def _mode(client: CliClient) -> int:
    return 0o600 if client.kind == USER else 0o640
