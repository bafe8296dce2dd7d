"""The users and groups of the runtime: made when they are missing, removed when asked for."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess

from ggl.host.systemd.layout import COMPONENT_HOME, GROUP, USER, Layout
from ggl.privilege import COMPONENT_GROUP, COMPONENT_USER

_NO_LOGIN = "/usr/sbin/nologin"


class AccountError(Exception):
    """A user or group cannot be made or removed; the text says what the system said."""


def missing() -> list[str]:
    """Names of the users and groups that are not there, in words."""
    found = [f"group {name}" for name in (GROUP, COMPONENT_GROUP) if not group_exists(name)]
    return found + [f"user {name}" for name in (USER, COMPONENT_USER) if not user_exists(name)]


def make(layout: Layout, sysusers: str) -> None:
    """Make what is missing: by the service manager's tool from the file ``sysusers``, else one by one.

    Raises ``AccountError``.
    """
    if shutil.which("systemd-sysusers"):
        _run("systemd-sysusers", sysusers)
        return
    for name in (GROUP, COMPONENT_GROUP):
        if not group_exists(name):
            _run("groupadd", "--system", name)
    for name, home in ((USER, str(layout.root.state)), (COMPONENT_USER, str(COMPONENT_HOME))):
        if not user_exists(name):
            group = ("--gid", name) if group_exists(name) else ("--user-group",)
            settings = ("--system", "--no-create-home", "--home-dir", home, "--shell", _NO_LOGIN)
            _run("useradd", *settings, *group, name)
    _run("usermod", "--append", "--groups", COMPONENT_GROUP, COMPONENT_USER)


def ours(layout: Layout) -> list[str]:
    """The users that are there and were made for this runtime: their home says so."""
    homes = {USER: str(layout.root.state), COMPONENT_USER: str(COMPONENT_HOME)}
    return [name for name, home in homes.items() if user_exists(name) and pwd.getpwnam(name).pw_dir == home]


def remove(user: str) -> None:
    """Remove ``user`` and the group that came with it. Raises ``AccountError``."""
    _run("userdel", user)
    for group in {USER: (GROUP,), COMPONENT_USER: (COMPONENT_USER, COMPONENT_GROUP)}[user]:
        if group_exists(group):
            _run("groupdel", group)


def user_exists(name: str) -> bool:
    return _exists(pwd.getpwnam, name)


def group_exists(name: str) -> bool:
    return _exists(grp.getgrnam, name)


def _exists(look_up: object, name: str) -> bool:
    try:
        look_up(name)  # type: ignore[operator]
    except KeyError:
        return False
    return True


def _run(*arguments: str) -> None:
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, errors="replace", env=dict(os.environ))
    except OSError as error:
        raise AccountError(f"cannot run {arguments[0]}: {error.strerror}") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise AccountError(f"{arguments[0]}: {lines[-1] if lines else f'ended with {done.returncode}'}")
