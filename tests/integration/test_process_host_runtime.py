"""What the process host does for deployments and for recovery: steps that run once, order, restarts, failures."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from ggl.bus import BusError, ErrorCode
from ggl.host import client as host
from ggl.host.given_up import report
from ggl.host.process import launch
from ggl.host.status import UnitStatus
from ggl.host.unit import Command, Unit
from ggl.paths import Root, find_root
from ggl.recipe.lifecycle import Step
from ggl.recipe.units import once_unit
from tests.integration.conftest import Runtime, alive, wait_until
from tests.integration.test_components import GGL
from tests.integration.test_process_host import component, deploy, sleeps, work


def once(root: Root, script: str, timeout: float = 60.0, step: str = "bootstrap") -> Unit:
    return once_unit("org.A", "1.2.0", Step(step, script, timeout=timeout), root=root, user="", shell="sh")


# -- steps that run once -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "timeout", "states", "outcome"),
    [
        ("echo done", 60.0, ("active", "exited"), ("success", 0)),
        ("exit 100", 60.0, ("failed", "failed"), ("exit-code", 100)),
        ("exit 1", 60.0, ("failed", "failed"), ("exit-code", 1)),
        ("exec sleep 1000", 0.2, ("failed", "failed"), ("timeout", 0)),
        ("kill -9 $$", 60.0, ("failed", "failed"), ("signal", 9)),
    ],
)
def test_a_step_runs_once_and_its_end_is_told(
    runtime: Runtime, script: str, timeout: float, states: tuple[str, str], outcome: tuple[str, int]
) -> None:
    unit = once(runtime.root, f"echo run >> runs; {script}", timeout)
    with runtime.client("gg_host") as client:
        host.load(client, [unit], start=[unit.name])
        status = runtime.wait_for_unit("ggl.org.A.bootstrap", *states)
        assert (status["result"], status["exit_status"]) == outcome
        assert (status["component"], status["version"], status["phase"]) == ("org.A", "1.2.0", "bootstrap")
        assert runtime.call("gg_health", "list") == [], "it is no component's state"
        host.unload(client, [unit.name])
    assert (work(runtime, "org.A") / "runs").read_text() == "run\n"
    assert sleeps(runtime) == []


def test_a_step_that_was_interrupted_does_not_run_by_itself_when_the_runtime_starts(runtime: Runtime) -> None:
    unit = once(runtime.root, "echo run >> runs; exec sleep 1000")
    deploy(runtime, unit, *component("org.B", "exec sleep 1000"))
    runtime.call("gg_host", "start", {"names": [unit.name]})
    wait_until(lambda: (work(runtime, "org.A") / "runs").exists())
    runtime.kill(runtime.call("gg_host", "info")["pid"])
    runtime.up()
    runtime.wait_for_unit("ggl.org.B", "active")
    status = runtime.unit(unit.name)
    assert (status["active_state"], status["started"]) == ("inactive", False)
    assert (work(runtime, "org.A") / "runs").read_text() == "run\n"


def test_an_uninstall_step_is_told_the_version(runtime: Runtime) -> None:
    unit = once(runtime.root, 'echo "$GREENGRASS_COMPONENT_VERSION" > version', step="uninstall")
    with runtime.client("gg_host") as client:
        host.load(client, [unit], start=[unit.name])
    runtime.wait_for_unit("ggl.org.A.uninstall", "active", "exited")
    assert (work(runtime, "org.A") / "version").read_text() == "1.2.0\n"


# -- definitions -------------------------------------------------------------------------------------------------------


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
        stop = Command(f"sleep 0.1; echo {name} >> {runtime.root.state}/order", timeout=15.0)
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


def test_the_runtime_restarts_in_the_same_process_under_the_same_lock(runtime: Runtime) -> None:
    stop = Command("echo bye >> said", timeout=15.0)
    deploy(runtime, *component("org.A", "echo up >> said; exec sleep 1000", stop=stop))
    deploy(runtime, *component("org.B", "exec sleep 1000"), start=False)
    first = runtime.wait_for_unit("ggl.org.A", "active")["main_pid"]
    before = runtime.call("gg_host", "info")
    daemons = runtime.processes()
    with runtime.client("gg_host") as client:
        host.restart_runtime(client)
    # Who comes meanwhile finds a runtime that is busy, not one that is gone.
    assert launch.start(runtime.root).pid == before["pid"]
    after = runtime.call("gg_host", "info")
    assert after["pid"] == before["pid"] == launch.running_pid(runtime.root)
    assert after["instance"] != before["instance"]
    second = runtime.wait_for_unit("ggl.org.A", "active")["main_pid"]
    assert second != first
    assert (work(runtime, "org.A") / "said").read_text().split() == ["up", "bye", "up"]
    assert runtime.unit("ggl.org.B")["active_state"] == "inactive"
    assert not set(daemons) & set(runtime.processes()) - {before["pid"]}
    runtime.call("gg_config", "list", {"key_path": []})
    wait_until(lambda: runtime.log("ggl.core.ggld"), lambda text: text.count("ready: root") == 2)
    log = subprocess.run([GGL, "--root", str(runtime.root.state), "up"], capture_output=True, text=True)
    assert log.returncode == 0


def test_a_restarted_runtime_gives_scripts_the_limits_it_was_started_with(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "ulimit -n >> files"))
    files = work(runtime, "org.A") / "files"
    wait_until(lambda: files.exists() and files.read_text())
    runtime.call("gg_host", "restart_runtime")
    before, after = wait_until(lambda: files.read_text().split(), lambda lines: len(lines) == 2)
    assert before == after


def instance_of(runtime: Runtime) -> str:
    try:
        return str(runtime.call("gg_host", "info")["instance"])
    except BusError:
        return ""


def test_an_end_that_is_asked_for_during_a_restart_has_the_last_word(runtime: Runtime) -> None:
    stop = Command("touch stopping; while test ! -e go; do sleep 0.02; done", timeout=30.0)
    deploy(runtime, *component("org.A", "exec sleep 1000", stop=stop))
    runtime.wait_for_unit("ggl.org.A", "active")
    pid = runtime.call("gg_host", "info")["pid"]
    runtime.call("gg_host", "restart_runtime")
    wait_until(lambda: (work(runtime, "org.A") / "stopping").exists())
    os.kill(pid, signal.SIGTERM)
    runtime.call("gg_host", "info")
    (work(runtime, "org.A") / "go").touch()
    wait_until(lambda: alive(pid), lambda up: not up)
    assert launch.running_pid(runtime.root) == 0


def test_a_runtime_in_the_foreground_restarts_too_and_goes_on_repeating_its_logs() -> None:
    with tempfile.TemporaryDirectory(prefix="ggl-") as directory:
        output = Path(directory, "output")
        with output.open("wb") as file:
            process = subprocess.Popen([GGL, "--root", directory, "up", "--foreground"], stdout=file, stderr=file)
        runtime = Runtime(find_root(directory))
        try:
            wait_until(lambda: instance_of(runtime))
            before = instance_of(runtime)
            deploy(runtime, *component("org.A", "echo here I am; exec sleep 1000"))
            runtime.wait_for_unit("ggl.org.A", "active")
            runtime.call("gg_host", "restart_runtime")
            wait_until(lambda: instance_of(runtime), lambda now: now not in ("", before))
            assert runtime.call("gg_host", "info")["pid"] == process.pid
            runtime.wait_for_unit("ggl.org.A", "active")
            wait_until(output.read_text, lambda text: text.count("here I am") == 2)
        finally:
            process.terminate()
            assert process.wait(60) == 0
        assert runtime.processes() == []


def test_the_device_is_restarted_by_the_command_that_is_named(runtime: Runtime) -> None:
    mark = runtime.root.state / "rebooted"
    with runtime.client("gg_host") as client:
        host.reboot(client, f"echo going down; touch {mark}")
        assert mark.exists()
        with pytest.raises(BusError) as error:
            host.reboot(client, "echo not allowed >&2; exit 3")
    assert error.value.code is ErrorCode.FAILURE
    assert "exited with code 3: not allowed" in error.value.message


# -- word of failures --------------------------------------------------------------------------------------------------


def test_a_component_that_is_given_up_wakes_the_daemon_that_looks_after_such_and_a_deployments_step_does_not(
    runtime: Runtime,
) -> None:
    deploy(runtime, once(runtime.root, "exit 9"))
    runtime.call("gg_host", "start", {"names": ["ggl.org.A.bootstrap"]})
    runtime.wait_for_unit("ggl.org.A.bootstrap", "failed")
    assert not runtime.unit("ggl.core.recoveryd")["started"]
    deploy(runtime, *component("org.B", "exit 0", install="exit 5"))
    runtime.wait_for_unit("ggl.org.B.install", "failed")
    wait_until(lambda: runtime.unit("ggl.core.recoveryd")["started"])


def test_the_word_that_is_left_of_a_failure_says_what_there_is_to_know(tmp_path: Path) -> None:
    root = find_root(str(tmp_path))
    status = UnitStatus(
        "ggl.org.A", "org.A", "1.0.0", "main", active_state="failed", result="exit-code", exit_status=7,
        status_text="exit code 7", revision="r",
    )  # fmt: skip
    for _ in range(2):  # one that is there already is replaced
        report(root, status)
    (file,) = (tmp_path / "recovery").iterdir()
    assert file.name == "ggl.org.A.json"
    word = json.loads(file.read_text())
    assert word.pop("time") > 0
    assert word == {
        "unit": "ggl.org.A",
        "component": "org.A",
        "version": "1.0.0",
        "phase": "main",
        "result": "exit-code",
        "exit_status": 7,
        "status_text": "exit code 7",
        "revision": "r",
    }
