"""The user and the group that components run as, made with whatever tools the device has."""

from __future__ import annotations

import grp
import pwd
import shutil
from collections.abc import Callable

from ggl.host.action import Action
from ggl.privilege import COMPONENT_GROUP, COMPONENT_USER

HOME = "/var/lib/ggc_user"
_NO_LOGIN = "/sbin/nologin"


def actions(run: Callable[..., None]) -> list[Action]:
    """What is missing. ``run`` runs a program, given as its words."""
    found = []
    if not _exists(grp.getgrnam, COMPONENT_GROUP):
        tool = "groupadd" if _has_shadow() else "addgroup"
        group = (tool, "--system" if _has_shadow() else "-S", COMPONENT_GROUP)
        found.append(Action(f"make the group {COMPONENT_GROUP}", lambda: run(*group)))
    if not _exists(pwd.getpwnam, COMPONENT_USER):
        if _has_shadow():
            options = ("--system", "--no-create-home", "--home-dir", HOME, "--shell", _NO_LOGIN)
            user: tuple[str, ...] = ("useradd", *options, "--gid", COMPONENT_GROUP, COMPONENT_USER)
        else:  # busybox
            user = ("adduser", "-S", "-D", "-H", "-h", HOME, "-s", _NO_LOGIN, "-G", COMPONENT_GROUP, COMPONENT_USER)
        found.append(Action(f"make the user {COMPONENT_USER}, for components", lambda: run(*user)))
    return found


def removals(run: Callable[..., None]) -> list[Action]:
    """What is there, if it was made here: the home says so."""
    if not _exists(pwd.getpwnam, COMPONENT_USER) or pwd.getpwnam(COMPONENT_USER).pw_dir != HOME:
        return []
    found = [Action(f"remove the user {COMPONENT_USER}", lambda: run(_either("userdel", "deluser"), COMPONENT_USER))]
    if _exists(grp.getgrnam, COMPONENT_GROUP):
        remove = (_either("groupdel", "delgroup"), COMPONENT_GROUP)
        found.append(Action(f"remove the group {COMPONENT_GROUP}", lambda: run(*remove)))
    return found


def _has_shadow() -> bool:
    return shutil.which("useradd") is not None


def _either(shadow: str, busybox: str) -> str:
    return shadow if _has_shadow() else busybox


def _exists(look_up: Callable[[str], object], name: str) -> bool:
    try:
        look_up(name)
    except KeyError:
        return False
    return True
