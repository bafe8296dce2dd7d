"""Becoming another user: ``user[:group]`` as it stands in ``runWith``, names or numbers; and what belongs to it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ggl.privilege import can_change_users


class UnknownUser(Exception):
    """There is no such user, or this process may not become it; the text says what to do."""


@dataclass(frozen=True)
class Account:
    """``home`` is empty when nothing changes."""

    uid: int
    gid: int
    name: str
    home: str


def resolve(text: str) -> Account:
    """The account that ``user[:group]`` names; empty text is the current user. Raises ``UnknownUser``."""
    if not text:
        return Account(os.geteuid(), os.getegid(), "", "")
    import grp
    import pwd

    user, _, group = text.partition(":")
    try:
        entry = pwd.getpwuid(int(user)) if user.isdecimal() else pwd.getpwnam(user)
        uid, gid, name, home = entry.pw_uid, entry.pw_gid, entry.pw_name, entry.pw_dir
    except KeyError:
        if not user.isdecimal() or not group:
            hint = "; a number without a passwd entry needs a group: user:group" if user.isdecimal() else ""
            raise UnknownUser(f"there is no user '{user}' on this device{hint}") from None
        uid, gid, name, home = int(user), -1, "", "/"
    if group:
        try:
            gid = int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
        except KeyError:
            raise UnknownUser(f"there is no group '{group}' on this device") from None
    anybody = can_change_users()
    if not anybody and uid != os.geteuid():
        raise UnknownUser(
            f"the runtime runs unprivileged and cannot run a step as '{user}': start it as root, "
            "or change runWith or RequiresPrivilege"
        )
    if not anybody and gid != os.getegid():
        if group:
            raise UnknownUser(f"the runtime runs unprivileged and cannot run a step in the group '{group}'")
        gid = os.getegid()
    return Account(uid, gid, name, "" if uid == os.geteuid() else home)


def become(account: Account) -> None:
    """Change the ids of this process to ``account``'s, for good. Raises ``OSError``."""
    if account.uid == os.geteuid() and account.gid == os.getegid():
        return
    if account.name:
        os.initgroups(account.name, account.gid)
    else:
        os.setgroups([account.gid])
    os.setresgid(account.gid, account.gid, account.gid)
    os.setresuid(account.uid, account.uid, account.uid)


def hand_over(directory: Path, account: Account) -> None:
    """Give ``directory`` to ``account``, with everything in it that belonged to whoever had it before.

    What is somebody else's stays so, and no link is followed. The directory itself comes last: an interruption in the
    middle is made up for the next time. Only root can do this; for anybody else it is nothing. Raises ``OSError``.
    """
    before = directory.stat()
    if os.geteuid() != 0 or (before.st_uid, before.st_gid) == (account.uid, account.gid):
        return
    for _, folders, files, folder in os.fwalk(directory, topdown=False):
        for name in (*folders, *files):
            try:
                if os.stat(name, dir_fd=folder, follow_symlinks=False).st_uid == before.st_uid:
                    os.chown(name, account.uid, account.gid, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                pass  # somebody works in there just now
    os.chown(directory, account.uid, account.gid)
