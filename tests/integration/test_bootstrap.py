"""The steps of a component that belong to a deployment: bootstrap before it starts, uninstall when it has gone."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from ggl.bus import BusError
from tests.integration.conftest import wait_until
from tests.integration.device import NUCLEUS, SLEEP, Device

RUN = "run: 'exec sleep 1000'"


def instance(device: Device) -> str:
    """Which run of the runtime this is; empty while it is away."""
    try:
        return str(device.runtime.call("gg_host", "info")["instance"])
    except BusError:
        return ""


def with_bootstrap(device: Device, name: str, script: str, version: str = "1.0.0", more: str = "", **rest: Any) -> None:
    device.recipe(name, f"{{bootstrap: {{Script: '{script}'{more}}}, {RUN}}}", version, **rest)


# -- when it runs ------------------------------------------------------------------------------------------------------


def test_bootstrap_runs_once_for_each_version_and_again_when_its_section_changes(device: Device) -> None:
    def deploy(script: str, version: str = "1.0.0", more: str = "") -> list[str]:
        with_bootstrap(device, "App", f"echo {script} >> ran", version, more)
        device.succeed({"App": version})
        return device.work("App", "ran").split()

    assert deploy("one") == ["one"]
    assert deploy("one") == ["one"]
    assert deploy("two") == ["one", "two"]
    # the same but for the letter case of keys, and the type of values
    assert deploy("two", more=", Timeout: 30") == ["one", "two", "two"]
    assert deploy("two", more=', timeOUT: "30"') == ["one", "two", "two"]
    assert deploy("two", "2.0.0", ", Timeout: 30") == ["one", "two", "two", "two"]
    # what it mentions counts as the section's content
    assert deploy("{configuration:/word}", "2.0.0")[-1] == "{configuration:/word}"
    device.succeed(component_to_configuration={"App": {"MERGE": {"word": "three"}}})
    assert device.work("App", "ran").split()[-1] == "three"


def test_bootstraps_run_in_the_order_of_dependencies_before_anything_new_starts(device: Device, tmp_path: Path) -> None:
    story = tmp_path / "story"
    story.touch()
    story.chmod(0o666)

    def lifecycle(name: str) -> str:
        return (
            f"{{bootstrap: 'echo bootstrap {name} >> {story}', install: 'echo install {name} >> {story}', "
            f"run: 'echo run {name} >> {story}; exec sleep 1000', shutdown: 'echo stop {name} >> {story}'}}"
        )

    device.recipe("Top", lifecycle("Top"), depends={"Base": "*"})
    device.recipe("Base", lifecycle("Base"))
    device.succeed({"Top": "1.0.0"})
    assert story.read_text().splitlines()[:2] == ["bootstrap Base", "bootstrap Top"]
    assert len(wait_until(lambda: story.read_text().splitlines(), lambda lines: len(lines) == 6)) == 6
    story.write_text("")
    device.recipe("Base", lifecycle("Base"), "2.0.0")
    device.succeed({"Top": "1.0.0", "Base": "2.0.0"})
    lines = story.read_text().splitlines()
    assert lines.index("stop Base") < lines.index("bootstrap Base") < lines.index("install Base")
    assert "bootstrap Top" not in lines


def test_bootstrap_is_a_step_like_the_others(device: Device) -> None:
    """Environment, work directory, log, Skipif."""
    device.recipe(
        "App",
        "{Setenv: {A: low, B: outer}, "
        "bootstrap: {Script: 'pwd > where; echo $A $B $GGC_VERSION > seen; echo heard', "
        f"Setenv: {{A: high}}}}, {RUN}}}",
    )
    with_bootstrap(device, "Skipped", "touch ran", more=", Skipif: onpath sh")
    device.succeed({"App": "1.0.0", "Skipped": "1.0.0"})
    assert device.work("App", "where").strip() == str(device.runtime.root.work / "App")
    assert device.work("App", "seen").split()[:2] == ["high", "outer"]
    assert len(device.work("App", "seen").split()) == 3
    wait_until(lambda: "heard" in device.runtime.log("App"))
    assert not (device.runtime.root.work / "Skipped" / "ran").exists()
    assert device.state("Skipped") == "RUNNING"
    # nothing of it stays
    assert not [each["name"] for each in device.runtime.call("gg_host", "list") if each["name"].endswith(".bootstrap")]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run components as somebody else")
def test_bootstrap_runs_as_the_user_of_the_component_or_as_root_if_it_must(device: Device) -> None:
    device.runtime.root.state.chmod(0o755)
    nobody = str(pwd.getpwnam("nobody").pw_uid)
    with_bootstrap(device, "Plain", "id -u > who")
    with_bootstrap(device, "Privileged", "id -u > who", more=", RequiresPrivilege: true")
    user = {name: {"posixUser": "nobody"} for name in ("Plain", "Privileged")}
    device.succeed({"Plain": "1.0.0", "Privileged": "1.0.0"}, component_to_run_with_info=user)
    assert (device.work("Plain", "who").strip(), device.work("Privileged", "who").strip()) == (nobody, "0")


# -- when it fails -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "more", "code", "reason"),
    [
        ("exit 3", "", "COMPONENT_BOOTSTRAP_ERROR", "exit code 3"),
        ("exit 102", "", "COMPONENT_BOOTSTRAP_ERROR", "exit code 102"),
        ("kill -9 $$", "", "COMPONENT_BOOTSTRAP_ERROR", "signal 9"),
        ("sleep 1000", ", Timeout: 0.2", "COMPONENT_BOOTSTRAP_TIMEOUT", "time limit"),
    ],
)
def test_a_bootstrap_that_fails_leads_back_whatever_the_policy(
    device: Device, script: str, more: str, code: str, reason: str
) -> None:
    device.recipe("App", SLEEP, defaults="{a: 1}")
    device.recipe("Other", SLEEP)
    device.succeed({"App": "1.0.0", "Other": "1.0.0"})
    other = device.pid("Other")
    with_bootstrap(device, "App", script, "2.0.0", more, defaults="{a: 2}")
    outcome = device.deploy({"App": "2.0.0"}, failure_handling_policy="DO_NOTHING")
    assert (outcome["status"], outcome["detailed_status"]) == ("FAILED", "FAILED_ROLLBACK_COMPLETE"), outcome
    assert outcome["error_stack"] == ["DEPLOYMENT_FAILURE", "COMPONENT_UPDATE_ERROR", code]
    assert outcome["error_types"] == ["USER_COMPONENT_ERROR"]
    assert outcome["broken"] == ["App"]
    assert reason in outcome["cause"]
    assert (device.config("App", "version"), device.config("App", "configuration")) == ("1.0.0", {"a": 1})
    assert (device.state("App"), device.pid("Other")) == ("RUNNING", other)
    assert device.generation() == 1


def test_a_version_that_failed_is_bootstrapped_again(device: Device) -> None:
    with_bootstrap(device, "App", "echo x >> ran; test -e ready")
    assert device.deploy({"App": "1.0.0"})["detailed_status"] == "FAILED_ROLLBACK_COMPLETE"
    assert device.health() == {}
    (device.runtime.root.work / "App" / "ready").touch()
    device.succeed({"App": "1.0.0"})
    assert device.work("App", "ran").split() == ["x", "x"]


@pytest.mark.parametrize("again", [True, False])
def test_on_the_way_back_a_bootstrap_runs_where_the_recipe_says_so(device: Device, again: bool) -> None:
    more = ", BootstrapOnRollback: true" if again else ""
    with_bootstrap(device, "App", "echo one >> ran", more=more)
    device.succeed({"App": "1.0.0"})
    device.recipe("App", "{bootstrap: {Script: 'echo two >> ran'}, startup: 'exit 1'}", "2.0.0")
    outcome = device.deploy({"App": "2.0.0"}, failure_handling_policy="ROLLBACK")
    assert outcome["detailed_status"] == "FAILED_ROLLBACK_COMPLETE"
    assert device.work("App", "ran").split() == ["one", "two", *(["one"] if again else [])]
    # what did not change does not run it, and an asked-for rollback is a way back as well
    device.recipe("App", "{bootstrap: {Script: 'echo three >> ran'}, run: 'exec sleep 1000'}", "3.0.0")
    device.succeed({"App": "3.0.0"})
    assert device.rollback()["status"] == "SUCCEEDED"
    assert device.work("App", "ran").split()[-1] == ("one" if again else "three")


def test_on_the_way_back_another_section_of_the_same_version_counts_as_well(device: Device) -> None:
    with_bootstrap(device, "App", "echo one >> ran", more=", BootstrapOnRollback: true")
    device.succeed({"App": "1.0.0"})
    with_bootstrap(device, "App", "echo two >> ran", more=", BootstrapOnRollback: true")
    device.succeed({"App": "1.0.0"})
    assert device.rollback()["status"] == "SUCCEEDED"
    assert device.work("App", "ran").split() == ["one", "two", "one"]


def test_a_bootstrap_that_fails_on_the_way_back_is_a_rollback_that_failed(device: Device) -> None:
    with_bootstrap(device, "App", "test ! -e worse", more=", BootstrapOnRollback: true")
    device.succeed({"App": "1.0.0"})
    device.recipe("App", "{startup: 'touch worse; exit 1'}", "2.0.0")
    outcome = device.deploy({"App": "2.0.0"}, failure_handling_policy="ROLLBACK")
    assert outcome["detailed_status"] == "FAILED_UNABLE_TO_ROLLBACK"
    assert "and the way back failed: the bootstrap step of App 1.0.0 failed" in outcome["cause"]
    # what can be brought back is back all the same
    assert (device.config("App", "version"), device.state("App")) == ("1.0.0", "RUNNING")


# -- restarts ----------------------------------------------------------------------------------------------------------


def test_a_bootstrap_may_restart_the_runtime_and_the_rest_follows(device: Device) -> None:
    device.recipe("Bystander", SLEEP)
    device.recipe("Old", SLEEP)
    device.succeed({"Bystander": "1.0.0", "Old": "1.0.0"})
    before = instance(device)
    with_bootstrap(device, "Base", "echo x >> ran; exit 100")
    with_bootstrap(device, "Top", "echo x >> ran; cat {work:path}/../Base/ran > base", depends={"Base": "*"})
    device.recipe("Old", "{run: 'test -e go && exec sleep 1000', install: 'touch go'}", "2.0.0")
    identifier = device.submit({"Top": "1.0.0", "Old": "2.0.0"})
    outcome = device.outcome_after_all(identifier)
    assert outcome["status"] == "SUCCEEDED", outcome
    assert instance(device) != before
    assert {name: device.work(name, "ran") for name in ("Base", "Top")} == {"Base": "x\n", "Top": "x\n"}
    assert device.work("Top", "base") == "x\n"
    assert {name: each["state"] for name, each in device.health().items()} == dict.fromkeys(
        ("Base", "Bystander", "Old", "Top"), "RUNNING"
    )
    assert device.health()["Old"]["version"] == "2.0.0"


def test_what_was_stopped_stays_down_until_all_bootstraps_are_done(device: Device, tmp_path: Path) -> None:
    """After a restart in the middle neither the old nor the new version runs yet."""
    go = tmp_path / "go"
    device.recipe("App", "{run: 'echo old >> story; exec sleep 1000'}")
    device.succeed({"App": "1.0.0"})
    wait_until(lambda: device.work("App", "story"))
    device.recipe(
        "App", "{bootstrap: 'echo bootstrap >> story; exit 100', run: 'echo new >> story; exec sleep 1000'}", "2.0.0"
    )
    with_bootstrap(device, "Later", f"while ! test -e {go}; do sleep 0.05; done", depends={"App": "*"})
    before = instance(device)
    identifier = device.submit({"App": "2.0.0", "Later": "1.0.0"})
    wait_until(lambda: instance(device) not in ("", before))
    wait_until(lambda: "ggl.Later.bootstrap" in {each["name"] for each in device.runtime.call("gg_host", "list")})
    assert device.runtime.unit("ggl.App")["active_state"] == "inactive"
    go.touch()
    assert device.outcome_after_all(identifier)["status"] == "SUCCEEDED"
    assert wait_until(lambda: device.work("App", "story").split(), lambda story: len(story) > 2) == [
        *("old", "bootstrap", "new")
    ]


@pytest.mark.process_host  # on a device with systemd it really restarts, see tests/system/boots
def test_a_bootstrap_may_restart_the_device(device: Device) -> None:
    with_bootstrap(device, "App", "echo x >> ran; exit 101")
    with_bootstrap(device, "Top", "echo x >> ran", depends={"App": "*"})
    device.set_config("kill -9 $PPID", *NUCLEUS[1:], "rebootCommand")
    pid = device.runtime.call("gg_host", "info")["pid"]
    identifier = device.submit({"Top": "1.0.0"})
    wait_until(lambda: not Path(f"/proc/{pid}").exists() or instance(device) == "")
    device.runtime.up()
    outcome = device.outcome_after_all(identifier)
    assert outcome["status"] == "SUCCEEDED", outcome
    assert (device.work("App", "ran"), device.work("Top", "ran")) == ("x\n", "x\n")


def test_a_restart_of_the_device_that_is_refused_leads_back(device: Device) -> None:
    device.recipe("App", SLEEP)
    device.succeed({"App": "1.0.0"})
    device.set_config("echo not today; exit 4", *NUCLEUS[1:], "rebootCommand")
    with_bootstrap(device, "App", "exit 101", "2.0.0")
    outcome = device.deploy({"App": "2.0.0"})
    assert outcome["detailed_status"] == "FAILED_ROLLBACK_COMPLETE"
    assert outcome["error_stack"][-1] == "COMPONENT_BOOTSTRAP_ERROR"
    assert "not today" in outcome["cause"]
    assert (device.health()["App"]["version"], device.state("App")) == ("1.0.0", "RUNNING")


def test_after_a_crash_in_the_middle_of_a_bootstrap_it_is_done(device: Device, tmp_path: Path) -> None:
    go = tmp_path / "go"
    with_bootstrap(device, "App", f"echo x >> ran; while ! test -e {go}; do sleep 0.05; done")
    identifier = device.submit({"App": "1.0.0"})
    wait_until(lambda: device.work("App", "ran"))
    device.runtime.kill(device.runtime.pid_of("deploymentd"))
    wait_until(lambda: device.get(identifier)["status"], lambda status: status == "IN_PROGRESS")
    go.touch()
    assert device.outcome_after_all(identifier)["status"] == "SUCCEEDED"
    assert device.work("App", "ran") == "x\n"  # it went on, and was waited for


@pytest.mark.process_host
def test_a_bootstrap_that_is_gone_with_the_supervisor_is_done_again(device: Device, tmp_path: Path) -> None:
    go = tmp_path / "go"
    with_bootstrap(device, "App", f"echo y >> ran; while ! test -e {go}; do sleep 0.05; done")
    identifier = device.submit({"App": "1.0.0"})
    wait_until(lambda: "y" in device.work("App", "ran"))
    device.runtime.kill(device.runtime.call("gg_host", "info")["pid"])
    device.runtime.up()
    wait_until(lambda: device.work("App", "ran").count("y") == 2)
    go.touch()
    assert device.outcome_after_all(identifier)["status"] == "SUCCEEDED"


# -- uninstall ---------------------------------------------------------------------------------------------------------


def test_uninstall_runs_when_a_component_has_gone(device: Device) -> None:
    device.recipe(
        "Goes",
        "{run: 'exec sleep 1000', shutdown: 'echo shutdown >> story', "
        "uninstall: {Setenv: {A: set}, "
        "Script: 'echo uninstall $GREENGRASS_COMPONENT_VERSION $A >> story; test -e {artifacts:path}/file'}}",
        "1.2.3",
        artifacts=("file",),
    )
    device.artifact("Goes", "file", "content", "1.2.3")
    device.recipe("Stays", "{run: 'exec sleep 1000', uninstall: 'touch uninstalled'}")
    device.succeed({"Goes": "1.2.3", "Stays": "1.0.0"})
    # another version is no removal
    device.recipe("Stays", "{run: 'exec sleep 1000', uninstall: 'touch uninstalled'}", "2.0.0")
    device.succeed({"Stays": "2.0.0"}, ("Goes",))
    assert device.work("Goes", "story").splitlines() == ["shutdown", "uninstall 1.2.3 set"]
    assert not (device.runtime.root.work / "Stays" / "uninstalled").exists()
    assert list(device.health()) == ["Stays"]
    assert {each["component"] for each in device.runtime.call("gg_host", "list")} - {""} == {"Stays"}


@pytest.mark.parametrize("policy", ["DO_NOTHING", "ROLLBACK"])
@pytest.mark.parametrize("script", ["exit 5", "sleep 1000"])
def test_an_uninstall_that_fails_fails_the_deployment(device: Device, policy: str, script: str) -> None:
    device.recipe("Goes", f"{{{RUN}, uninstall: {{Script: '{script}', Timeout: 0.2}}}}")
    device.recipe("Stays", SLEEP)
    device.succeed({"Goes": "1.0.0", "Stays": "1.0.0"})
    outcome = device.deploy(remove=("Goes",), failure_handling_policy=policy)
    assert outcome["error_stack"] == ["DEPLOYMENT_FAILURE", "COMPONENT_UPDATE_ERROR", "REMOVE_COMPONENT_ERROR"]
    assert "Goes" in outcome["cause"]
    if policy == "ROLLBACK":
        assert outcome["detailed_status"] == "FAILED_ROLLBACK_COMPLETE"
        assert (device.state("Goes"), device.config("Goes", "version")) == ("RUNNING", "1.0.0")
    else:
        assert outcome["detailed_status"] == "FAILED_ROLLBACK_NOT_REQUESTED"
        assert (list(device.health()), device.config("Goes")) == (["Stays"], None)
