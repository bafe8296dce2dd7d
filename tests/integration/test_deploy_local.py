"""Local deployments on a whole runtime, over the bus."""

from __future__ import annotations

import os
import pwd
import time
from typing import Any

import pytest

from ggl.bus import BusError, ErrorCode
from tests.integration.conftest import wait_until
from tests.integration.device import SLEEP, Device
from tests.integration.held import HELD, let_go


def test_a_hello_component_runs_and_is_recorded(device: Device) -> None:
    device.recipe("Hello", "{run: 'echo hello {configuration:/who}; exec sleep 1000'}", defaults="{who: world}")
    outcome = device.succeed({"Hello": "1.0.0"}, requested_by="a test")
    assert outcome["components"] == outcome["roots"] == {"Hello": "1.0.0"}
    assert (outcome["changed"], outcome["states"]) == (["Hello"], {"Hello": "RUNNING"})
    assert (outcome["detailed_status"], outcome["requested_by"]) == ("SUCCESSFUL", "a test")
    assert device.state("Hello") == "RUNNING"
    assert device.config("Hello", "configuration") == {"who": "world"}
    assert device.config("Hello", "lifecycle") == {"run": "echo hello world; exec sleep 1000"}
    groups = device.config("DeploymentService", "GroupToRootComponents")
    root = {"version": "1.0.0", "groupConfigArn": "", "groupConfigName": "LOCAL_DEPLOYMENT"}
    assert groups == {"LOCAL_DEPLOYMENT": {"Hello": root}}
    wait_until(lambda: "hello world" in device.runtime.log("Hello"))
    wait_until(device.staged, lambda staged: not staged)


def test_the_folders_may_go_as_soon_as_the_request_is_answered(device: Device) -> None:
    device.recipe("Hello", "{run: 'cat {artifacts:path}/text > out; exec sleep 1000'}", artifacts=("text",))
    device.artifact("Hello", "text", "content")
    identifier = device.submit({"Hello": "1.0.0"})
    (device.recipes / "Hello.yaml").unlink()
    (device.artifacts / "Hello" / "1.0.0" / "text").unlink()
    assert device.outcome(identifier)["status"] == "SUCCEEDED"
    wait_until(lambda: device.work("Hello", "out") == "content")


def test_dependencies_come_along_and_start_first(device: Device) -> None:
    device.recipe("Top", "{run: 'date +%s%N > at; exec sleep 1000'}", depends={"Middle": "^1.0.0"})
    device.recipe("Middle", "{startup: 'sleep 0.2; date +%s%N > at'}", depends={"Base": "*"})
    device.recipe("Base", "{install: 'date +%s%N > installed', startup: 'sleep 0.2; date +%s%N > at'}")
    outcome = device.succeed({"Top": "1.0.0"})
    assert outcome["states"] == dict.fromkeys(("Base", "Middle", "Top"), "RUNNING")
    assert list(outcome["roots"]) == ["Top"]
    wait_until(lambda: device.work("Top", "at"))
    order = [("Base", "installed"), ("Base", "at"), ("Middle", "at"), ("Top", "at")]
    times = [int(device.work(*each)) for each in order]
    assert times == sorted(times)


def test_a_component_that_does_its_work_and_ends_is_finished(device: Device) -> None:
    device.recipe("Once", "{run: 'echo done > out'}")
    device.recipe("Nothing", "{install: 'echo done > out'}")
    outcome = device.succeed({"Once": "1.0.0", "Nothing": "1.0.0"})
    wait_until(lambda: {device.state("Once"), device.state("Nothing")} == {"FINISHED"})
    assert set(outcome["states"].values()) <= {"FINISHED", "RUNNING"}
    assert device.work("Nothing", "out") == "done\n"


@pytest.mark.parametrize(
    ("lifecycle", "code", "reason"),
    [
        ("{run: 'sleep 0.05; exit 7'}", "RUN_ERROR", "exited with code 7"),
        ("{install: 'exit 3', run: 'exec sleep 1000'}", "INSTALL_ERROR", "install script exited with code 3"),
        (
            "{startup: {Script: 'sleep 1000', Timeout: 0.1}}",
            "STARTUP_TIMEOUT",
            "startup script did not finish within 0.1 s",
        ),
    ],
)
def test_a_broken_component_fails_the_deployment_with_its_reason(
    device: Device, lifecycle: str, code: str, reason: str
) -> None:
    device.recipe("Bad", lifecycle)
    device.recipe("Good", SLEEP)
    device.recipe("Slow", f"{{startup: '{HELD}'}}")  # so that it is not over before the other one has failed
    outcome = device.deploy({"Bad": "1.0.0", "Good": "1.0.0", "Slow": "1.0.0"})
    assert (outcome["status"], outcome["detailed_status"]) == ("FAILED", "FAILED_ROLLBACK_NOT_REQUESTED")
    assert outcome["broken"] == ["Bad"]
    assert code in outcome["cause"]
    assert reason in outcome["cause"]
    assert outcome["error_stack"] == ["DEPLOYMENT_FAILURE", "COMPONENT_UPDATE_ERROR", "COMPONENT_BROKEN"]
    assert device.state("Bad") == "BROKEN"
    wait_until(lambda: device.state("Good") == "RUNNING")  # it may have been slower than the other one was to fail
    let_go(device)
    # The same again with the cause removed: the broken one begins anew, the good one is not touched.
    pid = device.pid("Good")
    device.recipe("Bad", SLEEP)
    assert device.succeed()["changed"] == ["Bad"]
    assert device.pid("Good") == pid


def test_a_broken_component_is_tried_again_by_a_deployment_that_changes_nothing(device: Device) -> None:
    device.recipe("Bad", "{startup: 'test -e fixed'}")
    outcome = device.deploy({"Bad": "1.0.0"})
    assert outcome["broken"] == ["Bad"], outcome
    (device.runtime.root.work / "Bad" / "fixed").touch()
    assert device.succeed()["changed"] == ["Bad"]


def test_only_what_changed_is_restarted(device: Device) -> None:
    for name in ("One", "Two", "Three"):
        device.recipe(name, "{run: 'cat {artifacts:path}/file > out; exec sleep 1000'}", artifacts=("file",))
        device.artifact(name, "file", "before")
    device.succeed({"One": "1.0.0", "Two": "1.0.0", "Three": "1.0.0"})
    before = device.health()
    # the same version with another file
    device.artifact("Two", "file", "after")
    assert device.succeed()["changed"] == ["Two"]
    wait_until(lambda: device.work("Two", "out") == "after")
    after = device.health()
    assert {name for name in after if after[name]["pid"] != before[name]["pid"]} == {"Two"}
    # nothing at all
    assert device.succeed()["changed"] == []
    assert device.health() == after


def test_configuration_restarts_a_component_only_if_its_scripts_use_it(device: Device) -> None:
    device.recipe("Plain", SLEEP, defaults="{level: 1}")
    device.recipe("User", "{run: 'echo {configuration:/level} > out; exec sleep 1000'}", defaults="{level: 1}")
    device.succeed({"Plain": "1.0.0", "User": "1.0.0"})
    pid = device.pid("Plain")
    change = {name: {"MERGE": {"level": 2}} for name in ("Plain", "User")}
    assert device.succeed(component_to_configuration=change)["changed"] == ["User"]
    assert device.config("Plain", "configuration") == device.config("User", "configuration") == {"level": 2}
    assert device.pid("Plain") == pid
    wait_until(lambda: device.work("User", "out") == "2\n")
    device.succeed(component_to_configuration={"Plain": {"RESET": ["/level"]}})
    assert device.config("Plain", "configuration") == {"level": 1}


def test_a_new_version_replaces_the_old_one_whose_shutdown_script_runs(device: Device) -> None:
    lifecycle = "{{run: 'exec sleep 1000', shutdown: 'echo {0} >> stopped'}}"
    device.recipe("App", lifecycle.format("old"), defaults="{a: 1, b: 1}")
    device.succeed({"App": "1.0.0"})
    device.recipe("App", lifecycle.format("new"), version="2.0.0", defaults="{a: 2, b: 1, c: 1}")
    assert device.succeed({"App": "2.0.0"})["components"] == {"App": "2.0.0"}
    assert device.work("App", "stopped") == "old\n"
    assert device.health()["App"]["version"] == device.config("App", "version") == "2.0.0"
    assert device.config("App", "previousVersion") == "1.0.0"
    assert device.config("App", "configuration") == {"a": 2, "b": 1, "c": 1}


def test_a_dependent_is_restarted_with_what_it_depends_on(device: Device) -> None:
    device.recipe("Base", "{startup: 'echo 1'}")
    device.recipe("Top", SLEEP, depends={"Base": "*"})
    device.succeed({"Top": "1.0.0", "Base": "1.0.0"})
    pid = device.pid("Top")
    device.recipe("Base", "{startup: 'echo 2'}")
    assert device.succeed()["changed"] == ["Base"]
    assert wait_until(lambda: device.pid("Top")) != pid


def test_a_removed_component_is_stopped_and_forgotten_but_keeps_its_files(device: Device) -> None:
    device.recipe("Stays", SLEEP)
    lifecycle = "{run: 'echo kept > file; exec sleep 1000', shutdown: 'echo bye > bye'}"
    device.recipe("Goes", lifecycle, depends={"Lib": "*"})
    device.recipe("Lib", SLEEP)
    device.succeed({"Stays": "1.0.0", "Goes": "1.0.0"})
    wait_until(lambda: device.work("Goes", "file"))
    outcome = device.succeed(remove=("Goes",))
    assert sorted(outcome["removed"]) == ["Goes", "Lib"]
    assert list(device.health()) == ["Stays"]
    assert device.config("Goes") is None
    assert (device.work("Goes", "file"), device.work("Goes", "bye")) == ("kept\n", "bye\n")
    assert list(device.config("DeploymentService", "GroupToRootComponents", "LOCAL_DEPLOYMENT")) == ["Stays"]
    assert device.succeed(remove=("Stays",))["components"] == {}
    assert device.health() == {}


def test_a_deployment_that_cannot_work_fails_before_anything_is_changed(device: Device) -> None:
    device.recipe("App", SLEEP)
    device.succeed({"App": "1.0.0"})
    pid, before = device.pid("App"), device.config("App")
    device.recipe("App", SLEEP, version="2.0.0", depends={"Missing": "^1.0.0"})
    for add, code in (
        ({"App": "2.0.0"}, "NO_AVAILABLE_COMPONENT_VERSION"),
        ({"Unknown": "1.0.0"}, "NO_AVAILABLE_COMPONENT_VERSION"),
    ):
        outcome = device.deploy(add)
        assert (outcome["status"], outcome["detailed_status"]) == ("FAILED", "FAILED_NO_STATE_CHANGE")
        assert code in outcome["error_stack"]
    device.recipe("Needs", SLEEP, artifacts=("folder/missing.bin",))
    outcome = device.deploy({"Needs": "1.0.0"})
    assert "missing.bin" in outcome["cause"]
    assert outcome["error_stack"][:2] == ["DEPLOYMENT_FAILURE", "ARTIFACT_DOWNLOAD_ERROR"]
    outcome = device.deploy(component_to_configuration={"Typo": {"MERGE": {}}})
    assert "Typo, which is not part of it" in outcome["cause"]
    assert (device.pid("App"), device.config("App")) == (pid, before)


def test_a_component_that_is_never_up_ends_the_wait(device: Device) -> None:
    device.recipe("Slow", "{startup: 'sleep 1000'}")
    outcome = device.deploy({"Slow": "1.0.0"}, timeout=0.5)
    assert outcome["status"] == "FAILED"
    assert "not every component is up within 0.5 s: Slow is STARTING" in outcome["cause"]


@pytest.mark.parametrize(
    ("source", "winner"), [("deploymentCreationTime", "set"), ("deploymentProcessingTime", "merged")]
)
def test_a_merge_counts_from_the_request_or_from_when_it_is_done(device: Device, source: str, winner: str) -> None:
    nucleus = ["services", "aws.greengrass.NucleusLite", "configuration", "deploymentConfigurationTimeSource"]
    device.runtime.call("gg_config", "write", {"key_path": nucleus, "value": source})
    device.recipe("A", f"{{startup: '{HELD}'}}")
    first = device.submit({"A": "1.0.0"})
    second = device.submit({}, component_to_configuration={"A": {"MERGE": {"k": "merged"}}})
    created = device.get(second)["created"]
    wait_until(lambda: time.time_ns() // 1_000_000, lambda now: now > created)
    path = ["services", "A", "configuration", "k"]
    device.runtime.call("gg_config", "write", {"key_path": path, "value": "set"})
    let_go(device)
    assert [device.outcome(each)["status"] for each in (first, second)] == ["SUCCEEDED", "SUCCEEDED"]
    assert device.config("A", "configuration", "k") == winner


def test_artifacts_without_permission_can_be_run_as_programs(device: Device) -> None:
    device.recipe("A", "{run: '{artifacts:path}/program'}", artifacts=("program",))
    device.artifact("A", "program", "#!/bin/sh\necho ran > done\n")
    device.succeed({"A": "1.0.0"})
    wait_until(lambda: device.work("A", "done") == "ran\n")


def test_a_configuration_that_no_environment_can_hold_does_not_stop_a_component(device: Device) -> None:
    device.runtime.call("gg_config", "write", {"key_path": ["system", "thingName"], "value": "a\0b"})
    device.recipe("A", "{run: 'echo $AWS_IOT_THING_NAME > name'}")
    device.succeed({"A": "1.0.0"})
    wait_until(lambda: device.work("A", "name") == "ab\n")


NO_VERSIONS: list[Any] = [
    *([], "x", {"A": None}, {"A": ["1"]}, {"A": ""}),
    *({"/etc/passwd": "1.0.0"}, {"..": "1.0.0"}, {"A" * 200: "1.0.0"}),
]
NO_CONFIGURATION: list[Any] = [
    *([], {"A": 1}, {"A": {"RESET": {"a": 1}}}, {"A": {"RESET": [None]}}, {"A": {"MERGE": "[" * 100_000}}),
]
HOSTILE: list[dict[str, Any]] = [
    *({"root_component_versions_to_add": value} for value in NO_VERSIONS),
    *({"component_to_configuration": value} for value in NO_CONFIGURATION),
    {"component_to_run_with_info": {"A": {"posixUser": 7}}},
    {"recipe_directory_path": 5},
    {"recipe_directory_path": "/\0"},
    {"artifacts_directory_path": "/proc/1"},
    {"timeout": "soon"},
    {"timeout": -1},
    {"group_name": ["g"]},
    {"failure_handling_policy": "PANIC"},
]


def test_requests_of_wrong_types_are_refused_and_the_daemon_lives_on(device: Device) -> None:
    with device.runtime.client("gg_deployment") as client:
        client.call("list")
        pid = device.runtime.pid_of("deploymentd")  # it stays while this connection is there
        for params in HOSTILE:
            with pytest.raises(BusError) as caught:
                client.call("create_local_deployment", params)
            assert caught.value.code in (ErrorCode.INVALID, ErrorCode.FAILURE), (params, caught.value)
            assert "internal" not in caught.value.message, (params, caught.value)
        assert client.call("list") == []
        assert device.runtime.pid_of("deploymentd") == pid
    assert device.staged() == []


@pytest.mark.parametrize(
    "requirement", ["aws.greengrass.TokenExchangeService: ~2.0.0", "aws.greengrass.Nucleus: ^2.0.0"]
)
def test_what_the_runtime_provides_need_not_be_deployed(device: Device, requirement: str) -> None:
    name, _, version = requirement.partition(": ")
    device.recipe("A", SLEEP, depends={name: version})
    device.succeed({"A": "1.0.0"})


@pytest.mark.parametrize("value", ["x", 5, None, ["a"], {"a": {"b": 1}}, "\0", "{configuration:}"])
def test_odd_configuration_of_the_nucleus_ends_at_most_the_deployment(device: Device, value: Any) -> None:
    path = ["services", "aws.greengrass.NucleusLite", "configuration"]
    device.recipe("A", "{run: 'true'}")
    for key in ("platformOverride", "networkProxy", "interpolateComponentConfiguration", "runWithDefault"):
        device.runtime.call("gg_config", "write", {"key_path": [*path, key], "value": value})
    outcome = device.deploy({"A": "1.0.0"}, timeout=20)
    assert outcome["status"] in ("SUCCEEDED", "FAILED")
    assert "internal error" not in outcome["cause"], outcome
    device.runtime.call("gg_config", "write", {"key_path": [*path, "runWithDefault"], "value": {"posixShell": value}})
    assert "internal error" not in device.deploy({"A": "1.0.0"}, timeout=20)["cause"]


def test_deployments_are_done_one_after_the_other(device: Device) -> None:
    identifiers = []
    for version in ("1.0.0", "2.0.0", "3.0.0"):
        device.recipe("App", SLEEP, version=version)
        identifiers.append(device.submit({"App": version}))
    assert [device.outcome(each)["components"]["App"] for each in identifiers] == ["1.0.0", "2.0.0", "3.0.0"]
    assert device.health()["App"]["version"] == "3.0.0"
    assert [each["deployment_id"] for each in device.runtime.call("gg_deployment", "list")] == identifiers


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"recipe_directory_path": "/no/such/folder"}, "there is no directory"),
        ({"recipe_directory_path": "relative"}, "must be an absolute path"),
        ({"root_component_versions_to_add": {"A": 1}}, "must be a string"),
        ({"artifacts_directory_path": "/"}, "must not contain the runtime's own artifacts"),
    ],
)
def test_a_request_that_is_wrong_is_refused_at_once(device: Device, params: dict[str, Any], text: str) -> None:
    with pytest.raises(BusError, match=text) as caught:
        device.runtime.call("gg_deployment", "create_local_deployment", params)
    assert caught.value.code == ErrorCode.INVALID


def _kill_during(device: Device, identifier: str, step: str, state: str = "") -> None:
    with device.runtime.client("gg_deployment") as client:
        stream = client.subscribe("subscribe", {"deployment_id": identifier})
        seen = stream.result
        while seen["step"] != step or (state and state not in seen["states"].values()):
            seen = stream.next(60)
    device.runtime.kill(device.runtime.pid_of("deploymentd"))


def test_a_deployment_survives_a_kill_of_its_daemon_while_it_waits(device: Device) -> None:
    device.recipe("Old", SLEEP)
    device.succeed({"Old": "1.0.0"})
    device.recipe("App", f"{{startup: 'echo x >> starts; {HELD}'}}", defaults="{a: 1}")
    configuration = {"App": {"MERGE": {"a": 2}}}
    identifier = device.submit({"App": "1.0.0"}, ("Old",), component_to_configuration=configuration)
    _kill_during(device, identifier, "wait", "STARTING")
    let_go(device)
    outcome = device.outcome(identifier)
    assert (outcome["status"], outcome["components"]) == ("SUCCEEDED", {"App": "1.0.0"})
    assert (outcome["changed"], outcome["removed"]) == (["App"], ["Old"])
    assert device.work("App", "starts") == "x\n"
    assert list(device.health()) == ["App"]
    assert device.config("App", "configuration") == {"a": 2}


def test_a_deployment_goes_on_when_the_runtime_comes_back(device: Device) -> None:
    device.recipe("Slow", f"{{startup: '{HELD}; echo up'}}")
    identifier = device.submit({"Slow": "1.0.0"})
    wait_until(lambda: device.health().get("Slow", {}).get("state") == "STARTING")
    device.runtime.down()
    let_go(device)
    device.runtime.up()
    wait_until(device.staged, lambda staged: not staged)  # nobody asked for it
    assert device.outcome(identifier)["status"] == "SUCCEEDED"
    assert device.state("Slow") == "RUNNING"


def test_a_deployment_survives_kills_at_any_moment(device: Device) -> None:
    for name in ("A", "B", "C"):
        device.recipe(name, "{install: 'true', run: 'exec sleep 1000'}", artifacts=("file",))
        device.artifact(name, "file", "x" * 1000)
    device.recipe("C", f"{{startup: '{HELD}'}}", artifacts=("file",))  # so that it is not over before the last kill
    identifiers = [device.submit({"A": "1.0.0", "B": "1.0.0"}), device.submit({"C": "1.0.0"}, ("A",))]
    killed = {0}
    for delay in (0.0, 0.01, 0.03, 0.06, 0.1):
        pid = wait_until(lambda: device.runtime.pid_of("deploymentd"), lambda pid: pid not in killed)
        time.sleep(delay)
        device.runtime.kill(pid)
        killed.add(pid)
    let_go(device)
    assert [device.outcome(each)["status"] for each in identifiers] == ["SUCCEEDED", "SUCCEEDED"]
    assert {name: each["state"] for name, each in device.health().items()} == {"B": "RUNNING", "C": "RUNNING"}
    wait_until(device.staged, lambda staged: not staged)


def test_a_waiting_deployment_outlives_the_configuration_daemon(device: Device) -> None:
    device.recipe("App", f"{{startup: '{HELD}'}}")
    identifier = device.submit({"App": "1.0.0"})
    with device.runtime.client("gg_deployment") as client:
        stream = client.subscribe("subscribe", {"deployment_id": identifier})
        seen = stream.result
        while seen["step"] != "wait":
            seen = stream.next(60)
        for interface, daemon in (("gg_config", "configd"), ("gg_health", "healthd")):
            with device.runtime.client(interface) as visitor:
                visitor.call("bus.ping")  # it is there, and stays for as long as somebody is connected
                device.runtime.kill(device.runtime.pid_of(daemon))
        let_go(device)
        *_, last = stream
    assert last["status"] == "SUCCEEDED"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run components as somebody else")
def test_a_component_runs_as_its_user_who_can_read_its_artifacts_and_nobody_else_can(device: Device) -> None:
    device.runtime.root.state.chmod(0o755)
    script = "{run: 'id -u > who; cat {artifacts:path}/secret > out; exec sleep 1000'}"
    device.recipe("App", script, artifacts=("secret",))
    device.artifact("App", "secret", "content")
    device.succeed({"App": "1.0.0"}, component_to_run_with_info={"App": {"posixUser": "nobody"}})
    wait_until(lambda: device.work("App", "out") == "content")
    assert device.work("App", "who").strip() == str(pwd.getpwnam("nobody").pw_uid)
    stored = (device.runtime.root.artifacts / "App" / "1.0.0" / "secret").stat()
    assert (stored.st_uid, stored.st_mode & 0o777) == (pwd.getpwnam("nobody").pw_uid, 0o550)
