"""Which spool the configuration asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ggl.iotcored.spool import MemorySpool

if TYPE_CHECKING:
    from ggl.iotcored.spool import Spool
    from ggl.iotcored.target import Target
    from ggl.paths import Root


def open_spool(root: Root, target: Target, first: int = 1) -> Spool:
    """``first``: the number of the first message, unless there are some on the disk with that number already."""
    if not target.spool.disk:
        return MemorySpool(target.spool.limit, first)
    from ggl.iotcored.disk import DiskSpool  # SQLite costs two megabytes

    return DiskSpool(root.state / "spool" / "spooler.db", target.spool.limit, first)
