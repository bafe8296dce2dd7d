"""Leaving word of what was given up: one file a unit in ``<root>/recovery``, until whoever acts on it removes it.

The file outlives a restart of the runtime and of the device; a unit that is given up again replaces its own.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ggl.durable import write_json
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.host.status import UnitStatus
    from ggl.paths import Root

DIRECTORY = "recovery"

_log = get_logger("ggld")


def report(root: Root, status: UnitStatus) -> None:
    """Write ``<root>/recovery/<unit>.json``, as a whole or not at all; a disk that refuses it is only logged."""
    directory = root.state / DIRECTORY
    path = directory / f"{status.name}.json"
    data = {
        "unit": status.name,
        "component": status.component,
        "version": status.version,
        "phase": status.phase,
        "result": status.result,
        "exit_status": status.exit_status,
        "status_text": status.status_text,
        "revision": status.revision,
        "time": int(time.time() * 1000),
    }
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_json(path, data)
    except OSError as error:
        _log.error("cannot leave word of the failure of %s in %s: %s", status.name, directory, error.strerror)
