"""The process host, through ``gg_host``: real scripts, real signals, real crashes."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest

from ggl.host.process import launch
from tests.integration.conftest import Runtime, alive, wait_until
from tests.integration.units import component, deploy, sleeps

pytestmark = pytest.mark.process_host

# -- the supervisor itself ---------------------------------------------------------------------------------------------


def test_up_twice_is_one_runtime(runtime: Runtime) -> None:
    first = launch.start(runtime.root)
    assert first.already_running
    assert launch.running_pid(runtime.root) == first.pid


def test_a_killed_supervisor_leaves_nothing_that_the_next_one_does_not_clear(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "setsid sleep 1001 & exec sleep 1000"))
    old = runtime.wait_for_unit("ggl.org.A", "active")["main_pid"]
    runtime.call("gg_config", "list", {"key_path": []})
    before = set(runtime.processes())
    runtime.kill(runtime.call("gg_host", "info")["pid"])
    runtime.up()
    status = runtime.wait_for_unit("ggl.org.A", "active")
    assert not alive(old)
    wait_until(lambda: sleeps(runtime), lambda pids: len(pids) == 2)
    wait_until(lambda: before & set(runtime.processes()), lambda left: not left)
    assert status["main_pid"] != old


def test_down_clears_what_a_killed_supervisor_left(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "exec sleep 1000"))
    pid = runtime.wait_for_unit("ggl.org.A", "active")["main_pid"]
    runtime.kill(runtime.call("gg_host", "info")["pid"])
    result = runtime.down()
    assert not result.was_running
    assert pid in result.ended
    assert not alive(pid)


def test_stale_pid_and_socket_files_do_not_matter(runtime: Runtime) -> None:
    runtime.down()
    (runtime.root.run / "ggld.pid").write_text("1\n")
    runtime.root.bus_socket("gg_config").touch()
    runtime.up()
    assert runtime.call("gg_config", "list", {"key_path": []})


def test_orphans_of_components_are_reaped(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "for i in 1 2 3 4 5; do (setsid sh -c 'sleep 0.1' &) ; done; exec sleep 1000"))
    runtime.wait_for_unit("ggl.org.A", "active")
    pid = runtime.call("gg_host", "info")["pid"]
    time.sleep(0.3)
    zombies = [
        path
        for path in Path("/proc").glob("[0-9]*/stat")
        if (fields := _stat(path)) and fields[1] == str(pid) and fields[0] == "Z"
    ]
    assert zombies == []


def _stat(path: Path) -> list[str]:
    try:
        return path.read_text().rpartition(")")[2].split()
    except OSError:
        return []


# -- logs --------------------------------------------------------------------------------------------------------------


def log_writer(runtime: Runtime) -> int:
    return int(wait_until(lambda: runtime.call("gg_host", "info")["log_writer_pid"]))


def test_the_log_writer_leaves_when_nobody_prints_anything_and_is_back_for_the_next_line(runtime: Runtime) -> None:
    deploy(
        runtime, *component("org.A", "echo first; while ! [ -e go ]; do sleep 0.1; done; echo second; exec sleep 1000")
    )
    wait_until(lambda: runtime.log("org.A"), lambda log: "first\n" in log)
    wait_until(lambda: runtime.call("gg_host", "info")["log_writer_pid"], lambda pid: pid == 0, 60.0)
    (runtime.root.work / "org.A/go").touch()
    wait_until(lambda: runtime.log("org.A"), lambda log: "second\n" in log)
    wait_until(lambda: runtime.call("gg_host", "info")["log_writer_pid"], lambda pid: pid == 0, 60.0)
    deploy(runtime, *component("org.B", "echo third; exec sleep 1000"))
    wait_until(lambda: runtime.log("org.B"), lambda log: "third\n" in log)
    assert "log writer" not in runtime.log("ggl.core.ggld")


def test_a_killed_log_writer_loses_at_most_what_it_had_in_hand(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "for i in $(seq 2000); do echo line $i; sleep 0.0005; done; exec sleep 1000"))
    kills = 3
    for _ in range(kills):
        wait_until(lambda: runtime.log("org.A"), lambda log: "line" in log)
        runtime.kill(log_writer(runtime))
        time.sleep(0.3)
    text = wait_until(lambda: runtime.log("org.A"), lambda log: "line 2000\n" in log)
    numbers = [int(line.split()[-1]) for line in text.splitlines() if " line " in line]
    assert numbers == sorted(set(numbers))
    gaps = sum(later != earlier + 1 for earlier, later in itertools.pairwise(numbers))
    assert gaps <= kills
    assert len(numbers) > 1900, "what was printed while no log writer ran is lost"
