"""Making a device of this machine: users, directories, units; and taking all of it away again.

What is to be done is worked out first, as a list of ``Action``; what is there already is not in it. So the same list
serves to show what would be done, and a second installation has nothing to do.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ggl.host.action import Action
from ggl.host.systemd import accounts
from ggl.host.systemd.control import is_running, is_up, start_units, stop
from ggl.host.systemd.core_units import SYSUSERS, TMPFILES, UNITS, Directory, directories, files
from ggl.host.systemd.layout import GROUP, TARGET, USER, Layout
from ggl.host.systemd.systemctl import shows, systemctl
from ggl.host.systemd.takeover import (
    ETC_UNITS,
    clear,
    closed_settings,
    foreign_links,
    hand_over,
    is_stale,
    open_settings,
    remove_link,
    state_is_roots,
)

ETC = {UNITS: ETC_UNITS, TMPFILES: Path("/etc/tmpfiles.d"), SYSUSERS: Path("/etc/sysusers.d")}
"""Where an administrator's files are."""
STOP_SECONDS = 300.0
"""For the components to be stopped; each has limits of its own."""
_PACKAGED = (Path("/usr/lib/systemd/system"), Path("/lib/systemd/system"))
_FILE_NAME = "ggl.conf"


def packaged() -> Path | None:
    """The target unit of a package of the distribution, if there is one: what it installed is the package manager's."""
    return next((path / TARGET for path in _PACKAGED if (path / TARGET).exists()), None)


def install_actions(layout: Layout, *, start: bool) -> list[Action]:
    """What is left to do for ``layout`` to be installed, enabled at boot, and started if wanted."""
    root = layout.root
    actions = [
        Action(f"remove {path}, of another nucleus", partial(remove_link, path)) for path in foreign_links(layout)
    ]
    actions += _file_actions(layout)
    reload = bool(actions) or _needs_reload()
    if missing := accounts.missing():
        file = str(ETC[SYSUSERS] / _FILE_NAME)
        actions.append(Action(f"make {', '.join(missing)}", lambda: accounts.make(layout, file)))
    if stale := is_stale(root):
        actions.append(Action(f"remove {root.run}, which a runtime of root's has left", partial(clear, root)))
    if state_is_roots(root):
        actions.append(Action(f"hand {root.state} over from root to {USER}", partial(hand_over, root)))
    for directory in directories(layout):
        if not _is_right(directory) or (stale and directory.path.is_relative_to(root.run)):
            text = f"make {directory.path} ({directory.user}:{directory.group}, {directory.mode:04o})"
            actions.append(Action(text, partial(_make, directory)))
    for path in closed_settings(root):
        actions.append(Action(f"let the group {GROUP} read {path}", partial(open_settings, path)))
    if reload:
        actions.append(Action("tell systemd of the units (daemon-reload)", lambda: systemctl("daemon-reload")))
    if not _is_enabled():
        actions.append(Action(f"enable {TARGET}, to start at boot", lambda: systemctl("enable", "--quiet", TARGET)))
    if start and not is_up():
        actions.append(Action(f"start {TARGET}", start_units))
    return actions


def _file_actions(layout: Layout) -> list[Action]:
    texts = {ETC[path.parts[0]] / Path(*path.parts[1:]): text for path, text in _paths(layout)}
    changed = {path: text for path, text in texts.items() if _differs(path, text)}
    stale = [path for path in _core_units() if path not in texts]
    return [
        *(Action(f"write {path}", partial(write, path, text)) for path, text in changed.items()),
        *(Action(f"remove {path}", path.unlink) for path in stale),
    ]


def _needs_reload() -> bool:
    """systemd knows other units than those on disk: an installation was interrupted, or somebody changed them."""
    units = [path.name for path in _core_units() if "@" not in path.name]
    return bool(units) and "yes" in systemctl("show", "--value", "--property=NeedDaemonReload", "--", *units).split()


def uninstall_actions(layout: Layout, *, purge: bool) -> list[Action]:
    """What is there of an installation, to be taken away; with ``purge`` also state, configuration and users."""
    actions = []
    core, components = _core_units(), _component_units(layout)
    if is_running():
        actions.append(Action("stop the components, then the core daemons", partial(stop, STOP_SECONDS)))
    if _is_enabled():
        actions.append(Action(f"disable {TARGET}", lambda: systemctl("disable", "--quiet", TARGET)))
    files = [
        *core,
        *components,
        *(path for path in (ETC[TMPFILES] / _FILE_NAME, ETC[SYSUSERS] / _FILE_NAME) if path.exists()),
    ]
    actions += [Action(f"remove {path}", partial(path.unlink, missing_ok=True)) for path in files]
    if core or components:
        actions.append(Action("tell systemd of the units (daemon-reload)", _forget))
    directories = [layout.root.run]
    users: list[str] = []
    if purge:
        users = accounts.ours(layout)
        directories += [layout.root.state, layout.root.config]
        directories += [Path(pwd.getpwnam(user).pw_dir) for user in users]
    for path in dict.fromkeys(directories):
        if path.exists():
            actions.append(Action(f"remove {path} and everything in it", partial(shutil.rmtree, path)))
    actions += [Action(f"remove user {user}", partial(accounts.remove, user)) for user in users]
    return actions


def stage(layout: Layout, directory: Path, unit_directory: Path) -> list[Path]:
    """Write the files for a package or an image below ``directory``; the units to ``unit_directory`` in it.

    Returns their paths. Raises ``OSError``.
    """
    places = {UNITS: unit_directory, TMPFILES: Path("usr/lib/tmpfiles.d"), SYSUSERS: Path("usr/lib/sysusers.d")}
    written = []
    for path, text in _paths(layout):
        target = directory / places[path.parts[0]] / Path(*path.parts[1:])
        target.parent.mkdir(parents=True, exist_ok=True)
        write(target, text)
        written.append(target)
    return written


def write(path: Path, text: str) -> None:
    """As a whole or not at all; readable by everybody. Raises ``OSError``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.chmod(0o644)
    os.replace(new, path)


def _paths(layout: Layout) -> Iterator[tuple[Path, str]]:
    for name, text in files(layout).items():
        yield Path(name), text


def _core_units() -> list[Path]:
    """The units of the core that are installed, of this version or of another."""
    found = [ETC[UNITS] / TARGET, *ETC[UNITS].glob("ggl.core.*"), *ETC[UNITS].glob("ggl.*.socket")]
    return sorted({path for path in found if path.is_file()})


def _component_units(layout: Layout) -> list[Path]:
    return sorted(layout.runtime_units.glob("ggl.*.service"))


def _differs(path: Path, text: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") != text
    except (OSError, UnicodeDecodeError):
        return True


def _is_enabled() -> bool:
    return shows(TARGET, "UnitFileState") == "enabled"


def _forget() -> None:
    systemctl("daemon-reload")
    systemctl("reset-failed", "ggl.*")


def _is_right(directory: Directory) -> bool:
    try:
        found = directory.path.lstat()
        wanted = (pwd.getpwnam(directory.user).pw_uid, grp.getgrnam(directory.group).gr_gid)
    except (OSError, KeyError):
        return False
    return stat.S_ISDIR(found.st_mode) and (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (
        *wanted,
        directory.mode,
    )


def _make(directory: Directory) -> None:
    directory.path.mkdir(parents=True, exist_ok=True)
    fd = os.open(directory.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchown(fd, pwd.getpwnam(directory.user).pw_uid, grp.getgrnam(directory.group).gr_gid)
        os.fchmod(fd, directory.mode)
    finally:
        os.close(fd)
