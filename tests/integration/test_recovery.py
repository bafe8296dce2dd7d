"""What happens after the host has given up: responses, hooks, limits; and that kill -9 on the way changes nothing."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

from ggl.bus import BusError, connect
from ggl.host import client as host
from ggl.host.unit import Command, Start, Unit, main_unit
from tests.integration.conftest import Runtime, running, wait_until

A = "com.example.A"
PATIENT = 120.0


def load(runtime: Runtime, name: str, script: str, version: str = "1.0.0") -> None:
    unit = Unit(
        main_unit(name), component=name, version=version, phase="main", start=(Start("run", Command(script)),),
        restart_delay=0.05, revision=version,
    )  # fmt: skip
    with connect(host.INTERFACE, runtime.root) as client:
        host.load(client, [unit], start=[unit.name])


def configure(runtime: Runtime, **recovery: Any) -> None:
    path = ["services", "aws.greengrass.NucleusLite", "configuration", "recovery"]
    runtime.call("gg_config", "write", {"key_path": path, "value": recovery})


def hook(runtime: Runtime, name: str, script: str, mode: int = 0o755) -> Path:
    """A hook that notes its beginning in ``<root>/hooks-run``, and then does ``script``."""
    path = runtime.root.config / "recovery.d" / name
    path.parent.mkdir(exist_ok=True)
    path.parent.chmod(0o755)
    path.write_text(f'#!/bin/sh\necho {name} >> "$GGL_ROOT/hooks-run"\n{script}\n')
    path.chmod(mode)
    return path


def hooks_run(runtime: Runtime) -> list[str]:
    path = runtime.root.state / "hooks-run"
    return path.read_text().split() if path.exists() else []


def finished(runtime: Runtime, subject: str, seconds: float = PATIENT) -> dict[str, Any]:
    """The last recovery of ``subject``, once it is over."""

    def read() -> list[dict[str, Any]]:
        try:
            found = runtime.call("gg_recovery", "list")["finished"]
        except BusError:
            return []  # it was killed, or leaves just now
        return [each for each in found if subject in (each["unit"], each["component"])]

    return wait_until(read, seconds=seconds)[-1]


def rungs(recovery: dict[str, Any]) -> list[tuple[str, str]]:
    return [(rung["detail"] or rung["name"], rung["outcome"]) for rung in recovery["rungs"]]


def nothing_open(runtime: Runtime) -> bool:
    return not list((runtime.root.state / "recovery").iterdir())


def test_a_component_that_breaks_for_ever_leads_to_the_hooks_and_the_others_go_on(runtime: Runtime) -> None:
    hook(runtime, "10-first", "exit 3")
    hook(runtime, "20-second", 'env > "$GGL_ROOT/seen"; touch "$GGL_ROOT/well"')
    hook(runtime, "30-third", "exit 0")
    hook(runtime, "15-off", "exit 0", mode=0o644)
    hook(runtime, "16-open-to-all", "exit 0", mode=0o777)
    load(runtime, "com.example.Well", "exec sleep 1000")
    load(runtime, A, f"test -e {runtime.root.state}/well && exec sleep 1000; exit 7", version="1.2.3")
    recovery = finished(runtime, A)
    assert (recovery["outcome"], rungs(recovery)) == (
        "recovered",
        [("10-first", "failed"), ("20-second", "recovered")],
    )
    assert hooks_run(runtime) == ["10-first", "20-second"]
    seen = dict(line.partition("=")[::2] for line in (runtime.root.state / "seen").read_text().splitlines())
    assert {name: seen[f"GGL_RECOVERY_{name}"] for name in ("KIND", "UNIT", "COMPONENT", "VERSION", "RESULT")} == {
        "KIND": "component", "UNIT": f"ggl.{A}", "COMPONENT": A, "VERSION": "1.2.3", "RESULT": "exit-code",
    }  # fmt: skip
    assert (seen["GGL_RECOVERY_EXIT_STATUS"], seen["GGL_RECOVERY_TRIED"]) == ("7", "10-first:failed")
    assert (seen["GGL_ROOT"], seen["GGL_ETC"]) == (str(runtime.root.state), str(runtime.root.config))
    runtime.wait_for_unit(main_unit("com.example.Well"), "active")
    runtime.wait_for_unit(main_unit(A), "active")  # the hook has mended it, so it was started
    assert nothing_open(runtime)
    log = wait_until(lambda: runtime.log("ggl.core.recoveryd"), lambda text: "20-second" in text)
    assert "16-open-to-all is not run: others may write to it" in log
    # It leaves when there is nothing to do.
    wait_until(lambda: runtime.pid_of("recoveryd"), lambda pid: pid == 0, PATIENT)


def test_a_response_brings_it_up_again_and_nothing_else_is_tried(runtime: Runtime) -> None:
    configure(runtime, settle=1, components={A: {"response": "script", "script": 'rm "$GGL_ROOT/fault"'}})
    hook(runtime, "10-never", "exit 0")
    fault = runtime.root.state / "fault"
    fault.touch()
    load(runtime, A, f"test ! -e {fault} && exec sleep 1000")
    recovery = finished(runtime, A)
    assert (recovery["outcome"], rungs(recovery)) == ("recovered", [("script", "recovered")])
    assert runtime.unit(main_unit(A))["active_state"] == "active"
    assert hooks_run(runtime) == []


def test_restarts_end_at_their_limit_and_the_same_failure_again_tries_nothing(runtime: Runtime) -> None:
    configure(runtime, settle=1, default={"response": "restart", "attempts": 2, "delay": 0}, hooks={"attempts": 1})
    hook(runtime, "10-only", "exit 1")
    load(runtime, A, f"echo x >> {runtime.root.state}/starts; exit 1")
    first = finished(runtime, A)
    assert rungs(first) == [("restart", "failed"), ("restart", "failed"), ("10-only", "failed")]
    assert first["outcome"] == "limp-home"
    starts = runtime.root.state / "starts"
    assert len(starts.read_text().split()) == 9  # three by the host, and after each of two restarts three more
    for times in (1, 2):
        runtime.call("gg_host", "restart", {"names": [main_unit(A)]})
        wait_until(lambda: finished(runtime, A)["repeats"], lambda n, t=times: n == t, PATIENT)
    assert len(starts.read_text().split()) == 15
    assert rungs(finished(runtime, A)) == rungs(first)
    assert hooks_run(runtime) == ["10-only"]


def test_a_restart_at_the_moment_of_the_last_error_begins_a_new_count(runtime: Runtime) -> None:
    starts = runtime.root.state / "starts"
    load(runtime, A, f"echo x >> {starts}; exit 1")
    runtime.wait_for_unit(main_unit(A), "failed")
    # What counts the error, and tells of it, may be about to do so only now.
    for method in ("reset", "restart"):
        runtime.call("gg_host", method, {"names": [main_unit(A)]})
    wait_until(lambda: starts.read_text().split(), lambda run: len(run) > 3, PATIENT)
    runtime.wait_for_unit(main_unit(A), "failed", seconds=PATIENT)
    assert len(starts.read_text().split()) == 6
    # And no start is left over.
    wait_until(lambda: finished(runtime, A)["outcome"], lambda outcome: outcome == "limp-home", PATIENT)
    assert runtime.unit(main_unit(A))["active_state"] == "failed"
    assert len(starts.read_text().split()) == 6


def test_kill_9_in_the_middle_of_a_hook_goes_on_behind_it(runtime: Runtime) -> None:
    hook(runtime, "10-slow", 'while [ ! -e "$GGL_ROOT/go" ]; do sleep 0.05; done; exit 1')
    hook(runtime, "20-next", 'touch "$GGL_ROOT/well"')
    load(runtime, A, f"test -e {runtime.root.state}/well && exec sleep 1000; exit 1")
    wait_until(lambda: hooks_run(runtime), lambda run: run == ["10-slow"], PATIENT)
    for _ in range(3):
        pid = wait_until(lambda: runtime.pid_of("recoveryd"))
        runtime.kill(pid)
        wait_until(lambda: runtime.pid_of("recoveryd"), lambda new, old=pid: new not in (0, old))
    time.sleep(1)
    assert hooks_run(runtime) == ["10-slow"]  # the one that runs is waited for
    (runtime.root.state / "go").touch()
    recovery = finished(runtime, A)
    assert rungs(recovery) == [("10-slow", "interrupted"), ("20-next", "recovered")]
    assert hooks_run(runtime) == ["10-slow", "20-next"]


def test_an_interrupted_recovery_is_taken_up_when_the_runtime_starts_again() -> None:
    with running() as runtime:
        hook(runtime, "10-ends-the-runtime", 'touch "$GGL_ROOT/hook-runs"; exec sleep 1000')
        hook(runtime, "20-next", 'touch "$GGL_ROOT/well"')
        load(runtime, A, f"test -e {runtime.root.state}/well && exec sleep 1000; exit 1")
        wait_until(lambda: (runtime.root.state / "hook-runs").exists(), seconds=PATIENT)
        runtime.down()
        assert not nothing_open(runtime)
        runtime.up()
        recovery = finished(runtime, A)
        assert rungs(recovery)[0] == ("10-ends-the-runtime", "interrupted")
        assert hooks_run(runtime) == ["10-ends-the-runtime", "20-next"]


def test_kill_9_while_a_restart_is_watched_does_not_restart_again(runtime: Runtime) -> None:
    configure(runtime, settle=5, default={"response": "restart"})
    starts = runtime.root.state / "starts"
    # The host gives up after the third; the fourth is that of the first restart.
    load(runtime, A, f"echo x >> {starts}; test $(wc -l < {starts}) -gt 3 && exec sleep 1000; exit 1")
    wait_until(lambda: starts.exists() and len(starts.read_text().split()) == 4, seconds=PATIENT)
    runtime.wait_for_unit(main_unit(A), "active", "running")
    runtime.kill(wait_until(lambda: runtime.pid_of("recoveryd")))
    recovery = finished(runtime, A)
    assert (recovery["outcome"], rungs(recovery)) == ("recovered", [("restart", "recovered")])
    assert len(starts.read_text().split()) == 4


def test_when_configd_itself_fails_for_ever_the_hooks_run(tmp_path: Path) -> None:
    with running() as runtime:
        database = runtime.root.config_db
        runtime.call("gg_config", "list", {"key_path": []})
        runtime.down()
        for path in database.parent.glob("config.db*"):
            shutil.move(path, tmp_path / path.name)
        database.mkdir()
        own = 'chown --reference="$GGL_ROOT" "$GGL_ROOT"/config.db*'  # a hook is root, the daemon may not be
        hook(runtime, "10-restore", f'rmdir "$GGL_ROOT/config.db"; mv {tmp_path}/config.db* "$GGL_ROOT"/; {own}')
        runtime.up()
        try:
            runtime.call("gg_config", "list", {"key_path": []}, timeout=1)
        except BusError:
            pass
        recovery = finished(runtime, "ggl.core.configd", 120)
        assert (recovery["outcome"], rungs(recovery)) == ("recovered", [("10-restore", "recovered")])
        assert "system" in wait_until(lambda: _keys(runtime), seconds=PATIENT)


def _keys(runtime: Runtime) -> list[str]:
    try:
        keys: list[str] = runtime.call("gg_config", "list", {"key_path": []})
        return keys
    except BusError:
        return []


def test_a_report_that_cannot_be_read_still_counts(runtime: Runtime) -> None:
    runtime.call("gg_recovery", "list")
    load(runtime, A, "exec sleep 1000")
    runtime.call("gg_host", "stop", {"names": [main_unit(A)]})
    reports = runtime.root.state / "recovery"
    reports.mkdir(exist_ok=True)
    (reports / f"ggl.{A}.json").write_text("{")
    (reports / "ggl.com.example.Gone.json").write_text(json.dumps({"unit": "x", "time": "never"}))
    runtime.call("gg_recovery", "list")
    assert finished(runtime, A)["message"] == "somebody stopped it"
    assert finished(runtime, "com.example.Gone")["message"] == "it is not there any more"
    assert nothing_open(runtime)


def test_the_previous_generation_is_brought_back_when_that_is_configured(runtime: Runtime, tmp_path: Path) -> None:
    configure(runtime, settle=1, generation={"components": [A], "within": 3600})
    hook(runtime, "10-never", "exit 0")
    fault = runtime.root.state / "fault"
    for version, script in (
        ("1.0.0", "exec sleep 1000"),
        ("1.1.0", f"until test -e {fault}; do sleep 0.05; done; exit 1"),
    ):
        (tmp_path / f"{A}-{version}.yaml").write_text(
            f"RecipeFormatVersion: '2020-01-25'\nComponentName: {A}\nComponentVersion: {version}\n"
            f"Manifests:\n  - Platform: {{os: linux}}\n    Lifecycle: {{run: '{script}'}}\n"
        )
        request = {"recipe_directory_path": str(tmp_path), "root_component_versions_to_add": {A: version}}
        created = runtime.call("gg_deployment", "create_local_deployment", request)
        with runtime.client("gg_deployment") as client:
            stream = client.subscribe("subscribe", created)
            assert [stream.result, *stream][-1]["status"] == "SUCCEEDED"
    fault.touch()
    recovery = finished(runtime, A)
    assert (recovery["outcome"], rungs(recovery)) == ("recovered", [("generation", "recovered")]), recovery
    assert runtime.unit(main_unit(A))["version"] == "1.0.0"
    assert hooks_run(runtime) == []
