"""What the processes of a runtime cost: memory, descriptors, processor time."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ggl.host.process.marker import mark, marked
from ggl.paths import Root

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """Of one process at one moment. Memory in KiB; ``cpu`` in seconds since it started."""

    pid: int
    pss: int
    private: int
    """What it shares with nobody. The share that ``pss`` has of other pages also changes when a sibling comes or goes,
    so that growth can only be judged by this."""
    fds: int
    cpu: float


def costs(root: Root) -> dict[str, Cost]:
    """By name, the processes of the runtime at ``root`` itself, not of its components."""
    found = {}
    for pid in marked(mark(root.state), whole=True):
        try:
            found[Path(f"/proc/{pid}/comm").read_text().strip()] = cost_of(pid)
        except (OSError, KeyError):
            continue  # it has just ended
    return found


def cost_of(pid: int) -> Cost:
    """Raises ``OSError`` or ``KeyError`` when it has ended."""
    smaps = Path(f"/proc/{pid}/smaps_rollup").read_text()
    sizes = {line.partition(":")[0]: int(line.split()[1]) for line in smaps.splitlines()[1:]}
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    private = sizes["Private_Clean"] + sizes["Private_Dirty"]
    return Cost(
        pid, sizes["Pss"], private, len(os.listdir(f"/proc/{pid}/fd")), (int(fields[11]) + int(fields[12])) / _TICKS
    )
