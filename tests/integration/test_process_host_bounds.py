"""Limits and pauses of components: the real kernel, as far as it lets us; what it does when it does not."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from ggl.bus import Loop
from ggl.host.process import marker
from ggl.host.process.cgroups import Cgroup, Unavailable
from tests.integration.conftest import Runtime, alive, wait_until
from tests.integration.test_bounds import COUNT, cgroups_of, count, set_limits
from tests.integration.units import component, deploy, limited, unlimited, work

pytestmark = pytest.mark.process_host

MOUNTS = Path("/proc/self/mountinfo").read_text().splitlines(keepends=True)


# -- limits ------------------------------------------------------------------------------------------------------------


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


@unlimited
def test_a_component_whose_limits_cannot_be_enforced_runs_and_the_log_says_why() -> None:
    with set_limits(memory=50_000) as (runtime, unit):
        assert not runtime.unit(unit.name)["limited"]
        log = wait_until(lambda: runtime.log("ggl.core.ggld"), lambda text: "systemResourceLimits" in text)
        assert log.count("systemResourceLimits") == 1


# -- pauses ------------------------------------------------------------------------------------------------------------


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

    def stands_still() -> int | None:
        count = ticks(child)
        time.sleep(0.3)
        return count if ticks(child) == count else None

    try:
        cgroup.freeze(group)
        assert child in cgroup.processes()
        before = wait_until(stands_still, lambda count: count is not None)  # the kernel freezes when it comes to it
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
