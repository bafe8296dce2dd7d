"""Whether a step is to be skipped (recipe ``Skipif``), looked up at the moment the step would run."""

from __future__ import annotations

import os

from ggl.host.unit import Condition
from ggl.paths import Root

_EXTRA_PATH = ("/bin", "/usr/bin", "/sbin", "/usr/sbin")


def holds(condition: Condition, root: Root) -> bool:
    """True when the step must be skipped."""
    if condition.kind == "exists":
        found = os.path.exists(_expand(condition.value, root))
    else:
        import shutil  # on demand: it brings every archive format with it

        path = os.pathsep.join((os.environ.get("PATH", ""), *_EXTRA_PATH))
        found = shutil.which(os.path.expanduser(condition.value), path=path) is not None
    return found != condition.negate


def _expand(path: str, root: Root) -> str:
    for prefix, directory in (("~root/", root.state), ("~config/", root.config), ("~packages/", root.packages)):
        if path.startswith(prefix):
            return os.path.join(directory, path[len(prefix) :])
    return os.path.expanduser(path)
