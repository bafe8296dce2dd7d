"""The process host under requests that cross each other, components that misbehave, and processes that are killed."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ggl.bus import BusError, ErrorCode
from ggl.host.process import launch
from ggl.host.process.logwriter import FILE_SIZE, FILES_KEPT
from ggl.host.unit import Command
from ggl.paths import find_root
from tests.integration.conftest import Runtime, alive, wait_until
from tests.integration.test_components import GGL
from tests.integration.test_process_host import component, deploy, sleeps, work

STUBBORN = "trap '' TERM; while :; do sleep 0.1; done"


def supervisor(runtime: Runtime) -> int:
    pid: int = runtime.call("gg_host", "info")["pid"]
    return pid


# -- requests that cross each other ------------------------------------------------------------------------------------


def test_who_waits_for_a_stop_is_answered_although_the_unit_is_started_again_meanwhile(runtime: Runtime) -> None:
    deploy(
        runtime, *component("org.A", "exec sleep 1000", stop=Command("touch stopping; while test ! -e go; do :; done"))
    )
    runtime.wait_for_unit("ggl.org.A", "active")
    runtime.call("gg_host", "restart", {"names": ["ggl.org.A"]})
    wait_until(lambda: (work(runtime, "org.A") / "stopping").exists())
    with ThreadPoolExecutor() as pool:
        stop = pool.submit(runtime.call, "gg_host", "stop", {"names": ["ggl.org.A"]})
        wait_until(lambda: runtime.unit("ggl.org.A"), lambda status: not status["wanted"])
        runtime.call("gg_host", "start", {"names": ["ggl.org.A"]})
        (work(runtime, "org.A") / "go").touch()
        stop.result(timeout=30)
    assert runtime.wait_for_unit("ggl.org.A", "active")


def test_a_stop_right_after_a_start_leaves_no_process(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "exec sleep 1000"), start=False)
    runtime.call("gg_ipc", "connections")
    with runtime.client("gg_host") as client:
        for _ in range(30):
            client.notify("start", {"names": ["ggl.org.A"]})
            client.call("stop", {"names": ["ggl.org.A"]})
            assert runtime.unit("ggl.org.A")["active_state"] == "inactive"
            assert sleeps(runtime) == []


def test_what_never_came_up_is_no_more_ready_when_it_is_stopped(runtime: Runtime) -> None:
    deploy(
        runtime,
        *component("org.A", "exec sleep 1000", "startup"),
        *component("org.B", "touch ran", requires=("ggl.org.A",)),
    )
    runtime.wait_for_unit("ggl.org.A", "activating")
    runtime.call("gg_host", "stop", {"names": ["ggl.org.A"]})
    assert runtime.unit("ggl.org.B")["sub_state"] == "waiting"
    assert not (work(runtime, "org.B") / "ran").exists()


def test_a_restart_while_an_error_is_being_cleared_does_not_hit_the_new_process(runtime: Runtime) -> None:
    deploy(
        runtime, *component("org.A", f'test -e ok && exec sleep 1000; setsid sh -c "{STUBBORN}" & sleep 0.3; exit 1')
    )
    runtime.wait_for_unit("ggl.org.A", "activating", "auto-restart")
    (work(runtime, "org.A") / "ok").touch()
    time.sleep(0.5)
    runtime.call("gg_host", "restart", {"names": ["ggl.org.A"]})
    pid = runtime.wait_for_unit("ggl.org.A", "active")["main_pid"]
    time.sleep(1.0)
    assert runtime.unit("ggl.org.A")["main_pid"] == pid
    assert alive(pid)


def test_a_unit_that_is_loaded_again_while_it_is_unloaded_stays(runtime: Runtime) -> None:
    stop = Command("touch stopping; while test ! -e go; do :; done")
    deploy(runtime, *component("org.A", "exec sleep 1000", stop=stop))
    runtime.wait_for_unit("ggl.org.A", "active")
    with ThreadPoolExecutor() as pool:
        unload = pool.submit(runtime.call, "gg_host", "unload", {"names": ["ggl.org.A"]})
        wait_until(lambda: (work(runtime, "org.A") / "stopping").exists())
        deploy(runtime, *component("org.A", "exec sleep 2000"))
        (work(runtime, "org.A") / "go").touch()
        unload.result(timeout=30)
    status = runtime.wait_for_unit("ggl.org.A", "active")
    wait_until(
        lambda: Path(f"/proc/{status['main_pid']}/cmdline").read_bytes(), lambda text: text == b"sleep\0002000\0"
    )
    runtime.down()
    runtime.up()
    assert runtime.wait_for_unit("ggl.org.A", "active")


def test_a_stop_gives_up_the_installation_and_a_start_begins_it_anew(runtime: Runtime) -> None:
    install = "echo try >> tries; test -e ok || exec sleep 1000"
    deploy(runtime, *component("org.A", "exec sleep 1000", install=install))
    wait_until(lambda: sleeps(runtime))
    runtime.call("gg_host", "stop", {"names": ["ggl.org.A"]})
    assert sleeps(runtime) == []
    status = runtime.unit("ggl.org.A.install")
    assert (status["active_state"], status["started"]) == ("inactive", False)
    (work(runtime, "org.A") / "ok").touch()
    runtime.call("gg_host", "start", {"names": ["ggl.org.A"]})
    assert runtime.wait_for_unit("ggl.org.A", "active")
    assert (work(runtime, "org.A") / "tries").read_text().split() == ["try", "try"]


def test_a_changed_installation_is_done_again_at_the_next_start(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "exec sleep 1000", install="echo one >> done"))
    runtime.wait_for_unit("ggl.org.A", "active")
    deploy(runtime, *component("org.A", "exec sleep 1000", install="echo two >> done"), start=False)
    runtime.call("gg_host", "restart", {"names": ["ggl.org.A"]})
    wait_until(lambda: (work(runtime, "org.A") / "done").read_text().split(), lambda found: found == ["one", "two"])
    assert runtime.wait_for_unit("ggl.org.A", "active")


def test_a_new_definition_may_wait_for_less(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "exec sleep 1000", requires=("ggl.org.Missing",)))
    runtime.wait_for_unit("ggl.org.A", "inactive", "waiting")
    deploy(runtime, *component("org.A", "exec sleep 1001"), start=False)
    assert runtime.wait_for_unit("ggl.org.A", "active")


def test_a_process_that_said_it_was_up_is_watched_beyond_the_limit_of_its_start(runtime: Runtime) -> None:
    script = "while test ! -e go; do sleep 0.05; done; exit 5"
    deploy(runtime, *component("org.A", script, "startup", timeout=2.0, restart="no"))
    runtime.wait_for_unit("ggl.org.A", "activating", "start")
    runtime.call("gg_host", "notify", {"name": "ggl.org.A", "state": "READY"})
    time.sleep(2.2)
    assert runtime.unit("ggl.org.A")["active_state"] == "active"
    (work(runtime, "org.A") / "go").touch()
    status = runtime.wait_for_unit("ggl.org.A", "failed")
    assert (status["exit_status"], status["stage"], status["main_pid"]) == (5, "run", 0)


def test_units_that_require_themselves_or_each_other_wait_and_do_not_hold_up_the_end(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "exec sleep 1000"), *component("org.B", "exec sleep 1000"))
    for name in ("ggl.org.A", "ggl.org.B"):
        runtime.wait_for_unit(name, "active")
    deploy(
        runtime,
        *component("org.A", "exec sleep 1001", requires=("ggl.org.B",)),
        *component("org.C", "exec sleep 1000", requires=("ggl.org.C",)),
    )
    runtime.call("gg_host", "restart", {"names": ["ggl.org.A"]})
    assert runtime.wait_for_unit("ggl.org.C", "inactive", "waiting")["status_text"] == "waiting for ggl.org.C"
    deploy(runtime, *component("org.B", "exec sleep 1001", requires=("ggl.org.A",)))
    began = time.monotonic()
    runtime.down()
    assert time.monotonic() - began < 25, "it waited until the supervisor gave up"


def test_names_that_lead_out_of_their_directories_are_refused(runtime: Runtime) -> None:
    for name in ("../../evil", "..", "x" * 201):
        with pytest.raises(BusError) as error:
            runtime.call("gg_host", "load", {"units": [{"name": "ggl.org.A", "component": name}]})
        assert error.value.code is ErrorCode.INVALID


# -- what a component gets, and what it may do -------------------------------------------------------------------------


def test_a_script_begins_like_a_fresh_process(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    runtime = Runtime(find_root(str(directory)))
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    # A shell without job control starts what is in the background so.
    before = signal.signal(signal.SIGQUIT, signal.SIG_IGN)
    mask = os.umask(0o077)
    try:
        runtime.up()
        deploy(runtime, *component("org.A", "exec sleep 1000"))
        process = Path(f"/proc/{runtime.wait_for_unit('ggl.org.A', 'active')['main_pid']}")
        status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines() if ":\t" in line)
        # The C library keeps signals 32 and 33 for itself: nobody can set them, so what is inherited stays.
        others = ~(0b11 << 31)
        assert {int(status[name], 16) & others for name in ("SigBlk", "SigIgn", "SigCgt")} == {0}
        assert status["Umask"] == "0022"
        assert f" {limit} " in next(
            line for line in (process / "limits").read_text().splitlines() if line.startswith("Max open files")
        )
        names = {entry.partition(b"=")[0].decode() for entry in (process / "environ").read_bytes().split(b"\0")}
        assert not {name for name in names if name.startswith(("LISTEN_", "MALLOC_", "AWS_SECRET"))}
        assert {name for name in names if name.startswith("GGL_")} == {"GGL_REGISTRATION_SOCKET", "GGL_SUPERVISED"}
        assert {os.readlink(fd) for fd in (process / "fd").iterdir() if int(fd.name) > 2} == set()
    finally:
        signal.signal(signal.SIGQUIT, before)
        os.umask(mask)
        runtime.down()


def test_what_cannot_be_executed_is_told_as_such(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "echo \0"))
    status = runtime.wait_for_unit("ggl.org.A", "failed")
    assert (status["result"], status["stage"]) == ("exec-failed", "start")
    assert "null" in status["status_text"]


def test_a_stopped_process_still_ends_in_order(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "trap 'echo bye > said; exit 0' TERM; while :; do sleep 0.05; done"))
    pid = runtime.wait_for_unit("ggl.org.A", "active")["main_pid"]
    time.sleep(0.2)  # until the trap is set
    os.kill(pid, signal.SIGSTOP)
    runtime.call("gg_host", "stop", {"names": ["ggl.org.A"]})
    assert (work(runtime, "org.A") / "said").read_text() == "bye\n"


def test_a_flood_of_output_stays_within_its_files_and_holds_up_nobody(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "yes '' | head -c 3000000; printf '\\377\\000\\n'; echo end; exec sleep 1000"))
    deploy(runtime, *component("org.B", "head -c 30000000 /dev/zero | tr '\\0' x; echo; echo end; exec sleep 1000"))
    assert runtime.call("gg_host", "list", timeout=5.0)
    for name in ("org.A", "org.B"):
        wait_until(lambda n=name: runtime.log(n)[-200:], lambda text: " INFO end\n" in text)  # type: ignore[misc]
        files = list(runtime.root.logs.glob(f"{name}.log*"))
        assert len(files) <= FILES_KEPT + 1
        assert all(file.stat().st_size <= FILE_SIZE for file in files)


def test_many_units_at_once_are_all_heard(runtime: Runtime) -> None:
    names = [f"org.N{number}" for number in range(200)]
    units = [unit for name in names for unit in component(name, f"echo I am {name}; exec sleep 1000")]
    deploy(runtime, *units)
    wait_until(
        lambda: [name for name in names if f"I am {name}\n" not in runtime.log(name)], lambda left: not left, 120.0
    )
    files = len(os.listdir(f"/proc/{supervisor(runtime)}/fd"))
    runtime.kill(runtime.call("gg_host", "info")["log_writer_pid"])
    runtime.call("gg_host", "restart", {"names": [f"ggl.{name}" for name in names]})
    wait_until(
        lambda: [name for name in names if runtime.log(name).count(f"I am {name}\n") < 2], lambda left: not left, 120.0
    )
    assert len(os.listdir(f"/proc/{supervisor(runtime)}/fd")) <= files + 2
    runtime.call("gg_host", "unload", {"names": [f"ggl.{name}" for name in names]}, timeout=120.0)
    assert len(os.listdir(f"/proc/{supervisor(runtime)}/fd")) <= files - 4 * len(names) + 2


# -- the supervisor itself ---------------------------------------------------------------------------------------------


@pytest.fixture
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ggl-") as directory:
        yield Path(directory)


def test_it_is_called_by_its_name(runtime: Runtime) -> None:
    assert Path(f"/proc/{supervisor(runtime)}/comm").read_text() == "ggld\n"


def test_many_ups_at_once_are_one_runtime_that_is_ready_for_each_of_them(directory: Path) -> None:
    runtime = Runtime(find_root(str(directory / "root")))

    def up(_number: int) -> tuple[int, int]:
        done = subprocess.run([GGL, "--root", str(directory / "root"), "up"], capture_output=True, text=True)
        return done.returncode, runtime.call("gg_host", "info")["pid"] if done.returncode == 0 else done.stderr

    try:
        with ThreadPoolExecutor(10) as pool:
            results = set(pool.map(up, range(10)))
        assert results == {(0, launch.running_pid(runtime.root))}
    finally:
        runtime.down()
    assert runtime.processes() == []


def test_ups_and_downs_that_cross_all_succeed_and_leave_one_runtime_or_none(directory: Path) -> None:
    runtime = Runtime(find_root(str(directory / "root")))
    commands = ["up", "down"] * 6

    def run(command: str) -> str:
        done = subprocess.run([GGL, "--root", str(directory / "root"), command], capture_output=True, text=True)
        return "" if done.returncode == 0 else f"{command}: {done.stderr}"

    try:
        with ThreadPoolExecutor(4) as pool:
            assert [failure for failure in pool.map(run, commands) if failure] == []
    finally:
        runtime.down()
    assert runtime.processes() == []


def test_a_second_signal_while_it_stops_changes_nothing(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "exec sleep 1000", stop=Command("sleep 0.5; echo bye > said", timeout=15.0)))
    runtime.wait_for_unit("ggl.org.A", "active")
    pid = supervisor(runtime)
    for _ in range(3):
        os.kill(pid, signal.SIGTERM)
        time.sleep(0.05)
    wait_until(lambda: launch.running_pid(runtime.root), lambda running: not running)
    assert (work(runtime, "org.A") / "said").read_text() == "bye\n"


def test_what_is_started_while_the_runtime_stops_starts_with_the_next_one(runtime: Runtime) -> None:
    stop = Command("touch stopping; while test ! -e go; do :; done")
    deploy(runtime, *component("org.A", "exec sleep 1000", stop=stop))
    runtime.wait_for_unit("ggl.org.A", "active")
    pid = supervisor(runtime)
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: (work(runtime, "org.A") / "stopping").exists())
    deploy(runtime, *component("org.B", "exec sleep 1000"))
    assert runtime.unit("ggl.org.B")["active_state"] == "inactive"
    (work(runtime, "org.A") / "go").touch()
    wait_until(lambda: launch.running_pid(runtime.root), lambda running: not running)
    wait_until(runtime.processes, lambda left: not left)  # the log writer leaves last
    runtime.up()
    assert runtime.wait_for_unit("ggl.org.B", "active")


def test_a_daemon_that_hangs_does_not_keep_the_runtime_from_stopping(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "exec sleep 1000", stop=Command("true", timeout=2.0)))
    runtime.wait_for_unit("ggl.org.A", "active")
    os.kill(runtime.pid_of("configd"), signal.SIGSTOP)
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
    wait_until(lambda: runtime.log("ggl.core.ggld").count("cannot be used"), lambda count: count == 4)


def test_a_root_with_a_long_path_works(directory: Path) -> None:
    runtime = Runtime(find_root(str(directory / ("d" * 100) / ("e" * 100))))
    runtime.up()
    try:
        deploy(runtime, *component("org.A", 'test -S "$AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH" && exec sleep 1000'))
        assert runtime.wait_for_unit("ggl.org.A", "active")
    finally:
        runtime.down()


def test_what_left_its_mark_behind_ends_with_the_runtime_at_the_latest(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "env -i setsid sleep 1000 & echo $! > pid; exec sleep 1000"))
    runtime.wait_for_unit("ggl.org.A", "active")
    pid = int(
        wait_until(lambda: (work(runtime, "org.A") / "pid").exists() and (work(runtime, "org.A") / "pid").read_text())
    )
    runtime.down()
    assert not alive(pid)


def test_a_storm_of_kills_ends_in_a_healthy_runtime_without_orphans(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "(setsid sleep 1001 &); exec sleep 1000", start_limit_burst=1000))
    runtime.wait_for_unit("ggl.org.A", "active")
    generator = random.Random(20)
    for _ in range(50):
        own = launch.running_pid(runtime.root)
        victims = [pid for pid in runtime.processes() if pid != own]
        try:
            os.kill(generator.choice(victims), signal.SIGKILL)
        except (ProcessLookupError, IndexError):
            pass
        time.sleep(0.05)
    files = wait_until(lambda: len(os.listdir(f"/proc/{supervisor(runtime)}/fd")))
    wait_until(
        lambda: runtime.unit("ggl.org.A")["active_state"] == "active" and len(sleeps(runtime)) == 2, seconds=60.0
    )
    assert files < 60
    runtime.kill(supervisor(runtime))
    runtime.up()
    wait_until(
        lambda: runtime.unit("ggl.org.A")["active_state"] == "active" and len(sleeps(runtime)) == 2, seconds=60.0
    )
