"""Whether the core daemons can run at all: their user must be able to execute Python, and to read the packages.

The usual traps are an interpreter in a closed home directory, and one in a place that the daemons' sandbox hides.
"""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterable, Sequence
from importlib.util import find_spec

_NEEDED = ("ggl", "msgpack", "yaml", "semantic_version", "jeepney")
_HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")
"""Directories that the sandbox of the daemons hides (``ggl.host.systemd.hardening``)."""
_NOBODY = 65534
"""Whom the attempt is made as: somebody who may no more than every user."""
_SECONDS = 30.0


def obstacle(command: Sequence[str]) -> str:
    """Why ``command`` (an interpreter with its options) cannot run the daemons as their user; empty when it can."""
    for path in _places(command[0]):
        if why := _closed(path):
            return why
    environment = {"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [*command, "-c", f"import {', '.join(_NEEDED)}"],
            cwd="/",
            env=environment,
            user=_NOBODY,
            group=_NOBODY,
            extra_groups=(),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"{command[0]} cannot be run by another user: {error}"
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return f"{command[0]} cannot run the daemons as another user: {lines[-1] if lines else 'it fails'}"
    return ""


def _places(interpreter: str) -> Iterable[str]:
    """The files that are needed, each as it is named and where it really is."""
    origins = (spec.origin for name in _NEEDED if (spec := find_spec(name)) is not None and spec.origin)
    for path in (interpreter, *origins):
        yield path
        yield os.path.realpath(path)


def _closed(path: str) -> str:
    """Why ``path`` is out of reach, as far as permissions say."""
    for directory in _HIDDEN:
        if path.startswith(directory + "/"):
            return f"{path} is needed by the daemons, from whom {directory} is hidden"
    parts = path.split("/")
    for count in range(2, len(parts)):
        directory = "/".join(parts[:count])
        try:
            mode = os.stat(directory).st_mode
        except OSError as error:
            return f"{directory}: {error.strerror}"
        if not mode & stat.S_IXOTH:
            return f"{path} is needed by the daemons, but {directory} is closed to other users (mode {mode & 0o7777:o})"
    return ""
