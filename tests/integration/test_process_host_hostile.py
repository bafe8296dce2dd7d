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

from ggl.host.process import launch
from ggl.host.process.logwriter import FILE_SIZE, FILES_KEPT
from ggl.host.unit import Command
from ggl.paths import find_root
from tests.integration.conftest import Runtime, wait_until
from tests.integration.test_components import GGL
from tests.integration.units import component, deploy, sleeps, wait_for_sleep, work

pytestmark = pytest.mark.process_host


def supervisor(runtime: Runtime) -> int:
    pid: int = runtime.call("gg_host", "info")["pid"]
    return pid


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
        pid = runtime.wait_for_unit("ggl.org.A", "active")["main_pid"]
        wait_for_sleep(pid)  # a shell has handlers of its own
        process = Path(f"/proc/{pid}")
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


def test_a_flood_of_output_stays_within_its_files_and_holds_up_nobody(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "yes '' | head -c 3000000; printf '\\377\\000\\n'; echo end; exec sleep 1000"))
    deploy(runtime, *component("org.B", "head -c 30000000 /dev/zero | tr '\\0' x; echo; echo end; exec sleep 1000"))
    assert runtime.call("gg_host", "list", timeout=30.0)
    for name in ("org.A", "org.B"):
        wait_until(lambda n=name: runtime.log(n)[-200:], lambda text: " INFO end\n" in text, 300.0)  # type: ignore[misc]
        files = list(runtime.root.logs.glob(f"{name}.log*"))
        assert len(files) <= FILES_KEPT + 1
        assert all(file.stat().st_size <= FILE_SIZE for file in files)


def test_many_units_at_once_are_all_heard(runtime: Runtime) -> None:
    names = [f"org.N{number}" for number in range(200)]
    units = [unit for name in names for unit in component(name, f"echo I am {name}; exec sleep 1000")]

    def unheard(times: int) -> list[str]:
        return [name for name in names if said(name).count(f"I am {name}\n") < times]

    def said(name: str) -> str:
        log = runtime.root.logs / f"{name}.log"
        return log.read_text() if log.exists() else ""

    def files() -> int:
        return len(os.listdir(f"/proc/{supervisor(runtime)}/fd"))

    # As long as somebody speaks, the log writer does not leave.
    deploy(runtime, *component("org.Talker", "while :; do echo I am here; sleep 0.5; done"))
    deploy(runtime, *units)
    wait_until(lambda: unheard(1), lambda left: not left, 300.0)
    for name in names:
        runtime.wait_for_unit(f"ggl.{name}", "active", "running")
    before = files()
    runtime.kill(wait_until(lambda: runtime.call("gg_host", "info")["log_writer_pid"]))
    runtime.call("gg_host", "restart", {"names": [f"ggl.{name}" for name in names]}, timeout=300.0)
    wait_until(lambda: unheard(2), lambda left: not left, 300.0)
    # That a script has begun, and that a client has gone, may be noticed a moment later.
    wait_until(files, lambda now: now <= before + 2)
    runtime.call("gg_host", "unload", {"names": [f"ggl.{name}" for name in names]}, timeout=300.0)
    wait_until(files, lambda now: now <= before - 4 * len(names) + 2)


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
        words = [GGL, "--root", str(directory / "root"), "up", "--timeout", "120"]
        done = subprocess.run(words, capture_output=True, text=True)
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
        words = [GGL, "--root", str(directory / "root"), command, "--timeout", "120"]
        done = subprocess.run(words, capture_output=True, text=True)
        return "" if done.returncode == 0 else f"{command}: {done.stderr}"

    try:
        with ThreadPoolExecutor(4) as pool:
            assert [failure for failure in pool.map(run, commands) if failure] == []
    finally:
        runtime.down()
    assert runtime.processes() == []


def test_a_second_signal_while_it_stops_changes_nothing(runtime: Runtime) -> None:
    stop = Command("until test -e go; do sleep 0.02; done; echo bye > said", timeout=60.0)
    deploy(runtime, *component("org.A", "exec sleep 1000", stop=stop))
    runtime.wait_for_unit("ggl.org.A", "active")
    pid = supervisor(runtime)
    for _ in range(3):
        os.kill(pid, signal.SIGTERM)
        time.sleep(0.05)
        wait_until(lambda: runtime.call("gg_host", "info")["stopping"])
    (work(runtime, "org.A") / "go").touch()
    wait_until(lambda: launch.running_pid(runtime.root), lambda running: not running)
    assert (work(runtime, "org.A") / "said").read_text() == "bye\n"


def test_what_is_started_while_the_runtime_stops_starts_with_the_next_one(runtime: Runtime) -> None:
    stop = Command("touch stopping; while test ! -e go; do sleep 0.02; done")
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


def test_a_root_with_a_long_path_works(directory: Path) -> None:
    runtime = Runtime(find_root(str(directory / ("d" * 100) / ("e" * 100))))
    runtime.up()
    try:
        deploy(runtime, *component("org.A", 'test -S "$AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH" && exec sleep 1000'))
        assert runtime.wait_for_unit("ggl.org.A", "active")
    finally:
        runtime.down()


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

    def is_whole() -> bool:
        return runtime.unit("ggl.org.A")["active_state"] == "active" and len(sleeps(runtime)) == 2

    # A daemon that was killed too often is left alone for a while, and who needs it tries again ever more seldom.
    runtime.wait_for_unit("ggl.org.A", "active", seconds=180.0)
    # The last one hits the component itself: nobody brings back what else was killed of it.
    last = wait_until(lambda: runtime.unit("ggl.org.A")["main_pid"])
    try:
        runtime.kill(last)
    except ProcessLookupError:
        pass  # it was on its way out
    wait_until(is_whole, seconds=180.0)
    wait_until(lambda: len(os.listdir(f"/proc/{supervisor(runtime)}/fd")), lambda files: files < 60)
    runtime.kill(supervisor(runtime))
    runtime.up()
    wait_until(is_whole, seconds=180.0)
