"""What others have left on this machine that an installation must see to before its daemons can run.

* A runtime that root ran under a supervisor of its own: its files are root's, and the core daemons are not. Below the
  state that is a question of owners; in the run directory nothing is worth keeping.
* Greengrass nucleus lite: for each component it has linked a unit into the administrator's directory, which prevails
  over the one that our host writes. While it is installed itself, there is no place for a second runtime.
* The administrator, whose boot files, or whose device's key, only root may read.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ggl.host.detect import UNIT_DIRECTORIES
from ggl.host.systemd.control import is_running
from ggl.host.systemd.layout import CERTIFICATES, CORE_UNIT, GROUP, TARGET, USER, Layout
from ggl.host.systemd.systemctl import SystemctlError, systemctl
from ggl.paths import Root

ETC_UNITS = Path("/etc/systemd/system")
_OF_ROOT = ("work", "units", "recovery", "recoveries")
"""Directories of the state with files that are rightly root's: written by hostd, recoveryd, or a component."""
_ARTIFACTS = "packages"
"""Some of it is root's where a component runs as root; so that alone shows nothing."""
_SUPERVISOR, _TOKENS = "ggld.pid", "ipc-tokens"
"""Files of the run directory: only a supervisor has the one; the other belongs to whom the daemons run as."""


def state_is_roots(root: Root) -> bool:
    """Something below the state belongs to root, but should to the daemons."""
    return any(True for _ in _of_root(root.state, (*_OF_ROOT, _ARTIFACTS)))


def hand_over(root: Root) -> None:
    """What the core daemons write becomes theirs. What belongs to a component's user stays his. Raises ``OSError``."""
    uid, gid = pwd.getpwnam(USER).pw_uid, grp.getgrnam(GROUP).gr_gid
    for name, fd in _of_root(root.state, _OF_ROOT):
        os.chown(name, uid, gid, dir_fd=fd, follow_symlinks=False)


def _of_root(state: Path, left_out: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """Name and directory (open) of all that is root's below ``state``."""
    for folder, folders, names, fd in os.fwalk(state) if state.is_dir() else ():
        if folder == str(state):
            folders[:] = [name for name in folders if name not in left_out]
            names = [name for name in names if name != Root(state, state, state).ipc_socket.name]
        for name in (*folders, *names):
            with suppress(FileNotFoundError):  # the daemons may be at work
                if os.stat(name, dir_fd=fd, follow_symlinks=False).st_uid == 0:
                    yield name, fd


def is_stale(root: Root) -> bool:
    """The run directory is a supervisor's, or the socket for components is; and nothing runs that uses them."""
    tokens = root.run / _TOKENS
    left = (
        (root.run / _SUPERVISOR).exists()
        or (tokens.exists() and tokens.lstat().st_uid == 0)
        or (root.ipc_socket.exists() and not root.ipc_socket.is_symlink())
    )
    return left and not is_running()


def clear(root: Root) -> None:
    """Remove what ``is_stale`` found. Raises ``OSError``."""
    if not root.ipc_socket.is_symlink():
        root.ipc_socket.unlink(missing_ok=True)
    if root.run.exists():
        shutil.rmtree(root.run)


def closed_settings(root: Root) -> list[Path]:
    """Boot files, certificates and keys that root has closed to the daemons, which are to read them."""
    try:
        gid = grp.getgrnam(GROUP).gr_gid
    except KeyError:
        gid = -1
    places = (root.config / "config.d", root.config / CERTIFICATES)
    files = [root.config / "config.yaml", *(path for place in places for path in sorted(place.glob("[!.]*")))]
    return [path for path in files if path.exists() and _is_closed(path.lstat(), gid)]


def _is_closed(about: os.stat_result, gid: int) -> bool:
    by_group = about.st_gid == gid and about.st_mode & stat.S_IRGRP
    return stat.S_ISREG(about.st_mode) and about.st_uid == 0 and not by_group and not about.st_mode & stat.S_IROTH


def open_settings(path: Path) -> None:
    """Let the group of the daemons read ``path``. Raises ``OSError``."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.fchown(fd, -1, grp.getgrnam(GROUP).gr_gid)
        os.fchmod(fd, stat.S_IMODE(os.fstat(fd).st_mode) | stat.S_IRGRP)
    finally:
        os.close(fd)


def foreign_target() -> Path | None:
    """The target unit of another nucleus that is installed here."""
    for directory in UNIT_DIRECTORIES:
        path = Path(directory, TARGET)
        try:
            if path.is_file() and not path.with_name(CORE_UNIT).exists() and CORE_UNIT not in path.read_text("utf-8"):
                return path
        except (OSError, UnicodeDecodeError):
            return path
    return None


def foreign_links(layout: Layout) -> list[Path]:
    """The links by which another nucleus had units of components loaded from the state, and started at boot."""
    found = [*ETC_UNITS.glob("ggl.*.service"), *ETC_UNITS.glob("*.wants/ggl.*"), *ETC_UNITS.glob("*.requires/ggl.*")]
    return sorted(path for path in found if path.is_symlink() and _leads_into(path, layout.root.state))


def _leads_into(link: Path, state: Path) -> bool:
    """Also when it does so by way of another link of the same directory, as in ``*.wants``."""
    target = Path(os.path.normpath(link.parent / link.readlink()))
    if target.parent == ETC_UNITS and target.is_symlink():
        target = Path(os.path.normpath(target.parent / target.readlink()))
    return target.is_relative_to(state)


def remove_link(path: Path) -> None:
    """Stop the unit of that name, and remove the link and a directory that it was alone in. Raises ``OSError``."""
    with suppress(SystemctlError):  # it is not loaded
        systemctl("stop", path.name)
    path.unlink(missing_ok=True)
    if path.parent != ETC_UNITS:
        with suppress(OSError):
            path.parent.rmdir()
