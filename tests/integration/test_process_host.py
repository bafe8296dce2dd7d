"""The process host, through ``gg_host``: real scripts, real signals, real crashes."""

from __future__ import annotations

import itertools
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from ggl.bus import BusError, ErrorCode
from ggl.host.process import launch
from ggl.host.unit import Command, Start, Unit, install_unit, main_unit
from tests.integration.conftest import Runtime, alive, wait_until


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
    runtime.call("gg_host", "load", {"units": [unit.to_dict() for unit in units], "start": names})


def work(runtime: Runtime, name: str) -> Path:
    return runtime.root.work / name


# -- one unit ----------------------------------------------------------------------------------------------------------


def test_a_run_script_is_up_as_soon_as_it_runs_and_no_interpreter_stays(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "exec sleep 1000"))
    status = runtime.wait_for_unit("ggl.org.A", "active", "running")
    assert Path(f"/proc/{status['main_pid']}/cmdline").read_bytes() == b"sleep\0001000\0"
    assert os.readlink(f"/proc/{status['main_pid']}/cwd") == str(work(runtime, "org.A"))


def test_stop_runs_the_shutdown_script_and_leaves_no_process_behind(runtime: Runtime) -> None:
    # A child in the group, a stray in a session of its own, and a double-forked daemon.
    script = "sleep 1001 & setsid sleep 1002 & (setsid sh -c 'sleep 1003 &') ; echo up; exec sleep 1004"
    deploy(runtime, *component("org.A", script, stop=Command("echo bye > stopped", timeout=15.0)))
    runtime.wait_for_unit("ggl.org.A", "active")
    wait_until(lambda: len(sleeps(runtime)), lambda count: count == 4)
    runtime.call("gg_host", "stop", {"names": ["ggl.org.A"]})
    assert sleeps(runtime) == []
    assert (work(runtime, "org.A") / "stopped").read_text() == "bye\n"
    assert runtime.unit("ggl.org.A")["active_state"] == "inactive"


def sleeps(runtime: Runtime) -> list[int]:
    return [pid for pid in runtime.processes() if name_of(pid) == "sleep"]


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""  # it has just ended


def test_a_unit_that_ignores_sigterm_is_killed(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "trap '' TERM; while :; do sleep 0.1; done"))
    pid = runtime.wait_for_unit("ggl.org.A", "active")["main_pid"]
    runtime.call("gg_host", "stop", {"names": ["ggl.org.A"]})
    assert not alive(pid)
    assert "SIGKILL" in wait_until(lambda: runtime.log("ggl.core.ggld"), lambda text: "SIGKILL" in text)


def test_a_run_script_that_ends_well_is_finished(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "exit 0"))
    status = wait_until(lambda: runtime.unit("ggl.org.A"), lambda s: s["started"] and s["sub_state"] == "dead")
    assert (status["active_state"], status["result"], status["restarts"]) == ("inactive", "success", 0)


def test_the_third_error_in_a_row_is_the_last_and_recover_runs_before_each_retry(runtime: Runtime) -> None:
    recover, stop = Command("echo recover >> log"), Command("echo stop >> log")
    deploy(runtime, *component("org.A", "echo run >> log; exit 7", recover=recover, stop=stop))
    status = runtime.wait_for_unit("ggl.org.A", "failed")
    assert (status["result"], status["exit_status"], status["restarts"]) == ("exit-code", 7, 2)
    lines = wait_until(lambda: (work(runtime, "org.A") / "log").read_text().split(), lambda found: len(found) == 8)
    assert lines == ["run", "recover", "stop", "run", "recover", "stop", "run", "stop"]


def test_a_killed_unit_comes_back(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "exec sleep 1000"))
    first = runtime.wait_for_unit("ggl.org.A", "active")["main_pid"]
    os.kill(first, signal.SIGKILL)
    second = wait_until(
        lambda: runtime.unit("ggl.org.A"), lambda s: s["active_state"] == "active" and s["main_pid"] != first
    )
    assert second["restarts"] == 1


def test_a_startup_script_is_up_at_its_end_or_when_the_component_says_so(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "sleep 0.2; sleep 1000 & exit 0", "startup", timeout=60.0))
    deploy(runtime, *component("org.B", "exec sleep 1000", "startup", timeout=60.0))
    runtime.wait_for_unit("ggl.org.A", "active", "exited")
    assert runtime.wait_for_unit("ggl.org.B", "activating", "start")
    runtime.call("gg_host", "notify", {"name": "ggl.org.B", "state": "READY"})
    assert runtime.wait_for_unit("ggl.org.B", "active", "running")
    runtime.call("gg_host", "stop", {"names": ["ggl.org.A"]})
    assert len(sleeps(runtime)) == 1


def test_a_startup_script_that_takes_too_long_is_an_error(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "exec sleep 1000", "startup", timeout=0.1))
    status = runtime.wait_for_unit("ggl.org.A", "failed")
    assert (status["result"], status["stage"]) == ("timeout", "start")
    wait_until(lambda: sleeps(runtime), lambda pids: not pids)


def test_a_component_that_reports_an_error_is_restarted(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "exec sleep 1000"))
    first = runtime.wait_for_unit("ggl.org.A", "active")["main_pid"]
    runtime.call("gg_host", "notify", {"name": "ggl.org.A", "state": "ERROR"})
    wait_until(lambda: runtime.unit("ggl.org.A"), lambda s: s["active_state"] == "active" and s["main_pid"] != first)
    assert not alive(first)


def test_a_shell_that_does_not_exist_is_an_error_that_says_so(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "true", shell="/no/such/shell"))
    status = runtime.wait_for_unit("ggl.org.A", "failed")
    assert status["result"] == "exec-failed"
    assert "/no/such/shell" in status["status_text"]


# -- install and dependencies ------------------------------------------------------------------------------------------


def test_install_runs_before_the_component_and_is_retried(runtime: Runtime) -> None:
    install = "echo try >> tries; test $(wc -l < tries) -ge 3"
    deploy(runtime, *component("org.A", "exec sleep 1000", install=install))
    runtime.wait_for_unit("ggl.org.A", "active")
    assert (work(runtime, "org.A") / "tries").read_text().split() == ["try"] * 3
    runtime.call("gg_host", "restart", {"names": ["ggl.org.A"]})
    runtime.wait_for_unit("ggl.org.A", "active")
    assert len((work(runtime, "org.A") / "tries").read_text().split()) == 3, "a restart does not install again"


def test_a_component_whose_install_fails_is_never_started(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "touch ran", install="exit 1"))
    runtime.wait_for_unit("ggl.org.A.install", "failed")
    assert runtime.unit("ggl.org.A")["sub_state"] == "waiting"
    assert not (work(runtime, "org.A") / "ran").exists()


def test_a_restart_gives_an_install_that_was_given_up_another_chance(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "exec sleep 1000", install="test -e repaired"))
    runtime.wait_for_unit("ggl.org.A.install", "failed")
    (work(runtime, "org.A") / "repaired").touch()
    runtime.call("gg_host", "restart", {"names": ["ggl.org.A"]})
    assert runtime.wait_for_unit("ggl.org.A", "active")


def test_a_unit_waits_for_what_it_requires_and_restarts_when_that_fails(runtime: Runtime) -> None:
    deploy(runtime, *component("org.B", "exec sleep 1000", requires=("ggl.org.A",)))
    assert runtime.wait_for_unit("ggl.org.B", "inactive", "waiting")["status_text"] == "waiting for ggl.org.A"
    deploy(runtime, *component("org.A", "exec sleep 1000"))
    dependent = runtime.wait_for_unit("ggl.org.B", "active")["main_pid"]
    os.kill(runtime.unit("ggl.org.A")["main_pid"], signal.SIGKILL)
    wait_until(
        lambda: runtime.unit("ggl.org.B"), lambda s: s["active_state"] == "active" and s["main_pid"] != dependent
    )
    assert not alive(dependent)


def test_a_finished_dependency_is_ready(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "exit 0"), *component("org.B", "exec sleep 1000", requires=("ggl.org.A",)))
    assert runtime.wait_for_unit("ggl.org.B", "active")


def test_a_new_definition_takes_force_at_the_next_start_and_the_old_shutdown_script_runs(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "exec sleep 1000", stop=Command("echo old > stopped")))
    first = runtime.wait_for_unit("ggl.org.A", "active")["main_pid"]
    deploy(runtime, *component("org.A", "exec sleep 2000", stop=Command("echo new > stopped")), start=False)
    assert runtime.unit("ggl.org.A")["main_pid"] == first
    runtime.call("gg_host", "restart", {"names": ["ggl.org.A"]})
    pid = wait_until(lambda: runtime.unit("ggl.org.A"), lambda s: s["main_pid"] not in (0, first))["main_pid"]
    assert (work(runtime, "org.A") / "stopped").read_text() == "old\n"
    wait_until(lambda: Path(f"/proc/{pid}/cmdline").read_bytes(), lambda text: text == b"sleep\0002000\0")


def test_names_that_are_no_component_units_are_refused(runtime: Runtime) -> None:
    for name in ("../evil", "ggl.core.configd", "other"):
        with pytest.raises(BusError) as error:
            runtime.call("gg_host", "load", {"units": [{"name": name}]})
        assert error.value.code is ErrorCode.INVALID


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


def test_what_was_stopped_stays_stopped_and_what_ran_comes_back(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "exec sleep 1000"), *component("org.B", "exec sleep 1000"))
    runtime.wait_for_unit("ggl.org.A", "active")
    runtime.wait_for_unit("ggl.org.B", "active")
    runtime.call("gg_host", "stop", {"names": ["ggl.org.B"]})
    runtime.down()
    runtime.up()
    assert runtime.wait_for_unit("ggl.org.A", "active")
    assert runtime.unit("ggl.org.B")["active_state"] == "inactive"


def test_units_stop_after_the_units_that_require_them(runtime: Runtime) -> None:
    order = runtime.root.state / "order"
    deploy(
        runtime,
        *component("org.A", "exec sleep 1000", stop=Command(f"echo A >> {order}")),
        *component("org.B", "exec sleep 1000", requires=("ggl.org.A",), stop=Command(f"sleep 0.2; echo B >> {order}")),
    )
    runtime.wait_for_unit("ggl.org.B", "active")
    runtime.down()
    assert order.read_text().split() == ["B", "A"]


def test_a_daemon_starts_at_its_first_connection_and_again_after_a_crash(runtime: Runtime) -> None:
    assert runtime.pid_of("pubsubd") == 0
    runtime.call("gg_pubsub", "bus.ping")
    first = runtime.pid_of("pubsubd")
    runtime.kill(first)
    runtime.call("gg_pubsub", "bus.ping")
    assert runtime.pid_of("pubsubd") not in (0, first)


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


def test_output_becomes_records_with_time_and_level(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "echo out; echo err >&2; echo '<3>bad'; printf 'no newline'"))
    text = wait_until(lambda: runtime.log("org.A"), lambda log: "bad" in log and "err" in log)
    assert " INFO out\n" in text
    assert " WARN err\n" in text
    assert " ERROR bad\n" in text


def test_a_killed_log_writer_loses_at_most_what_it_had_in_hand(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "for i in $(seq 2000); do echo line $i; sleep 0.0005; done; exec sleep 1000"))
    kills = 3
    for _ in range(kills):
        wait_until(lambda: runtime.log("org.A"), lambda log: "line" in log)
        runtime.kill(runtime.call("gg_host", "info")["log_writer_pid"])
        time.sleep(0.3)
    text = wait_until(lambda: runtime.log("org.A"), lambda log: "line 2000\n" in log)
    numbers = [int(line.split()[-1]) for line in text.splitlines() if " line " in line]
    assert numbers == sorted(set(numbers))
    gaps = sum(later != earlier + 1 for earlier, later in itertools.pairwise(numbers))
    assert gaps <= kills
    assert len(numbers) > 1900, "what was printed while no log writer ran is lost"
