"""One process of a unit, when the device does not have what it needs."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ggl.bus.loop import Loop
from ggl.host.process import step as step_module
from ggl.host.process.reaper import Reaper
from ggl.host.process.spawn import Child, fork
from ggl.host.process.step import Outcome, Step
from ggl.host.unit import Command, Unit

SECONDS = 60.0
"""For what must happen; much longer than it takes."""


class Host(SimpleNamespace):
    """As much of a supervisor as a step needs; the first ``refusals`` forks fail."""

    @property
    def children(self) -> Host:
        return self

    def spawn_script(self, _unit: Unit, command: Command, _stage: str, _cgroups: tuple[str, ...]) -> Child:
        self.refusals -= 1
        if self.refusals >= 0:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

        def become(status_fd: int) -> None:
            os.write(status_fd, b"\0")
            os.execv("/bin/sh", ["sh", "-c", command.script])

        return fork(become, 1, 2)

    def run_until(self, condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + SECONDS

        def look() -> None:
            if condition() or time.monotonic() > deadline:
                self.loop.stop()
            else:
                self.loop.call_later(0.005, look)

        self.loop.call_soon(look)
        self.loop.run()
        assert condition()


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setattr(step_module, "FIRST_DELAY", 0.01)
    before = signal.getsignal(signal.SIGCHLD)
    loop = Loop()
    yield Host(loop=loop, reaper=Reaper(loop), refusals=0)
    signal.signal(signal.SIGCHLD, before)
    loop.close()


def begin(host: Host, command: Command, stage: str) -> tuple[Step, list[Outcome], list[str], list[int]]:
    outcomes: list[Outcome] = []
    delays: list[str] = []
    forked: list[int] = []
    step = Step(host, Unit("ggl.A"), command, stage, outcomes.append, None, delays.append)  # type: ignore[arg-type]
    step.begin(forked.append)
    return step, outcomes, delays, forked


def test_a_start_waits_until_the_device_has_processes_again_however_long_that_takes(host: Host) -> None:
    host.refusals = 3
    _, outcomes, delays, forked = begin(host, Command("exit 3", timeout=0.02), "start")
    host.run_until(lambda: outcomes)
    assert outcomes == [("exit-code", 3)] or outcomes == [("timeout", 0)]
    assert len(forked) == 1
    assert delays == ["cannot start a process: Resource temporarily unavailable"] * 3


def test_a_shutdown_script_is_given_up_with_its_time_limit(host: Host) -> None:
    host.refusals = 1_000_000
    step, outcomes, _, forked = begin(host, Command("true", timeout=0.1), "stop")
    host.run_until(lambda: outcomes)
    assert (outcomes, forked) == ([("timeout", 0)], [])
    assert step.why.startswith("did not finish within 0.1 s (cannot start a process")


def test_one_that_is_abandoned_tries_no_more(host: Host, tmp_path: Path) -> None:
    host.refusals = 1
    step, outcomes, delays, forked = begin(host, Command(f"touch {tmp_path}/ran"), "start")
    step.abandon()
    over: list[bool] = []
    host.loop.call_later(0.1, lambda: over.append(True))
    host.run_until(lambda: over)
    assert (outcomes, delays, forked) == ([], [], [])
