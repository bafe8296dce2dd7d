"""Memory: the proportional set size (PSS) of every process of the runtime, and their sum."""

from __future__ import annotations

from pathlib import Path

from ggl.host.process.marker import mark, marked
from ggl.paths import Root


def pss(root: Root) -> list[tuple[str, int, int]]:
    """Name, PSS and private memory (USS), in KiB, of each process of the runtime itself (not of components)."""
    rows = []
    for pid in marked(mark(root.state), whole=True):
        fields: dict[str, int] = {}
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
            name, _, value = line.partition(":")
            fields[name] = int(value.split()[0])
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        rows.append((name, fields["Pss"], fields["Private_Clean"] + fields["Private_Dirty"]))
    return sorted(rows)
