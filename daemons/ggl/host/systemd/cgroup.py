"""The cgroups of units, as a process in one of them sees them: who is there, and what the kernel did to them."""

from __future__ import annotations

_MOUNTED = "/sys/fs/cgroup"


def processes_of(service: str) -> list[int]:
    """The processes of another unit, that is beside this process's own."""
    own = _own()
    # What systemd itself keeps its units in: version 2, alone or beside version 1, or a hierarchy of version 1.
    places = ((own.get(""), ""), (own.get(""), "/unified"), (own.get("name=systemd"), "/systemd"))
    found: set[int] = set()
    for path, mount in places:
        if path is not None:
            beside = path.rpartition("/")[0]
            found |= {int(pid) for pid in _lines(f"{_MOUNTED}{mount}{beside}/{service}/cgroup.procs")}
    return sorted(found)


def out_of_memory(service: str = "") -> bool:
    """The kernel has killed a process of ``service`` (empty: of this process's own) for using more than its limit."""
    own = _own()
    if service:
        own = {names: f"{path.rpartition('/')[0]}/{service}" for names, path in own.items()}
    files = [f"{_MOUNTED}{own.get('', '')}/memory.events"]
    files += [f"{_MOUNTED}/memory{path}/memory.oom_control" for names, path in own.items() if names == "memory"]
    counts = dict(line.split()[:2] for file in files for line in _lines(file) if len(line.split()) > 1)
    return int(counts.get("oom_kill", "0")) > 0


def _own() -> dict[str, str]:
    """The path in each hierarchy, by the controllers of that; for version 2 they are empty."""
    fields = (line.split(":", 2) for line in _lines("/proc/self/cgroup"))
    return {names: path for _, names, path in fields}


def _lines(file: str) -> list[str]:
    try:
        with open(file) as opened:
            return opened.read().splitlines()
    except OSError:
        return []
