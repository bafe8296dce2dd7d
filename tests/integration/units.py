"""Units as a recipe would make them, and what tests do with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ggl.host.process.cgroups import Cgroup, Unavailable
from ggl.host.unit import Command, Limits, Start, Unit, install_unit, main_unit
from tests.integration.conftest import ON_SYSTEMD, PATIENCE, Runtime, wait_until


def component(
    name: str,
    script: str,
    kind: str = "run",
    *,
    timeout: float | None = None,
    install: str = "",
    **rest: Any,
) -> list[Unit]:
    """The units of a component as a recipe would make them; quick to retry."""
    main = Unit(
        name=main_unit(name),
        component=name,
        version="1.0.0",
        phase="main",
        start=(Start(kind, Command(script, timeout=timeout)),),
        install=install_unit(name) if install else "",
        restart_delay=0.05,
        **{"revision": script, **rest},
    )
    if not install:
        return [main]
    oneshot = Unit(
        name=install_unit(name),
        component=name,
        version="1.0.0",
        phase="install",
        start=(Start("oneshot", Command(install, timeout=60.0)),),
        restart_delay=0.05,
        revision=install,
    )
    return [main, oneshot]


def deploy(runtime: Runtime, *units: Unit, start: bool = True) -> None:
    names = [unit.name for unit in units if unit.phase == "main"] if start else []
    loaded = {"units": [unit.to_dict() for unit in units], "start": names}
    runtime.call("gg_host", "load", loaded, PATIENCE * (1 + len(units) / 50))  # each is written to the disk


def work(runtime: Runtime, name: str) -> Path:
    return runtime.root.work / name


def sleeps(runtime: Runtime) -> list[int]:
    return [pid for pid in runtime.processes() if name_of(pid) == "sleep"]


def wait_for_sleep(pid: int) -> None:
    """Until the shell ``pid`` has become the ``sleep`` of its last line: what it does before that is done."""
    wait_until(Path(f"/proc/{pid}/cmdline").read_bytes, lambda line: line.startswith(b"sleep\0"))


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""  # it has just ended


def can_limit() -> bool:
    """The process host may use cgroups here."""
    cgroup = Cgroup("greengrass-test", "probe", lambda _: False)
    try:
        cgroup.limit(Limits(memory=100_000, cpus=1.0))
    except Unavailable:
        return False
    finally:
        cgroup.remove()
    return True


limited = pytest.mark.skipif(not (ON_SYSTEMD or can_limit()), reason="cgroups cannot be written here")
unlimited = pytest.mark.skipif(can_limit(), reason="cgroups can be written here")
