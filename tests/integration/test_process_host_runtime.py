"""What the process host does for deployments and for recovery: steps that run once, order, restarts, failures."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from ggl.bus import BusError
from ggl.host import client as host
from ggl.host.given_up import report
from ggl.host.process import launch
from ggl.host.status import UnitStatus
from ggl.host.unit import Command
from ggl.paths import find_root
from tests.integration.conftest import Runtime, alive, wait_until
from tests.integration.test_components import GGL
from tests.integration.test_steps import once
from tests.integration.units import component, deploy, wait_for_sleep, work

pytestmark = pytest.mark.process_host

# -- steps that run once -----------------------------------------------------------------------------------------------


def test_a_step_that_was_interrupted_does_not_run_by_itself_when_the_runtime_starts(runtime: Runtime) -> None:
    unit = once(runtime.root, "echo run >> runs; exec sleep 1000")
    deploy(runtime, unit, *component("org.B", "exec sleep 1000"))
    runtime.call("gg_host", "start", {"names": [unit.name]})
    runs = work(runtime, "org.A") / "runs"
    wait_until(lambda: runs.exists() and runs.read_text())
    runtime.kill(runtime.call("gg_host", "info")["pid"])
    runtime.up()
    runtime.wait_for_unit("ggl.org.B", "active")
    status = runtime.unit(unit.name)
    assert (status["active_state"], status["started"]) == ("inactive", False)
    assert runs.read_text() == "run\n"


# -- the whole runtime -------------------------------------------------------------------------------------------------


def test_the_runtime_restarts_in_the_same_process_under_the_same_lock(runtime: Runtime) -> None:
    stop = Command("echo bye >> said", timeout=60.0)
    deploy(runtime, *component("org.A", "echo up >> said; exec sleep 1000", stop=stop))
    deploy(runtime, *component("org.B", "exec sleep 1000"), start=False)
    first = runtime.wait_for_unit("ggl.org.A", "active")["main_pid"]
    wait_for_sleep(first)
    before = runtime.call("gg_host", "info")
    daemons = runtime.processes()
    with runtime.client("gg_host") as client:
        host.restart_runtime(client)
    # Who comes meanwhile finds a runtime that is busy, not one that is gone.
    assert runtime.up() == before["pid"]
    after = runtime.call("gg_host", "info")
    assert after["pid"] == before["pid"] == launch.running_pid(runtime.root)
    assert after["instance"] != before["instance"]
    second = runtime.wait_for_unit("ggl.org.A", "active")["main_pid"]
    assert second != first
    wait_for_sleep(second)
    assert (work(runtime, "org.A") / "said").read_text().split() == ["up", "bye", "up"]
    assert runtime.unit("ggl.org.B")["active_state"] == "inactive"
    assert not set(daemons) & set(runtime.processes()) - {before["pid"]}
    runtime.call("gg_config", "list", {"key_path": []})
    wait_until(lambda: runtime.log("ggl.core.ggld"), lambda text: text.count("ready: root") == 2)
    done = subprocess.run([GGL, "--root", str(runtime.root.state), "up"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def instance_of(runtime: Runtime) -> str:
    try:
        return str(runtime.call("gg_host", "info")["instance"])
    except BusError:
        return ""


def test_an_end_that_is_asked_for_during_a_restart_has_the_last_word(runtime: Runtime) -> None:
    stop = Command("touch stopping; while test ! -e go; do sleep 0.02; done", timeout=60.0)
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
            wait_until(output.read_text, lambda text: text.count("here I am") == 1)
            runtime.call("gg_host", "restart_runtime")
            wait_until(lambda: instance_of(runtime), lambda now: now not in ("", before))
            assert runtime.call("gg_host", "info")["pid"] == process.pid
            runtime.wait_for_unit("ggl.org.A", "active")
            wait_until(output.read_text, lambda text: text.count("here I am") == 2)
        finally:
            process.terminate()
            assert process.wait(120) == 0
        wait_until(runtime.processes, lambda left: not left)  # the log writer leaves last


# -- word of failures --------------------------------------------------------------------------------------------------


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
