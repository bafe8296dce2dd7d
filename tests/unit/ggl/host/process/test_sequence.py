"""The processes of a unit: which of them are known, and how they are ended. Real processes, no supervisor."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ggl.bus.loop import Loop
from ggl.host.process.marker import VARIABLE, Strays, mark
from ggl.host.process.reaper import Reaper
from ggl.host.process.sequence import Sequence
from ggl.host.process.spawn import Child, fork
from ggl.host.unit import Command, Unit

UNIT = Unit("ggl.org.A")
SECONDS = 60.0
"""For what must happen; much longer than it takes."""


class Host(SimpleNamespace):
    """As much of a supervisor as a sequence needs."""

    @property
    def children(self) -> Host:
        return self

    def spawn_script(self, _unit: Unit, command: Command, _stage: str, _cgroups: tuple[str, ...] = ()) -> Child:
        def become(status_fd: int) -> None:
            os.write(status_fd, b"\0")
            os.execve("/bin/sh", ["sh", "-c", command.script], {VARIABLE: mark(self.state, UNIT.name)})

        return fork(become, 1, 2)

    def run_until(self, condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + SECONDS

        def look() -> None:
            if condition() or time.monotonic() > deadline:
                self.loop.stop()
            else:
                self.loop.call_later(0.01, look)

        self.loop.call_soon(look)
        self.loop.run()
        assert condition()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    before = signal.getsignal(signal.SIGCHLD)
    loop = Loop()
    yield Host(loop=loop, state=tmp_path, reaper=Reaper(loop), strays=Strays(loop, tmp_path))
    signal.signal(signal.SIGCHLD, before)
    loop.close()


def run(host: Host, sequence: Sequence, script: str) -> tuple[int, list[tuple[str, int]]]:
    outcomes: list[tuple[str, int]] = []
    host.reaper.after_each = sequence.forget_empty_groups
    return sequence.run(UNIT, Command(script), "start", outcomes.append).pid, outcomes


def test_a_group_is_forgotten_with_its_last_process_because_its_number_will_be_somebody_elses(host: Host) -> None:
    sequence = Sequence(host)  # type: ignore[arg-type]
    _, outcomes = run(host, sequence, "exit 3")
    host.run_until(lambda: outcomes)
    assert outcomes == [("exit-code", 3)]
    assert sequence._groups == set()


def test_a_group_whose_leader_is_gone_is_ended_with_the_others(host: Host) -> None:
    sequence = Sequence(host)  # type: ignore[arg-type]
    leader, outcomes = run(host, sequence, "sleep 1000 & exit 0")
    host.run_until(lambda: outcomes)
    assert sequence._groups == {leader}
    ended: list[bool] = []
    sequence.end_processes((UNIT.name,), lambda: ended.append(True))
    host.run_until(lambda: ended)
    assert host.strays.of(UNIT.name) == []


def test_the_end_of_nothing_comes_at_once(host: Host) -> None:
    ended: list[bool] = []
    Sequence(host).end_processes((UNIT.name,), lambda: ended.append(True))  # type: ignore[arg-type]
    assert ended == [True]


def test_a_new_sequence_leaves_the_processes_of_the_old_one_alone_and_hears_nothing_of_them(host: Host) -> None:
    sequence = Sequence(host)  # type: ignore[arg-type]
    pid, outcomes = run(host, sequence, "trap '' TERM; while :; do sleep 0.05; done")
    ended: list[bool] = []
    sequence.end_processes((UNIT.name,), lambda: ended.append(True))
    sequence.begin()
    os.kill(pid, signal.SIGKILL)
    host.run_until(lambda: not host.reaper.expects(pid))
    assert (outcomes, ended) == ([], [])


def test_a_foreign_process_with_another_mark_is_no_stray(host: Host) -> None:
    process = subprocess.Popen(["sleep", "1000"], env={VARIABLE: mark(host.state, UNIT.name + ".install")})
    try:
        # Its environment is there a moment after it has begun.
        host.run_until(lambda: host.strays.of(UNIT.name + ".install") == [process.pid])
        assert host.strays.of(UNIT.name) == []
    finally:
        process.kill()
        process.wait()
