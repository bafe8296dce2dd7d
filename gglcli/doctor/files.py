"""Owners and permissions of what the runtime keeps, of its identity, and of its run directory."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from ggl.privilege import RUNTIME_GROUP
from gglcli.doctor.device import Device
from gglcli.doctor.finding import Finding, failure, ok, skipped, warning

OTHERS_WRITE = stat.S_IWOTH
OTHERS = stat.S_IROTH | stat.S_IWOTH


def files(device: Device) -> Iterator[Finding]:
    root = device.root
    if not os.path.isdir(root.state):
        yield skipped("state", f"{root.state} does not exist yet")
    else:
        yield from _private("state", root.state, OTHERS_WRITE, device)
        yield from _private("config.db", root.config_db, OTHERS, device)
    if device.running:
        yield from _private("run directory", root.run, OTHERS_WRITE, device)
    if device.settings is None:
        return
    identity = device.settings.identity
    if identity.private_key and not _is_token(identity.private_key):
        path = Path(local(identity.private_key))
        yield from _private("private key", path, OTHERS, device)
        yield from _readable("private key", path, device)
    for name, value in (("certificate", identity.certificate), ("root CA", identity.root_ca)):
        if value and not _is_token(value):
            yield from _readable(name, Path(local(value)), device)


def local(text: str) -> str:
    """A path, also where it is written as an URL."""
    return "/" + text.removeprefix("file:").lstrip("/") if text.startswith("file:/") else text


def _is_token(text: str) -> bool:
    return text.startswith(("pkcs11:", "handle:"))


def _private(title: str, path: Path, forbidden: int, device: Device) -> Iterator[Finding]:
    """Others may not do with ``path`` what ``forbidden`` (mode bits) allows, and it is the runtime's or root's."""
    try:
        found = path.stat()
    except FileNotFoundError:
        if title != "private key":  # of which ``_readable`` says more
            yield skipped(title, f"{path} does not exist yet")
        return
    except PermissionError:
        yield skipped(title, f"{path} may not be looked at", "run it as root or as the runtime's user")
        return
    bits = found.st_mode & forbidden
    if bits:
        verbs = [word for bit, word in ((stat.S_IROTH, "read"), (stat.S_IWOTH, "change")) if bits & bit]
        change = f"chmod o-{'rw' if len(verbs) == 2 else verbs[0][0].replace('c', 'w')} {quote(str(path))}"
        yield failure(title, f"every user may {' and '.join(verbs)} {path}", change)
        return
    owners = {0, *_runtime_users(device)}
    if found.st_uid not in owners:
        owner = _name(found.st_uid)
        remedy = "ggl install" if device.host == "systemd" else f"chown {_name(min(owners - {0}, default=0))} {path}"
        yield warning(title, f"{path} belongs to {owner}, who is not the runtime's user", remedy)
        return
    yield ok(title, f"{path} ({stat.filemode(found.st_mode)}, {_name(found.st_uid)})")


def _readable(title: str, path: Path, device: Device) -> Iterator[Finding]:
    """The runtime's user can read ``path``; on systemd that is not root."""
    try:
        found = path.stat()
    except FileNotFoundError:
        yield failure(title, f"{path} does not exist", f"put it there, or name another: {_setting(title)}")
        return
    except PermissionError:
        yield skipped(title, f"{path} may not be looked at", "run it as root or as the runtime's user")
        return
    if device.host == "systemd" and not _may_read(found, RUNTIME_GROUP):
        remedy = f"chgrp {RUNTIME_GROUP} {quote(str(path))} && chmod g+r {quote(str(path))}"
        yield failure(title, f"the runtime's user {RUNTIME_GROUP} may not read {path}", remedy)
    elif device.host == "process" and not os.access(path, os.R_OK) and os.geteuid() in _runtime_users(device):
        yield failure(title, f"the runtime's user may not read {path}", f"chmod u+r {quote(str(path))}")


def _setting(title: str) -> str:
    keys = {"private key": "privateKeyPath", "certificate": "certificateFilePath", "root CA": "rootCaPath"}
    return f"ggl config set /system/{keys[title]} PATH"


def _may_read(found: os.stat_result, user: str) -> bool:
    import grp
    import pwd

    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        return True  # nothing to compare with
    groups = {entry.pw_gid, *(group.gr_gid for group in grp.getgrall() if user in group.gr_mem)}
    if found.st_uid == entry.pw_uid:
        return bool(found.st_mode & stat.S_IRUSR)
    if found.st_gid in groups:
        return bool(found.st_mode & stat.S_IRGRP)
    return bool(found.st_mode & stat.S_IROTH)


def _runtime_users(device: Device) -> set[int]:
    if device.host != "systemd":
        try:
            return {device.root.run.stat().st_uid} if device.running else {os.geteuid()}
        except OSError:
            return {os.geteuid()}
    import pwd

    try:
        return {pwd.getpwnam(RUNTIME_GROUP).pw_uid}
    except KeyError:
        return set()


def _name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
