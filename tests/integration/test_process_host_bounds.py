"""Limits and pauses of components: the real kernel, as far as it lets us; what it does when it does not."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ggl.bus import BusError, ErrorCode, Loop
from ggl.host.process import marker
from ggl.host.process.cgroups import Cgroup, Unavailable
from ggl.host.unit import Command, Limits, Unit
from tests.integration.conftest import Runtime, alive, running, wait_until
from tests.integration.test_process_host import component, deploy, work

COUNT = "n=0; while :; do n=$((n+1)); echo $n > count; sleep 0.01; done"
EAT = "x=$(head -c 100000000 /dev/zero | tr '\\0' x); echo survived > survived; exec sleep 1000"


def can_limit() -> bool:
    cgroup = Cgroup("greengrass-test", "probe", lambda _: False)
    try:
        cgroup.limit(Limits(memory=100_000, cpus=1.0))
    except Unavailable:
        return False
    finally:
        cgroup.remove()
    return True


MOUNTS = Path("/proc/self/mountinfo").read_text().splitlines(keepends=True)

limited = pytest.mark.skipif(not can_limit(), reason="cgroups cannot be written here")
unlimited = pytest.mark.skipif(can_limit(), reason="cgroups can be written here")


def count(runtime: Runtime) -> int:
    try:
        return int((work(runtime, "org.A") / "count").read_text() or 0)
    except FileNotFoundError:
        return 0


def cgroups_of(pid: int) -> set[Path]:
    """The directories named after the component in which a process is."""
    found = set()
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "/greengrass-" in path:
            found.add(Path("/sys/fs/cgroup", controllers or "unified", path.strip("/")))
    return found


@contextmanager
def set_limits(**limits: Any) -> Iterator[tuple[Runtime, Unit]]:
    with running() as runtime:
        (unit,) = component("org.A", COUNT, limits=Limits(**limits), stop=Command("cat /proc/self/cgroup > stop"))
        deploy(runtime, unit)
        runtime.wait_for_unit(unit.name, "active", "running")
        yield runtime, unit


# -- limits ------------------------------------------------------------------------------------------------------------


@limited
def test_a_component_that_uses_more_memory_than_its_limit_is_killed_and_the_reason_says_so(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", EAT, limits=Limits(memory=30_000), restart="no"))
    status = runtime.wait_for_unit("ggl.org.A", "failed")
    assert not (work(runtime, "org.A") / "survived").exists()
    if status["result"] == "signal":  # else the kernel took the shell's child, and the shell ended by itself
        assert "limit of 30000 KB" in status["status_text"]


@limited
def test_only_the_start_script_and_its_children_are_limited_and_the_cgroup_goes_with_them() -> None:
    with set_limits(memory=50_000, cpus=0.5) as (runtime, unit):
        status = runtime.unit(unit.name)
        assert status["limited"]
        directories = cgroups_of(status["main_pid"])
        assert directories
        assert all(directory.name == "org.A" for directory in directories)
        runtime.call("gg_host", "stop", {"names": [unit.name]})
        assert "greengrass" not in (work(runtime, "org.A") / "stop").read_text()
        wait_until(lambda: [directory for directory in directories if directory.exists()], lambda left: not left)


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


def read(runtime: Runtime, name: str) -> str:
    return (work(runtime, "org.A") / name).read_text().strip()


@unlimited
def test_a_component_whose_limits_cannot_be_enforced_runs_and_the_log_says_why() -> None:
    with set_limits(memory=50_000) as (runtime, unit):
        assert not runtime.unit(unit.name)["limited"]
        log = wait_until(lambda: runtime.log("ggl.core.ggld"), lambda text: "systemResourceLimits" in text)
        assert log.count("systemResourceLimits") == 1


# -- pauses ------------------------------------------------------------------------------------------------------------


def test_a_paused_component_stands_still_until_it_is_resumed(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", COUNT))
    runtime.wait_for_unit("ggl.org.A", "active", "running")
    wait_until(lambda: count(runtime))
    for _ in range(2):  # the second time has no effect
        runtime.call("gg_host", "pause", {"names": ["ggl.org.A"]})
    time.sleep(0.1)
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


def test_nothing_stays_frozen_when_the_supervisor_is_killed(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", COUNT))
    pid = runtime.wait_for_unit("ggl.org.A", "active", "running")["main_pid"]
    runtime.call("gg_host", "pause", {"names": ["ggl.org.A"]})
    runtime.kill(runtime.call("gg_host", "info")["pid"])
    assert alive(pid)
    directories = cgroups_of(pid)
    runtime.up()
    assert not alive(pid)
    assert [directory for directory in directories if directory.exists()] == []
    before = count(runtime)
    wait_until(lambda: count(runtime), lambda now: now != before)


def test_without_a_freezer_every_process_is_stopped_by_signal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from ggl.host.process import bounds

    def refuse(*_args: object) -> None:
        raise Unavailable("there is no freezer")

    monkeypatch.setattr(bounds.Cgroup, "freeze", refuse)
    from ggl.paths import find_root

    root = find_root(str(tmp_path))
    environment = {**os.environ, marker.VARIABLE: marker.mark(tmp_path, "ggl.org.A")}
    child = os.posix_spawn("/bin/sh", ["sh", "-c", "setsid sleep 1000 & sleep 1001"], environment, setpgroup=0)
    try:
        held = bounds.Bounds(Loop(), root, "ggl.org.A", "org.A", lambda: {child})
        pids = wait_until(lambda: set(marker.marked(environment[marker.VARIABLE], whole=True)), lambda s: len(s) == 3)
        held.pause()
        wait_until(lambda: {state(pid) for pid in pids}, lambda states: states == {"T"})
        held.resume()
        wait_until(lambda: {state(pid) for pid in pids}, lambda states: "T" not in states)
    finally:
        for pid in marker.marked(environment[marker.VARIABLE], whole=True):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(child, 0)


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


UNIFIED = next((Path(line.split()[4]) for line in MOUNTS if " - cgroup2 " in line), None)


@pytest.mark.skipif(UNIFIED is None or not os.access(UNIFIED / "cgroup.procs", os.W_OK), reason="no cgroups v2 here")
def test_version_2_freezes_a_process_with_its_children(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text("".join(line for line in MOUNTS if " - cgroup2 " in line))
    (tmp_path / "cgroup").write_text("0::/\n")
    child = os.posix_spawn("/bin/sh", ["sh", "-c", "while :; do sleep 0.01; done"], dict(os.environ), setpgroup=0)
    cgroup = Cgroup(f"greengrass-test-{os.getpid()}", "com.a", lambda _: False, tmp_path)

    def group() -> list[int]:
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and in_group(int(name), child)]

    try:
        cgroup.freeze(group)
        assert child in cgroup.processes()
        before = ticks(child)
        time.sleep(0.3)
        assert ticks(child) == before
        cgroup.thaw()
        wait_until(lambda: ticks(child), lambda now: now > before)
    finally:
        cgroup.thaw()
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert wait_until(cgroup.remove)


def in_group(pid: int, group: int) -> bool:
    try:
        return os.getpgid(pid) == group
    except ProcessLookupError:
        return False


def ticks(pid: int) -> int:
    """Context switches that the process made by itself: one for each child it waits for."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
