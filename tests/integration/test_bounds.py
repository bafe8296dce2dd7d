"""Limits and pauses of components, on either host: the real kernel, as far as it lets us."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ggl.bus import BusError, ErrorCode
from ggl.host.unit import Command, Limits, Unit
from tests.integration.conftest import Runtime, children, running, state_of, wait_until
from tests.integration.units import component, deploy, limited, work

COUNT = "n=0; while :; do n=$((n+1)); echo $n > count; sleep 0.01; done"

EAT = "x=$(head -c 100000000 /dev/zero | tr '\\0' x); echo survived > survived; exec sleep 1000"


def count(runtime: Runtime) -> int:
    try:
        return int((work(runtime, "org.A") / "count").read_text() or 0)
    except FileNotFoundError:
        return 0


def cgroups_of(pid: int) -> set[Path]:
    """The directories named after the component, or its unit, in which a process is."""
    found = set()
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "/greengrass-" in path or "/ggl." in path:
            found.add(Path("/sys/fs/cgroup", controllers or "unified", path.strip("/")))
    return found


def is_frozen(pid: int) -> bool:
    """The process, and whatever is in its cgroup, stands still: the kernel says so, of a cgroup or of the process.

    A shell that has just made a child (vfork(2)) is not stopped, but waits for the child, which is.
    """
    own = state_of(pid)
    if own == "T" or (own == "D" and "T" in map(state_of, children(pid))):
        return True
    for directory in cgroups_of(pid):
        for path in (directory, Path("/sys/fs/cgroup", *directory.parts[5:])):  # version 2 may have the whole place
            state, events = path / "freezer.state", path / "cgroup.events"
            if state.exists() and state.read_text().strip() == "FROZEN":
                return True
            if events.exists() and "frozen 1" in events.read_text():
                return True
    return False


@contextmanager
def set_limits(**limits: Any) -> Iterator[tuple[Runtime, Unit]]:
    with running() as runtime:
        (unit,) = component("org.A", COUNT, limits=Limits(**limits), stop=Command("cat /proc/self/cgroup > stop"))
        deploy(runtime, unit)
        runtime.wait_for_unit(unit.name, "active", "running")
        yield runtime, unit


def read(runtime: Runtime, name: str) -> str:
    return (work(runtime, "org.A") / name).read_text().strip()


# -- limits ------------------------------------------------------------------------------------------------------------


@limited
def test_a_component_that_uses_more_memory_than_its_limit_is_killed_and_the_reason_says_so(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", EAT, limits=Limits(memory=30_000), restart="no"))
    status = runtime.wait_for_unit("ggl.org.A", "failed")
    assert not (work(runtime, "org.A") / "survived").exists()
    if status["result"] == "signal":  # else the kernel took the shell's child, and the shell ended by itself
        assert "limit of 30000 KB" in status["status_text"]


@limited
def test_limits_change_while_the_component_runs_and_end_without_a_restart() -> None:
    with set_limits(memory=50_000) as (runtime, unit):
        pid = runtime.unit(unit.name)["main_pid"]
        for limits, bound in ((Limits(memory=60_000, cpus=0.5), True), (Limits(), False), (Limits(cpus=0.2), True)):
            (changed,) = component("org.A", COUNT, limits=limits, stop=unit.stop)
            deploy(runtime, changed, start=False)
            status = runtime.unit(unit.name)
            assert (status["main_pid"], status["limited"]) == (pid, bound)
        text = "".join(
            (directory / name).read_text()
            for directory in sorted(cgroups_of(pid))
            for name in ("cpu.cfs_quota_us", "cpu.max")
            if (directory / name).exists()
        )
        assert text.startswith("20000")


@limited
def test_limits_come_to_a_component_that_runs_without_any(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "sleep 1000 & echo $! > child; exec sleep 1001"))
    pid = runtime.wait_for_unit("ggl.org.A", "active", "running")["main_pid"]
    child = int(wait_until(lambda: (work(runtime, "org.A") / "child").exists() and read(runtime, "child")))
    assert not runtime.unit("ggl.org.A")["limited"]
    script = "sleep 1000 & echo $! > child; exec sleep 1001"
    deploy(runtime, *component("org.A", script, limits=Limits(memory=50_000)), start=False)
    assert runtime.unit("ggl.org.A")["main_pid"] == pid
    assert cgroups_of(pid) == cgroups_of(child) != set()


# -- pauses ------------------------------------------------------------------------------------------------------------


def test_a_paused_component_stands_still_until_it_is_resumed(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", COUNT))
    runtime.wait_for_unit("ggl.org.A", "active", "running")
    wait_until(lambda: count(runtime))
    for _ in range(2):  # the second time has no effect
        runtime.call("gg_host", "pause", {"names": ["ggl.org.A"]})
    pid = runtime.unit("ggl.org.A")["main_pid"]
    wait_until(lambda: is_frozen(pid))  # the kernel freezes when it comes to it
    before = count(runtime)
    time.sleep(0.3)
    assert count(runtime) == before
    status = runtime.unit("ggl.org.A")
    assert (status["active_state"], status["paused"]) == ("active", True)
    assert runtime.call("gg_health", "status", {"component": "org.A"})["paused"]
    runtime.call("gg_host", "resume", {"names": ["ggl.org.A"]})
    wait_until(lambda: count(runtime), lambda now: now > before)
    assert not runtime.unit("ggl.org.A")["paused"]


def test_what_is_not_running_cannot_be_paused_and_what_is_not_paused_not_resumed(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", COUNT), start=False)
    for method in ("pause", "resume"):
        with pytest.raises(BusError) as error:
            runtime.call("gg_host", method, {"names": ["ggl.org.A"]})
        assert error.value.code is ErrorCode.INVALID


def test_a_paused_component_ends_in_order(runtime: Runtime) -> None:
    script = "trap 'echo bye > said; exit 0' TERM; touch ready; while :; do sleep 0.02; done"
    deploy(runtime, *component("org.A", script, stop=Command("echo stop > stopped")))
    wait_until(lambda: (work(runtime, "org.A") / "ready").exists())
    runtime.call("gg_host", "pause", {"names": ["ggl.org.A"]})
    runtime.call("gg_host", "stop", {"names": ["ggl.org.A"]})
    assert (read(runtime, "said"), read(runtime, "stopped")) == ("bye", "stop")
    assert not runtime.unit("ggl.org.A")["paused"]


def test_a_restart_ends_the_pause(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", COUNT))
    first = runtime.wait_for_unit("ggl.org.A", "active", "running")["main_pid"]
    runtime.call("gg_host", "pause", {"names": ["ggl.org.A"]})
    runtime.call("gg_host", "restart", {"names": ["ggl.org.A"]})
    status = wait_until(lambda: runtime.unit("ggl.org.A"), lambda s: s["main_pid"] not in (0, first))
    assert not status["paused"]
