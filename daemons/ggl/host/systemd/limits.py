"""Limits of what a unit's processes may use together: whether this device has them, and systemd's words for them."""

from __future__ import annotations

from typing import Any

from ggl.host.unit import Limits

NO_LIMIT = (1 << 64) - 1
LEAST_CPUS = 0.01
"""The kernel takes no less."""


def can_hold(limits: Limits, controllers: frozenset[str]) -> bool:
    """Whether a kernel with these ``controllers`` holds processes to ``limits``."""
    return (limits.memory is None or "memory" in controllers) and (limits.cpus is None or "cpu" in controllers)


def as_properties(limits: Limits) -> list[tuple[str, tuple[str, Any]]]:
    """What is set for a unit that runs; where there is no limit, that is set."""
    quota = NO_LIMIT if limits.cpus is None else int(max(limits.cpus, LEAST_CPUS) * 1e6)
    return [
        ("MemoryMax", ("t", NO_LIMIT if limits.memory is None else limits.memory * 1024)),
        ("CPUQuotaPerSecUSec", ("t", min(quota, NO_LIMIT))),
    ]


def controllers() -> frozenset[str]:
    """The controllers (``memory``, ``cpu``) that this kernel has switched on."""
    found: set[str] = set()
    for path, column in (("/proc/cgroups", 3), ("/sys/fs/cgroup/cgroup.controllers", None)):
        try:
            with open(path, encoding="ascii") as file:
                words = [line.split() for line in file.read().splitlines() if not line.startswith("#")]
        except OSError:
            continue
        if column is None:
            found.update(name for line in words for name in line)
        else:
            found.update(line[0] for line in words if line[column:] == ["1"])
    return frozenset(found)
