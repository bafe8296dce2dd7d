"""Units of components through ``gg_host``, on either host: real scripts, real signals, real crashes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from ggl.bus import BusError, ErrorCode
from ggl.host import client as host
from ggl.host.unit import Command, Unit
from tests.integration.conftest import Runtime, alive, wait_until
from tests.integration.units import component, deploy, sleeps, work

# -- one unit ----------------------------------------------------------------------------------------------------------


def test_a_run_script_is_up_as_soon_as_it_runs_and_no_interpreter_stays(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "exec sleep 1000"))
    status = runtime.wait_for_unit("ggl.org.A", "active", "running")
    # The shell becomes the program a moment after it was begun.
    wait_until(Path(f"/proc/{status['main_pid']}/cmdline").read_bytes, lambda line: line == b"sleep\0001000\0")
    assert os.readlink(f"/proc/{status['main_pid']}/cwd") == str(work(runtime, "org.A"))


def test_stop_runs_the_shutdown_script_and_leaves_no_process_behind(runtime: Runtime) -> None:
    # A child in the group, a stray in a session of its own, and a double-forked daemon.
    script = "sleep 1001 & setsid sleep 1002 & (setsid sh -c 'sleep 1003 &') ; echo up; exec sleep 1004"
    deploy(runtime, *component("org.A", script, stop=Command("echo bye > stopped", timeout=60.0)))
    runtime.wait_for_unit("ggl.org.A", "active")
    wait_until(lambda: len(sleeps(runtime)), lambda count: count == 4)
    runtime.call("gg_host", "stop", {"names": ["ggl.org.A"]})
    assert sleeps(runtime) == []
    assert (work(runtime, "org.A") / "stopped").read_text() == "bye\n"
    assert runtime.unit("ggl.org.A")["active_state"] == "inactive"


def test_a_unit_that_ignores_sigterm_is_killed(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "trap '' TERM; touch ready; while :; do sleep 0.1; done"))
    pid = runtime.wait_for_unit("ggl.org.A", "active")["main_pid"]
    wait_until(lambda: (work(runtime, "org.A") / "ready").exists())
    runtime.call("gg_host", "stop", {"names": ["ggl.org.A"]})
    assert not alive(pid)
    assert "SIGKILL" in wait_until(lambda: runtime.host_log(), lambda text: "SIGKILL" in text)


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
    wait_until(lambda: len(sleeps(runtime)), lambda count: count == 2)  # B is up, but its script may not have begun
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


def test_what_cannot_be_executed_is_told_as_such(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "echo \0"))
    status = runtime.wait_for_unit("ggl.org.A", "failed")
    assert (status["result"], status["stage"]) == ("exec-failed", "start")
    assert "null" in status["status_text"]


def test_a_stopped_process_still_ends_in_order(runtime: Runtime) -> None:
    script = "trap 'echo bye > said; exit 0' TERM; touch ready; while :; do sleep 0.05; done"
    deploy(runtime, *component("org.A", script))
    pid = runtime.wait_for_unit("ggl.org.A", "active")["main_pid"]
    wait_until(lambda: (work(runtime, "org.A") / "ready").exists())
    os.kill(pid, signal.SIGSTOP)
    runtime.call("gg_host", "stop", {"names": ["ggl.org.A"]})
    assert (work(runtime, "org.A") / "said").read_text() == "bye\n"


# -- install and dependencies ------------------------------------------------------------------------------------------


def test_install_runs_before_the_component_and_is_retried(runtime: Runtime) -> None:
    install = "echo try >> tries; test $(wc -l < tries) -ge 3"
    deploy(runtime, *component("org.A", "exec sleep 1000", install=install))
    first = runtime.wait_for_unit("ggl.org.A", "active")["main_pid"]
    assert (work(runtime, "org.A") / "tries").read_text().split() == ["try"] * 3
    runtime.call("gg_host", "restart", {"names": ["ggl.org.A"]})
    wait_until(
        lambda: runtime.unit("ggl.org.A"), lambda s: s["active_state"] == "active" and s["main_pid"] not in (0, first)
    )
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


# -- definitions -------------------------------------------------------------------------------------------------------


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


def test_a_unit_equal_to_the_one_that_is_loaded_changes_nothing(runtime: Runtime) -> None:
    units = component("org.A", "exit 3", restart="no", install="true")
    deploy(runtime, *units)
    runtime.wait_for_unit("ggl.org.A", "failed")
    before = (runtime.root.units / "ggl.org.A.json").stat().st_mtime_ns
    deploy(runtime, *units, start=False)
    assert runtime.unit("ggl.org.A")["active_state"] == "failed"
    assert (runtime.root.units / "ggl.org.A.json").stat().st_mtime_ns == before


def test_another_shutdown_script_counts_from_the_next_start_on(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "exec sleep 1000", stop=Command("echo old >> stopped")))
    pid = runtime.wait_for_unit("ggl.org.A", "active")["main_pid"]
    deploy(runtime, *component("org.A", "exec sleep 1000", stop=Command("echo new >> stopped")), start=False)
    assert runtime.unit("ggl.org.A")["main_pid"] == pid
    for said in ("old\n", "old\nnew\n"):
        runtime.call("gg_host", "stop", {"names": ["ggl.org.A"]})
        assert (work(runtime, "org.A") / "stopped").read_text() == said
        runtime.call("gg_host", "start", {"names": ["ggl.org.A"]})
        runtime.wait_for_unit("ggl.org.A", "active")


@pytest.mark.parametrize("method", ["stop", "unload"])
def test_who_needs_another_is_stopped_before_it(runtime: Runtime, method: str) -> None:
    """org.C needs org.B, which needs org.A; each takes a while to stop."""

    def unit(name: str, *requires: str) -> list[Unit]:
        stop = Command(f"sleep 0.1; echo {name} >> {runtime.root.state}/order", timeout=60.0)
        return component(name, "exec sleep 1000", stop=stop, requires=tuple(f"ggl.{each}" for each in requires))

    deploy(runtime, *unit("org.A"), *unit("org.B", "org.A"), *unit("org.C", "org.B"))
    names = ["ggl.org.A", "ggl.org.B", "ggl.org.C"]
    for name in names:
        runtime.wait_for_unit(name, "active")
    runtime.call("gg_host", method, {"names": names})
    assert (runtime.root.state / "order").read_text().split() == ["org.C", "org.B", "org.A"]
    if method == "unload":
        assert list(runtime.root.units.glob("ggl.org.*")) == []


# -- the whole runtime -------------------------------------------------------------------------------------------------


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


def test_output_becomes_records_with_time_and_level(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "echo out; echo err >&2; echo '<3>bad'; printf 'no newline'"))
    text = wait_until(lambda: runtime.log("org.A"), lambda log: "bad" in log and "err" in log)
    assert " INFO out\n" in text
    assert " WARN err\n" in text
    assert " ERROR bad\n" in text


def test_a_daemon_that_hangs_does_not_keep_the_runtime_from_stopping(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "exec sleep 1000", stop=Command("true", timeout=2.0)))
    runtime.wait_for_unit("ggl.org.A", "active")
    pid = runtime.pid_of("configd")
    assert pid > 0  # or it would be all of ours
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(BusError) as error:
        runtime.call("gg_config", "read", {"key_path": []}, timeout=0.5)
    assert error.value.code is ErrorCode.TIMEOUT
    assert runtime.down().was_running


def test_a_unit_file_that_cannot_be_read_costs_only_its_unit(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "exec sleep 1000"), *component("org.B", "exec sleep 1000"))
    runtime.down()
    for text, name in (("{", "ggl.org.B"), ("[]", "ggl.org.C"), ('{"unit": 1, "wanted": 1}', "ggl.org.D")):
        (runtime.root.units / f"{name}.json").write_text(text)
    (runtime.root.units / "ggl.org.E.json").mkdir()
    runtime.up()
    assert runtime.wait_for_unit("ggl.org.A", "active")
    wait_until(lambda: runtime.host_log().count("cannot be used"), lambda count: count == 4)


def test_what_left_its_mark_behind_ends_with_the_runtime_at_the_latest(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "env -i setsid sleep 1000 & echo $! > pid; exec sleep 1000"))
    runtime.wait_for_unit("ggl.org.A", "active")
    pid = int(
        wait_until(lambda: (work(runtime, "org.A") / "pid").exists() and (work(runtime, "org.A") / "pid").read_text())
    )
    runtime.down()
    assert not alive(pid)


def test_a_restarted_runtime_gives_scripts_the_limits_it_was_started_with(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "ulimit -n >> files"))
    files = work(runtime, "org.A") / "files"
    wait_until(lambda: files.exists() and files.read_text())
    runtime.call("gg_host", "restart_runtime")
    before, after = wait_until(lambda: files.read_text().split(), lambda lines: len(lines) == 2)
    assert before == after


def test_the_device_is_restarted_by_the_command_that_is_named(runtime: Runtime) -> None:
    mark = runtime.root.state / "rebooted"
    with runtime.client("gg_host") as client:
        host.reboot(client, f"echo going down; touch {mark}")
        assert mark.exists()
        with pytest.raises(BusError) as error:
            host.reboot(client, "echo not allowed >&2; exit 3")
    assert error.value.code is ErrorCode.FAILURE
    assert "exited with code 3: not allowed" in error.value.message
