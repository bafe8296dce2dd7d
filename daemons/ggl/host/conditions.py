"""Whether a step is to be skipped (recipe ``Skipif``), looked up at the moment the step would run."""

from __future__ import annotations

import os

from ggl.host.unit import Command

_EXTRA_PATH = ("/bin", "/usr/bin", "/sbin", "/usr/sbin")


def is_skipped(command: Command, user: str) -> bool:
    """``user``: whom the unit's steps run as, whose home ``~/`` is; ``root``'s when the step is privileged."""
    condition = command.skip_if
    if condition is None:
        return False
    path = _expand(condition.value, "root" if command.privileged else user)
    if condition.kind == "exists":
        found = os.path.exists(path)
    else:
        import shutil  # on demand: it brings every archive format with it

        places = os.pathsep.join((os.environ.get("PATH", ""), *_EXTRA_PATH))
        found = shutil.which(path, path=places) is not None
    return found != condition.negate


def _expand(path: str, user: str) -> str:
    if not path.startswith("~/"):
        return path
    from ggl.runner.user import UnknownUser, resolve

    try:
        home = resolve(user).home
    except UnknownUser:
        return path  # the step itself will say what is wrong with its user
    return home + path[1:] if home else os.path.expanduser(path)
