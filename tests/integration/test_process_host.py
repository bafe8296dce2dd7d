"""The process host, through ``gg_host``: real scripts, real signals, real crashes."""

from __future__ import annotations

import itertools
import os
import signal

import pytest

from ggl.host.process import launch
from tests.integration.conftest import Runtime, alive, children, wait_until
from tests.integration.units import component, deploy, name_of, sleeps, wait_for_sleep, work

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
    wait_for_sleep(pid)
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
    orphan = "setsid sh -c 'sleep 0.1; echo over >> ended'"
    deploy(runtime, *component("org.A", f"for i in 1 2 3 4 5; do ({orphan} &) ; done; exec sleep 1000"))
    main = runtime.wait_for_unit("ggl.org.A", "active")["main_pid"]
    wait_for_sleep(main)  # so those who made the orphans have ended
    ended = work(runtime, "org.A") / "ended"
    wait_until(lambda: ended.exists() and ended.read_text().split(), lambda found: found == ["over"] * 5)
    supervisor = runtime.call("gg_host", "info")["pid"]
    # One that is not reaped stays in this list, under its name.
    wait_until(lambda: [pid for pid in children(supervisor) if name_of(pid) in ("sh", "sleep")], lambda e: e == [main])


# -- logs --------------------------------------------------------------------------------------------------------------


def log_writer(runtime: Runtime) -> int:
    pid: int = runtime.call("gg_host", "info")["log_writer_pid"]
    return pid


def test_the_log_writer_leaves_when_nobody_prints_anything_and_is_back_for_the_next_line(runtime: Runtime) -> None:
    deploy(
        runtime, *component("org.A", "echo first; while ! [ -e go ]; do sleep 0.1; done; echo second; exec sleep 1000")
    )
    wait_until(lambda: runtime.log("org.A"), lambda log: "first\n" in log)
    wait_until(lambda: log_writer(runtime), lambda pid: pid == 0, 120.0)
    (runtime.root.work / "org.A/go").touch()
    wait_until(lambda: runtime.log("org.A"), lambda log: "second\n" in log)
    wait_until(lambda: log_writer(runtime), lambda pid: pid == 0, 120.0)
    deploy(runtime, *component("org.B", "echo third; exec sleep 1000"))
    wait_until(lambda: runtime.log("org.B"), lambda log: "third\n" in log)
    assert "log writer" not in runtime.log("ggl.core.ggld")


def test_a_killed_log_writer_loses_at_most_what_it_had_in_hand(runtime: Runtime) -> None:
    up_to = "up_to() { while [ $i -lt $1 ]; do i=$((i+1)); echo line $i; sleep 0.0005; done; }"
    pause = "until [ -e go ]; do echo waiting; sleep 0.1; done"
    deploy(runtime, *component("org.A", f"i=0; {up_to}; up_to 1900; {pause}; up_to 2000; touch told; exec sleep 1000"))
    kills = 3
    for _ in range(kills):
        lines = runtime.log("org.A").count("\n")
        wait_until(lambda: runtime.log("org.A").count("\n"), lambda now, before=lines: now > before)  # type: ignore[misc]
        runtime.kill(wait_until(lambda: log_writer(runtime)))
    # Once more when it has none of them in hand, and so that no other comes before everything was said.
    wait_until(lambda: runtime.log("org.A"), lambda log: "waiting\n" in log)
    supervisor, writer = runtime.call("gg_host", "info")["pid"], wait_until(lambda: log_writer(runtime))
    os.kill(supervisor, signal.SIGSTOP)
    os.kill(writer, signal.SIGKILL)
    wait_until(lambda: alive(writer), lambda up: not up)
    (work(runtime, "org.A") / "go").touch()
    wait_until(lambda: (work(runtime, "org.A") / "told").exists())
    os.kill(supervisor, signal.SIGCONT)
    text = wait_until(lambda: runtime.log("org.A"), lambda log: "line 2000\n" in log)
    numbers = [int(line.split()[-1]) for line in text.splitlines() if " line " in line]
    assert numbers == sorted(set(numbers))
    gaps = sum(later != earlier + 1 for earlier, later in itertools.pairwise(numbers))
    assert gaps <= kills
    assert numbers[-100:] == list(range(1901, 2001)), "what was printed while no log writer ran is lost"
