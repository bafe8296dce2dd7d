"""What the supervisor leaves on the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ggl.bus.loop import Loop
from ggl.catalog import HOST_INTERFACE
from ggl.host.process.reaper import Reaper
from ggl.host.process.supervisor import Supervisor
from ggl.host.unit import Unit
from ggl.paths import find_root


class NoChildren(Reaper):
    """Leaves the children of the test run alone."""

    def __init__(self) -> None:
        pass


def test_an_unload_is_on_the_disk_before_it_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = find_root(str(tmp_path))
    root.bus_socket(HOST_INTERFACE).parent.mkdir(parents=True)
    loop = Loop()
    supervisor = Supervisor(loop, root, NoChildren(), lambda _unit: None, echo=False)
    for name in ("ggl.A", "ggl.A.install", "ggl.B"):
        supervisor.load(Unit(name))
    events: list[object] = []
    real = os.fsync

    def fsync(fd: int) -> None:
        real(fd)
        if os.path.samestat(os.fstat(fd), root.units.stat()):
            events.append(sorted(path.name for path in root.units.iterdir()))

    def done() -> None:
        events.append("done")
        loop.stop()

    monkeypatch.setattr(os, "fsync", fsync)
    supervisor.unload([supervisor.units["ggl.A"], supervisor.units["ggl.A.install"]], done)
    loop.run()
    supervisor.host_socket.close()
    assert events == [["ggl.B.json"], "done"]
