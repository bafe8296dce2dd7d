"""The hook scripts of ``recovery.d``: which may be run, and what they are told.

A hook is a file that is executable. It is run as the runtime's user, so nobody else may have written it: file and
directory belong to root or to that user, and nobody else may write to them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from ggl.paths import Root
from ggl.privilege import is_run_by_systemd
from ggl.recoveryd.ladder import tried
from ggl.recoveryd.record import Recovery, Rung

DIRECTORY = "recovery.d"
ID_VARIABLE = "GGL_RECOVERY_ID"
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PASSED_ON = ("HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ")
_LONGEST_VALUE = 4096


def find(config: Path, user: int) -> tuple[list[str], list[str]]:
    """The names of the hooks in ``config/recovery.d`` that may be run, in order; and what is wrong with others.

    ``user``: the numeric id of the runtime's user.
    """
    directory = config / DIRECTORY
    try:
        why = _distrust(os.stat(directory), user)
        names = sorted(os.listdir(directory))
    except FileNotFoundError:
        return [], []
    except OSError as error:
        return [], [f"{directory} cannot be read: {error.strerror}"]
    if why:
        return [], [f"nothing in {directory} is run: {why}"]
    hooks, problems = [], []
    for name in names:
        if name.startswith(".") or name.endswith(("~", ".bak", ".orig")):
            continue
        try:
            found = os.lstat(directory / name)
        except OSError:
            continue
        if stat.S_ISLNK(found.st_mode):
            problems.append(f"{directory / name} is not run: it is a symbolic link")
        elif not stat.S_ISREG(found.st_mode) or not found.st_mode & 0o111:
            continue  # a README, an example that is not switched on
        elif why := _distrust(found, user):
            problems.append(f"{directory / name} is not run: {why}")
        else:
            hooks.append(name)
    return hooks, problems


def _distrust(found: os.stat_result, user: int) -> str:
    """Why what ``found`` describes is not trusted; empty when it is."""
    if found.st_uid not in (0, user):
        return f"it belongs to user {found.st_uid}, not to root or the runtime's user"
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"others may write to it (mode {stat.S_IMODE(found.st_mode):04o})"
    return ""


def environment(recovery: Recovery, rung: Rung, root: Root, inherited: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of a hook or of a response's script. docs/recovery.md has it as a table."""
    failure = recovery.failure
    story = {
        ID_VARIABLE: recovery.id,
        "GGL_RECOVERY_KIND": "core" if failure.is_core else "component",
        "GGL_RECOVERY_UNIT": failure.unit,
        "GGL_RECOVERY_COMPONENT": failure.component,
        "GGL_RECOVERY_VERSION": failure.version,
        "GGL_RECOVERY_PHASE": failure.phase,
        "GGL_RECOVERY_RESULT": failure.result,
        "GGL_RECOVERY_EXIT_STATUS": str(failure.exit_status),
        "GGL_RECOVERY_REASON": failure.status_text,
        "GGL_RECOVERY_TIME": str(failure.time // 1000),
        "GGL_RECOVERY_GENERATION": str(recovery.generation or ""),
        "GGL_RECOVERY_ATTEMPT": str(rung.attempt),
        "GGL_RECOVERY_TRIED": tried(recovery.rungs),
        # Where the journal keeps the logs there is no such directory.
        "GGL_RECOVERY_LOGS": "" if is_run_by_systemd() else str(root.logs),
    }
    values = {
        "PATH": inherited.get("PATH") or _DEFAULT_PATH,
        **{name: inherited[name] for name in _PASSED_ON if name in inherited},
        **root.environment(),
        **story,
    }
    # What a component's recipe brought must not be more than a value.
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: str) -> str:
    return value.replace("\0", "").encode("utf-8", "replace").decode()[:_LONGEST_VALUE]
