"""Memory: the proportional set size (PSS) of every process of the runtime, and their sum."""

from __future__ import annotations

import time
from pathlib import Path

from ggl.host.process.marker import mark, marked
from ggl.paths import Root
from tests.processes import cost_of


def pss(root: Root) -> list[tuple[str, int, int]]:
    """Name, PSS and private memory (USS), in KiB, of each process of the runtime itself (not of components)."""
    rows = []
    for pid in marked(mark(root.state), whole=True):
        try:
            cost = cost_of(pid)
            name = Path(f"/proc/{pid}/comm").read_text().strip()
        except (OSError, KeyError):
            continue  # it has just ended
        rows.append((name, cost.pss, cost.private))
    return sorted(rows)


def without_deploymentd(root: Root) -> list[tuple[str, int, int]]:
    """The same once the daemon that is only there for deployments has left."""
    deadline = time.monotonic() + 30
    rows = pss(root)
    while "deploymentd" in [name for name, _, _ in rows] and time.monotonic() < deadline:
        time.sleep(0.2)
        rows = pss(root)
    return rows


def at_rest(root: Root) -> list[tuple[str, int, int]]:
    """The same once every daemon that has nothing to hold has left."""
    deadline = time.monotonic() + 150
    rows = pss(root)
    while len(rows) > 1 and time.monotonic() < deadline:
        time.sleep(0.5)
        rows = pss(root)
    return rows
