"""Component health over a whole runtime: what components report, and what becomes of it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from ggl.bus import BusError, ErrorCode
from ggl.host import client as host
from ggl.host.unit import Command, Start, Unit, main_unit
from tests.integration.conftest import PATIENCE, Runtime, wait_until
from tests.integration.device import Device


def load(runtime: Runtime, name: str, kind: str, script: str) -> None:
    unit = Unit(
        main_unit(name), component=name, version="1.0.0", phase="main", start=(Start(kind, Command(script)),),
        restart_delay=0.1, revision="r1",
    )  # fmt: skip
    with runtime.client(host.INTERFACE) as client:
        host.load(client, [unit], start=[unit.name])


def health(runtime: Runtime, name: str) -> dict[str, Any]:
    answer: dict[str, Any] = runtime.call("gg_health", "status", {"component": name})
    return answer


def wait_for(runtime: Runtime, name: str, state: str) -> dict[str, Any]:
    return wait_until(lambda: health(runtime, name), lambda answer: answer["state"] == state)


def report(runtime: Runtime, name: str, state: str) -> Any:
    params = {"component": name, "request": {"state": state}}
    return runtime.call("gg_health", "aws.greengrass#UpdateState", params)


def test_a_component_that_starts_may_say_that_it_runs(runtime: Runtime) -> None:
    load(runtime, "A", "startup", "exec sleep 1000")
    wait_for(runtime, "A", "STARTING")
    assert report(runtime, "A", "RUNNING") == {"response": {}}
    answer = wait_for(runtime, "A", "RUNNING")
    assert answer["pid"] > 0
    assert (answer["version"], answer["revision"], answer["status_code"]) == ("1.0.0", "r1", "NONE")
    # What a state does not allow succeeds and does nothing.
    for state in ("RUNNING", "FINISHED", "NEW"):
        assert report(runtime, "A", state) == {"response": {}}
    assert health(runtime, "A") == answer


def test_a_component_that_says_it_is_in_error_is_tried_again_and_given_up_after_the_third_time(
    runtime: Runtime,
) -> None:
    load(runtime, "A", "run", "exec sleep 1000")
    with runtime.client("gg_health") as client:
        stream = client.subscribe("subscribe", {"component": "A"})
        states = [each["state"] for each in stream.result]
        for _ in range(3):
            wait_for(runtime, "A", "RUNNING")
            report(runtime, "A", "ERRORED")
        while states[-1:] != ["BROKEN"]:
            states.append(stream.next(PATIENCE)["state"])
    entered = [state for before, state in pairwise(["", *states]) if state != before]
    assert [state for state in entered if state in ("ERRORED", "BROKEN")] == ["ERRORED", "ERRORED", "BROKEN"]
    answer = health(runtime, "A")
    assert answer["status_code"] == "RUN_ERROR"
    assert answer["reason"].startswith("the component reported that it is in error")


def test_an_unknown_component_or_state_is_refused(runtime: Runtime) -> None:
    error = report(runtime, "Nobody", "RUNNING")["error"]
    assert (error["shape"], error["resourceType"], error["resourceName"]) == (
        "ResourceNotFoundError",
        "Component",
        "Nobody",
    )
    assert report(runtime, "Nobody", "HAPPY")["error"]["shape"] == "ServiceError"
    with pytest.raises(BusError) as caught:
        health(runtime, "Nobody")
    assert caught.value.code == ErrorCode.NOENTRY


def test_an_answer_is_never_older_than_the_question(runtime: Runtime) -> None:
    for number in range(20):
        load(runtime, f"C{number}", "run", "exec sleep 1000")
        assert health(runtime, f"C{number}")["state"] in ("STARTING", "RUNNING")


def test_a_removed_component_is_told_as_uninstalled(runtime: Runtime) -> None:
    load(runtime, "A", "run", "exec sleep 1000")
    wait_for(runtime, "A", "RUNNING")
    with runtime.client("gg_health") as client, runtime.client(host.INTERFACE) as units:
        stream = client.subscribe("subscribe")
        host.unload(units, [main_unit("A")])
        states = [stream.next(PATIENCE)["state"]]
        while states[-1] != "UNINSTALLED":
            states.append(stream.next(PATIENCE)["state"])
    entered = [state for before, state in pairwise(["", *states]) if state != before]
    assert entered == ["STOPPING", "FINISHED", "UNINSTALLED"]
    assert runtime.call("gg_health", "list") == []


def test_health_is_the_same_after_the_daemon_was_killed(runtime: Runtime) -> None:
    load(runtime, "A", "run", "exec sleep 1000")
    load(runtime, "B", "run", "exit 4")
    wait_for(runtime, "A", "RUNNING")
    wait_for(runtime, "B", "BROKEN")
    before = runtime.call("gg_health", "list")
    runtime.kill(runtime.pid_of("healthd"))
    assert runtime.call("gg_health", "list") == before


@pytest.mark.process_host
def test_an_install_step_of_the_version_before_holds_up_nothing_when_the_runtime_is_killed(device: Device) -> None:
    runtime = device.runtime
    device.recipe("App", "{install: 'true', run: 'exec sleep 1000'}")
    device.succeed({"App": "1.0.0"})
    device.recipe("App", "{run: 'true'}", "2.0.0")
    device.recipe("Slow", "{startup: 'until [ -e go ]; do sleep 0.05; done'}")
    identifier = device.submit({"App": "2.0.0", "Slow": "1.0.0"})
    device.reaches(identifier, "wait")
    runtime.kill(runtime.call("gg_host", "info")["pid"])
    runtime.up()
    assert runtime.unit("ggl.App.install")["active_state"] == "inactive"
    wait_for(runtime, "App", "FINISHED")
    directory = runtime.root.work / "Slow"
    wait_until(directory.is_dir)
    (directory / "go").touch()
    outcome = device.outcome_after_all(identifier, 120.0)
    assert outcome["status"] == "SUCCEEDED", outcome
    assert sorted(device.health()) == ["App", "Slow"]
