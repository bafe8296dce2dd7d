"""What happens after a failure, and going back: policies, generations, and the rollback that somebody asks for."""

from __future__ import annotations

import pytest

from ggl.bus import BusError, ErrorCode
from tests.integration.conftest import wait_until
from tests.integration.device import NUCLEUS, SLEEP, Device
from tests.integration.held import HELD, let_go

# A startup script and no run script: how fast it fails decides nothing.
BROKEN = "{startup: 'exit 1'}"
SHOW = "{run: 'cat {artifacts:path}/file > out; exec sleep 1000'}"
GROUPS = "DeploymentService", "GroupToRootComponents"
BACK = {"failure_handling_policy": "ROLLBACK"}


def versions(device: Device) -> dict[str, str]:
    return {name: each["version"] for name, each in device.health().items()}


def roots(device: Device, group: str = "LOCAL_DEPLOYMENT") -> dict[str, str]:
    return {name: root["version"] for name, root in (device.config(*GROUPS, group) or {}).items()}


def store(device: Device) -> dict[str, str]:
    """The artifacts in the component store, with their content."""
    folder = device.runtime.root.artifacts
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def three_generations(device: Device) -> None:
    """App 1.0.0, 2.0.0 and 3.0.0 with a file each, and a bystander from the beginning."""
    device.recipe("Bystander", SLEEP)
    for version in ("1.0.0", "2.0.0", "3.0.0"):
        device.recipe("App", SHOW, version, artifacts=("file",), defaults=f"{{v: '{version}'}}")
        device.artifact("App", "file", version, version)
        device.succeed({"App": version, "Bystander": "1.0.0"}, requested_by=f"who wants {version}")


# -- policies ----------------------------------------------------------------------------------------------------------


def test_rollback_brings_back_exactly_what_ran_before(device: Device) -> None:
    device.recipe("Base", SLEEP)
    device.recipe("App", SHOW, defaults="{a: 1}", depends={"Base": "*"}, artifacts=("file",))
    device.artifact("App", "file", "one")
    device.recipe("Goes", "{run: 'echo x >> starts; exec sleep 1000', install: 'echo x >> installs'}")
    device.recipe("Bystander", SLEEP)
    device.succeed({"App": "1.0.0", "Goes": "1.0.0", "Bystander": "1.0.0"})
    device.set_config("by App", "App", "configuration", "own")
    device.set_config("by Bystander", "Bystander", "configuration", "own")
    wait_until(lambda: device.work("App", "out") == "one")
    before, pids = device.runtime.call("gg_config", "read", {"key_path": ["services"]}), device.health()

    device.recipe("App", SHOW, "2.0.0", defaults="{a: 2}", artifacts=("file",))
    device.artifact("App", "file", "two", "2.0.0")
    device.recipe("New", "{startup: 'sleep 0.3; exit 1', shutdown: 'touch shutdown', uninstall: 'touch uninstalled'}")
    change = {"App": {"RESET": ["/own"], "MERGE": {"b": 2}}}
    outcome = device.deploy({"App": "2.0.0", "New": "1.0.0"}, ("Goes",), component_to_configuration=change, **BACK)
    assert (outcome["status"], outcome["detailed_status"]) == ("FAILED", "FAILED_ROLLBACK_COMPLETE")
    assert outcome["error_stack"] == ["DEPLOYMENT_FAILURE", "COMPONENT_UPDATE_ERROR", "COMPONENT_BROKEN"]
    assert (outcome["broken"], outcome["error_types"]) == (["New"], ["USER_COMPONENT_ERROR"])
    assert outcome["cause"].startswith("New is broken:")
    # configuration, versions, roots: everything as it was, and nothing of what came
    assert device.runtime.call("gg_config", "read", {"key_path": ["services"]}) == before
    assert versions(device) == {"App": "1.0.0", "Base": "1.0.0", "Bystander": "1.0.0", "Goes": "1.0.0"}
    assert {device.state(name) for name in device.health()} == {"RUNNING"}
    assert (device.pid("Bystander"), device.pid("Base")) == (pids["Bystander"]["pid"], pids["Base"]["pid"])
    assert (device.runtime.root.work / "New" / "uninstalled").exists()
    wait_until(lambda: store(device), lambda files: files == {"App/1.0.0/file": "one"})
    wait_until(lambda: device.work("App", "out") == "one")
    # a failure is no generation
    assert (list(device.generations()), device.generation(), outcome["rolling_back"]) == ([0, 1], 1, True)


def test_do_nothing_leaves_it_as_the_failure_left_it(device: Device) -> None:
    device.recipe("App", SLEEP)
    device.recipe("Goes", SLEEP)
    device.succeed({"App": "1.0.0", "Goes": "1.0.0"})
    device.recipe("App", SLEEP, "2.0.0")
    device.recipe("Bad", BROKEN)
    outcome = device.deploy({"App": "2.0.0", "Bad": "1.0.0"}, ("Goes",), failure_handling_policy="DO_NOTHING")
    assert outcome["detailed_status"] == "FAILED_ROLLBACK_NOT_REQUESTED"
    assert versions(device) == {"App": "2.0.0", "Bad": "1.0.0"}
    assert device.state("Bad") == "BROKEN"
    wait_until(lambda: device.state("App"), lambda state: state == "RUNNING")  # nobody has waited for it
    assert roots(device) == {"App": "2.0.0", "Bad": "1.0.0"}
    generation = device.generations()[device.generation()]
    assert (generation["good"], generation["components"]) == (False, {"App": "2.0.0", "Bad": "1.0.0"})


def test_a_failure_before_anything_changed_needs_no_way_back(device: Device) -> None:
    device.recipe("App", SLEEP)
    device.succeed({"App": "1.0.0"})
    device.recipe("App", SLEEP, "2.0.0", artifacts=("missing",))
    outcome = device.deploy({"App": "2.0.0"}, **BACK)
    assert (outcome["detailed_status"], outcome["rolling_back"]) == ("FAILED_NO_STATE_CHANGE", False)
    assert (versions(device), device.generation()) == ({"App": "1.0.0"}, 1)


def test_what_was_broken_before_does_not_fail_the_way_back(device: Device) -> None:
    device.recipe("Bad", BROKEN)
    device.recipe("OnBad", SLEEP, depends={"Bad": "*"})
    device.recipe("App", SLEEP)
    assert device.deploy({"Bad": "1.0.0", "OnBad": "1.0.0", "App": "1.0.0"})["broken"] == ["Bad"]
    device.recipe("App", BROKEN, "2.0.0")
    device.recipe("Bad", "{startup: 'exit 2'}", "2.0.0")
    outcome = device.deploy({"App": "2.0.0", "Bad": "2.0.0"}, **BACK)
    assert outcome["detailed_status"] == "FAILED_ROLLBACK_COMPLETE", outcome["cause"]
    assert versions(device) == {"App": "1.0.0", "Bad": "1.0.0", "OnBad": "1.0.0"}
    assert device.state("App") == "RUNNING"


def test_a_way_back_that_does_not_come_up_is_told_and_goes_as_far_as_it_can(device: Device) -> None:
    device.recipe("Fragile", "{startup: 'test ! -e {work:path}/../App/spoilt'}")
    device.recipe("App", SLEEP)
    device.succeed({"Fragile": "1.0.0", "App": "1.0.0"})
    device.recipe("App", "{startup: 'touch spoilt; exit 1'}", "2.0.0")
    device.recipe("Fragile", SLEEP, "2.0.0")
    outcome = device.deploy({"App": "2.0.0", "Fragile": "2.0.0"}, **BACK)
    assert (outcome["status"], outcome["detailed_status"]) == ("FAILED", "FAILED_UNABLE_TO_ROLLBACK")
    assert sorted(outcome["broken"]) == ["App", "Fragile"]
    assert "App is broken" in outcome["cause"]
    assert "and the way back failed: Fragile is broken" in outcome["cause"]
    assert versions(device) == {"App": "1.0.0", "Fragile": "1.0.0"}
    assert device.state("Fragile") == "BROKEN"
    wait_until(lambda: device.state("App"), lambda state: state == "RUNNING")
    # the next one is not held up by it
    (device.runtime.root.work / "App" / "spoilt").unlink()
    device.recipe("App", SLEEP, "3.0.0")
    device.succeed({"App": "3.0.0", "Fragile": "1.0.0"})


def test_logs_and_work_directories_are_not_rolled_back(device: Device) -> None:
    device.recipe("App", "{run: 'echo from one; echo 1 > state; exec sleep 1000'}")
    device.succeed({"App": "1.0.0"})
    wait_until(lambda: device.work("App", "state") == "1\n")
    device.recipe("App", "{startup: 'echo from two; echo 2 > state; rm kept; echo 2 > made; exit 1'}", "2.0.0")
    (device.runtime.root.work / "App" / "kept").touch()
    assert device.deploy({"App": "2.0.0"}, **BACK)["detailed_status"] == "FAILED_ROLLBACK_COMPLETE"
    assert device.work("App", "made") == "2\n"
    assert not (device.runtime.root.work / "App" / "kept").exists()
    log = wait_until(lambda: device.runtime.log("App"), lambda log: "from two" in log)
    assert "from one" in log


def test_values_a_component_keeps_for_itself_survive_a_way_back(device: Device) -> None:
    device.recipe("App", SLEEP, defaults="{a: 1}")
    device.succeed({"App": "1.0.0"})
    device.recipe("App", f"{{startup: '{HELD}; exit 1'}}", "2.0.0")
    identifier = device.submit({"App": "2.0.0"}, **BACK)
    device.reaches(identifier, "wait")
    device.set_config(7, "App", "runtime", "counter")
    device.set_config(8, "App", "_private", "counter")
    let_go(device)
    assert device.outcome(identifier)["detailed_status"] == "FAILED_ROLLBACK_COMPLETE"
    assert device.config("App", "runtime") == {"counter": 7}
    assert device.config("App", "_private") == {"counter": 8}


# -- generations -------------------------------------------------------------------------------------------------------


def test_every_applied_deployment_makes_a_generation(device: Device) -> None:
    three_generations(device)
    found = device.generations()
    assert list(found) == [1, 2, 3]  # three are kept where the configuration does not say
    newest = found[3]
    assert (newest["parent"], newest["current"], newest["good"], newest["type"]) == (2, True, True, "LOCAL")
    assert (newest["by"], newest["group"]) == ("who wants 3.0.0", "LOCAL_DEPLOYMENT")
    assert (newest["components"], newest["changed"]) == ({"App": "3.0.0", "Bystander": "1.0.0"}, ["App"])
    assert newest["deployment_id"] == device.runtime.call("gg_deployment", "list")[-1]["deployment_id"]
    shown = device.runtime.call("gg_deployment", "generation", {"number": 2})
    assert shown["configuration"]["App"] == {"v": "2.0.0"}
    assert "artifacts/App/2.0.0/file" in shown["files"]
    assert shown["groups"] == {"LOCAL_DEPLOYMENT": {"App": "2.0.0", "Bystander": "1.0.0"}}
    with pytest.raises(BusError) as caught:
        device.runtime.call("gg_deployment", "generation", {"number": 99})
    assert caught.value.code == ErrorCode.NOENTRY


@pytest.mark.parametrize(("keep", "left"), [(1, [3]), (2, [2, 3]), (10, [0, 1, 2, 3])])
def test_as_many_generations_are_kept_as_the_configuration_says(device: Device, keep: int, left: list[int]) -> None:
    device.set_config(keep, *NUCLEUS[1:], "generationsToKeep")
    three_generations(device)
    assert list(device.generations()) == left
    files = {f"App/{number}.0.0/file": f"{number}.0.0" for number in left if number}
    wait_until(lambda: store(device), lambda found: found == files)


def test_there_and_back_again(device: Device) -> None:
    """To the previous one, to one before, and forward; a new deployment goes on from where the device is."""
    three_generations(device)
    pid = device.pid("Bystander")

    def at(number: int) -> None:
        version = f"{number}.0.0"
        assert (device.generation(), versions(device)) == (number, {"App": version, "Bystander": "1.0.0"})
        assert device.config("App", "configuration") == {"v": version}
        assert roots(device) == {"App": version, "Bystander": "1.0.0"}
        wait_until(lambda: device.work("App", "out") == version)
        assert device.pid("Bystander") == pid

    outcome = device.rollback(requested_by="me")
    assert (outcome["status"], outcome["type"], outcome["generation"]) == ("SUCCEEDED", "ROLLBACK", 2)
    assert (outcome["changed"], outcome["requested_by"]) == (["App"], "me")
    at(2)
    assert device.rollback()["status"] == "SUCCEEDED"  # the previous one is that before it, not the one it came from
    at(1)
    assert device.rollback(to=3)["status"] == "SUCCEEDED"
    at(3)
    assert device.rollback(to=1)["status"] == "SUCCEEDED"
    assert list(device.generations()) == [1, 2, 3]
    device.recipe("Bystander", SLEEP)
    device.recipe("Other", SLEEP)
    device.succeed({"Other": "1.0.0"})
    assert {number: each["parent"] for number, each in device.generations().items()} == {1: 0, 4: 1}
    assert versions(device)["App"] == "1.0.0"
    assert device.rollback()["generation"] == 1
    at(1)
    with pytest.raises(BusError, match="nothing that ran before generation 1 is kept") as caught:
        device.rollback()
    assert caught.value.code == ErrorCode.NOENTRY


def test_a_device_can_go_back_to_having_nothing(device: Device) -> None:
    device.recipe("App", SLEEP)
    with pytest.raises(BusError, match="nothing has been deployed yet"):
        device.rollback()
    device.succeed({"App": "1.0.0"})
    with pytest.raises(BusError, match="name it to go there") as caught:
        device.rollback()  # nobody empties a device by mistake
    assert caught.value.code == ErrorCode.NOENTRY
    assert device.rollback(to=0)["removed"] == ["App"]
    assert (device.health(), device.config("App"), device.generation(), roots(device)) == ({}, None, 0, {})
    assert device.rollback(to=1)["status"] == "SUCCEEDED"
    assert (device.state("App"), roots(device)) == ("RUNNING", {"App": "1.0.0"})


def test_the_same_version_with_another_file_is_another_generation(device: Device) -> None:
    device.recipe("App", SHOW, artifacts=("file",))
    for content in ("one", "two"):
        device.artifact("App", "file", content)
        device.succeed({"App": "1.0.0"})
        wait_until(lambda content=content: device.work("App", "out") == content)
    assert device.rollback()["changed"] == ["App"]
    wait_until(lambda: device.work("App", "out") == "one")
    assert store(device) == {"App/1.0.0/file": "one"}
    assert device.rollback(to=2)["changed"] == ["App"]
    wait_until(lambda: device.work("App", "out") == "two")


def test_what_components_stored_since_is_kept_where_no_deployment_changed_anything(device: Device) -> None:
    device.recipe("App", SLEEP, defaults="{a: 1}")
    device.recipe("Counter", SLEEP, defaults="{count: 0}")
    device.succeed({"App": "1.0.0", "Counter": "1.0.0"})
    device.set_config(1, "App", "configuration", "seen")
    device.succeed(component_to_configuration={"App": {"MERGE": {"a": 2}}})
    device.set_config(2, "App", "configuration", "seen")
    device.set_config(41, "Counter", "configuration", "count")
    pids = device.health()
    assert device.rollback()["changed"] == []
    # App is as it was left when the next deployment came; Counter was touched by nobody
    assert device.config("App", "configuration") == {"a": 1, "seen": 1}
    assert device.config("Counter", "configuration") == {"count": 41}
    assert device.health() == pids
    # and forward: as it was left when the rollback came
    assert device.rollback(to=2)["status"] == "SUCCEEDED"
    assert device.config("App", "configuration") == {"a": 2, "seen": 2}


def test_going_to_where_the_device_is_repairs_what_runs_and_takes_back_no_values(device: Device) -> None:
    device.recipe("App", SLEEP, defaults="{a: 1}")
    device.recipe("Counter", SLEEP, defaults="{count: 0}")
    device.succeed({"App": "1.0.0", "Counter": "1.0.0"})
    device.succeed(component_to_configuration={"App": {"MERGE": {"a": 2}}})
    device.set_config(41, "Counter", "configuration", "count")
    assert device.rollback()["generation"] == 1
    device.set_config("since", "App", "configuration", "seen")
    device.runtime.call("gg_host", "unload", {"names": ["ggl.App"]})
    outcome = device.rollback(to=1)
    assert (outcome["status"], outcome["changed"], device.generation()) == ("SUCCEEDED", ["App"], 1)
    assert device.config("Counter", "configuration") == {"count": 41}
    assert device.config("App", "configuration") == {"a": 1, "seen": "since"}
    assert device.state("App") == "RUNNING"


def test_the_roots_of_every_group_go_back(device: Device) -> None:
    for name in ("A", "B"):
        device.recipe(name, SLEEP)
    device.succeed({"A": "1.0.0"})
    device.succeed({"B": "1.0.0"}, group_name="Other")
    device.succeed(remove=("A",))
    assert versions(device) == {"B": "1.0.0"}
    assert device.rollback(to=1)["status"] == "SUCCEEDED"
    assert (roots(device), roots(device, "thinggroup/Other")) == ({"A": "1.0.0"}, {})
    assert versions(device) == {"A": "1.0.0"}


def test_a_dry_run_shows_what_would_change_and_changes_nothing(device: Device) -> None:
    three_generations(device)
    before = device.health(), device.runtime.call("gg_config", "read", {"key_path": ["services"]})
    shown = device.runtime.call("gg_deployment", "rollback", {"to": 1, "dry_run": True})
    assert shown["to"] == 1
    actions = {each["component"]: (each["action"], each["from"], each["to"]) for each in shown["components"]}
    assert actions == {"App": ("update", "3.0.0", "1.0.0"), "Bystander": ("keep", "1.0.0", "1.0.0")}
    assert shown["configuration"] == [{"component": "App", "key": "/v", "from": "3.0.0", "to": "1.0.0"}]
    assert shown["files"] == {
        "added": ["artifacts/App/1.0.0/file"],
        "changed": [],
        "removed": ["artifacts/App/3.0.0/file"],
    }
    assert shown["roots"]["changed"] == {"App": ["3.0.0", "1.0.0"]}
    assert (device.health(), device.runtime.call("gg_config", "read", {"key_path": ["services"]})) == before
    assert (device.generation(), len(device.runtime.call("gg_deployment", "list"))) == (3, 3)


# -- one component -----------------------------------------------------------------------------------------------------


def test_only_one_component_goes_back(device: Device) -> None:
    device.set_config(10, *NUCLEUS[1:], "generationsToKeep")
    for name in ("App", "Other"):
        device.recipe(name, SHOW, artifacts=("file",), defaults="{v: 1}")
        device.artifact(name, "file", "one")
    device.succeed({"App": "1.0.0", "Other": "1.0.0"})
    for name in ("App", "Other"):
        device.recipe(name, SHOW, "2.0.0", artifacts=("file",), defaults="{v: 2}")
        device.artifact(name, "file", "two", "2.0.0")
    device.succeed({"App": "2.0.0", "Other": "2.0.0"})
    other = device.pid("Other")
    outcome = device.rollback(component="App")
    assert (outcome["status"], outcome["generation"], outcome["changed"]) == ("SUCCEEDED", 3, ["App"]), outcome
    assert outcome["name"] == "App as in generation 1"
    assert versions(device) == {"App": "1.0.0", "Other": "2.0.0"}
    assert (device.config("App", "configuration"), device.config("Other", "configuration")) == ({"v": 1}, {"v": 2})
    assert device.pid("Other") == other
    wait_until(lambda: device.work("App", "out") == "one")
    assert roots(device) == {"App": "1.0.0", "Other": "2.0.0"}
    made = device.generations()[3]
    assert (made["parent"], made["type"], made["current"]) == (2, "ROLLBACK", True)
    # it is an ordinary generation: it can be left again, and a deployment of what there is changes nothing
    assert device.succeed()["changed"] == []
    assert device.rollback(to=2)["status"] == "SUCCEEDED"
    assert versions(device) == {"App": "2.0.0", "Other": "2.0.0"}


def test_a_component_does_not_go_back_to_what_the_others_cannot_use(device: Device) -> None:
    device.recipe("Lib", SLEEP)
    device.succeed({"Lib": "1.0.0"})
    device.recipe("Lib", SLEEP, "2.0.0")
    device.recipe("App", SLEEP, depends={"Lib": "^2.0.0"})
    device.succeed({"Lib": "2.0.0", "App": "1.0.0"})
    with pytest.raises(BusError, match=r"App 1.0.0 requires Lib \^2.0.0, but there would be 1.0.0") as caught:
        device.rollback(component="Lib")
    assert caught.value.code == ErrorCode.FAILURE
    with pytest.raises(BusError, match="no generation before 2 has another App"):
        device.rollback(component="App")
    with pytest.raises(BusError, match="Nobody was not there in generation 1"):
        device.rollback(component="Nobody", to=1)


# -- rollbacks that fail, and others -----------------------------------------------------------------------------------


def test_a_rollback_whose_target_does_not_come_up_is_told_and_the_next_goes_further(device: Device) -> None:
    device.set_config(10, *NUCLEUS[1:], "generationsToKeep")
    three_generations(device)
    device.recipe("Hook", "{startup: 'test ! -e bad'}")
    device.succeed({"Hook": "1.0.0"})
    device.recipe("Hook", SLEEP, "2.0.0")
    device.succeed({"Hook": "2.0.0"})
    (device.runtime.root.work / "Hook" / "bad").touch()
    outcome = device.rollback()
    assert (outcome["status"], outcome["detailed_status"]) == ("FAILED", "FAILED_ROLLBACK_NOT_REQUESTED")
    assert (outcome["broken"], outcome["generation"], device.generation()) == (["Hook"], 4, 4)
    assert [number for number, each in device.generations().items() if not each["good"]] == [4]
    assert device.state("App") == "RUNNING"
    assert device.rollback()["generation"] == 3
    # from there, forward again: 4 is known to be bad, and is skipped unless it is asked for
    (device.runtime.root.work / "Hook" / "bad").unlink()
    assert device.rollback(to=5)["status"] == "SUCCEEDED"
    assert device.rollback()["generation"] == 3
    assert device.rollback(to=4)["status"] == "SUCCEEDED"
    assert device.generations()[4]["good"]  # it has come up


def test_there_is_no_such_generation(device: Device) -> None:
    device.recipe("App", SLEEP)
    device.succeed({"App": "1.0.0"})
    for params in ({"to": 7}, {"to": 7, "dry_run": True}, {"to": 7, "component": "App"}):
        with pytest.raises(BusError, match="there is no generation 7: there are 0, 1") as caught:
            device.runtime.call("gg_deployment", "rollback", params)
        assert caught.value.code == ErrorCode.NOENTRY
    for wrong in ({"to": "x"}, {"timeout": 0}, {"component": 5}):
        with pytest.raises(BusError) as caught:
            device.runtime.call("gg_deployment", "rollback", wrong)
        assert caught.value.code == ErrorCode.INVALID


def test_a_rollback_waits_for_its_turn_and_means_what_it_meant_when_it_was_asked_for(device: Device) -> None:
    three_generations(device)
    device.recipe("Slow", f"{{startup: '{HELD}'}}")
    running = device.submit({"Slow": "1.0.0"})
    device.reaches(running, "wait")
    with pytest.raises(BusError, match="is IN_PROGRESS: wait for it, cancel it, or say where to go") as caught:
        device.runtime.call("gg_deployment", "rollback", {})  # what is the previous one then nobody knows
    assert caught.value.code == ErrorCode.BUSY
    asked = device.runtime.call("gg_deployment", "rollback", {"to": 2})
    assert asked["to"] == 2
    assert device.get(asked["deployment_id"])["status"] == "QUEUED"
    let_go(device)
    assert device.outcome(running)["status"] == "SUCCEEDED"
    outcome = device.outcome(asked["deployment_id"])
    assert (outcome["status"], outcome["generation"]) == ("SUCCEEDED", 2)
    assert versions(device) == {"App": "2.0.0", "Bystander": "1.0.0"}


def test_a_rollback_to_what_has_been_dropped_meanwhile_changes_nothing(device: Device) -> None:
    three_generations(device)
    device.recipe("Slow", f"{{startup: '{HELD}'}}")
    running = device.submit({"Slow": "1.0.0"})
    device.reaches(running, "wait")
    asked = device.runtime.call("gg_deployment", "rollback", {"to": 1})
    let_go(device)
    assert device.outcome(running)["status"] == "SUCCEEDED"
    outcome = device.outcome(asked["deployment_id"])
    assert outcome["detailed_status"] == "FAILED_NO_STATE_CHANGE"
    assert "there is no generation 1" in outcome["cause"]
    assert device.generation() == 4


def test_a_component_that_was_removed_by_hand_comes_back(device: Device) -> None:
    """Its units are unloaded behind the back of everybody, its files are gone."""
    three_generations(device)
    device.runtime.call("gg_host", "unload", {"names": ["ggl.App"]})
    (device.runtime.root.artifacts / "App" / "3.0.0" / "file").unlink()
    assert device.rollback()["status"] == "SUCCEEDED"
    assert versions(device) == {"App": "2.0.0", "Bystander": "1.0.0"}
    outcome = device.rollback(to=3)  # its file is nowhere
    assert outcome["detailed_status"] == "FAILED_ROLLBACK_COMPLETE", outcome
    assert "App/3.0.0/file" in outcome["cause"]
    assert (versions(device)["App"], device.state("App"), device.generation()) == ("2.0.0", "RUNNING", 2)


def test_what_only_the_configuration_knows_of_is_not_waited_for(device: Device) -> None:
    """A device that was taken over from another runtime."""
    device.set_config("1.0.0", "Ghost", "version")
    device.recipe("App", SLEEP)
    assert device.succeed({"App": "1.0.0"})["removed"] == ["Ghost"]
    assert device.rollback(to=0, timeout=20)["status"] == "SUCCEEDED"
    assert (device.config("Ghost", "version"), device.health()) == ("1.0.0", {})


# -- records that are lost ---------------------------------------------------------------------------------------------


def lose(device: Device, table: str, key: str) -> None:
    """The record is there, and makes no sense."""
    operation = {"op": "put", "table": table, "key": key, "value": {"nonsense": True}}
    device.runtime.call("gg_config", "transaction", {"operations": [operation]})


def test_without_the_record_of_what_ran_before_it_goes_on_as_far_as_it_can(device: Device) -> None:
    device.recipe("App", "{run: 'exec sleep 1000', shutdown: 'touch stopped'}")
    device.succeed({"App": "1.0.0"})
    lose(device, "generation-images", "00000001")
    device.recipe("App", SLEEP, "2.0.0")
    device.recipe("Bad", BROKEN)
    outcome = device.deploy({"App": "2.0.0", "Bad": "1.0.0"}, **BACK)
    assert outcome["detailed_status"] == "FAILED_UNABLE_TO_ROLLBACK"
    assert "and the way back failed: what generation 1 consisted of is not kept any more" in outcome["cause"]
    assert versions(device) == {"App": "2.0.0", "Bad": "1.0.0"}
    wait_until(lambda: device.state("App"), lambda state: state == "RUNNING")
    # and the device is not blocked
    device.recipe("Bad", SLEEP)
    device.succeed()
    with pytest.raises(BusError, match="not kept any more"):
        device.rollback(to=1)


def test_a_deployment_whose_own_record_is_lost_goes_back(device: Device) -> None:
    device.recipe("App", SLEEP, defaults="{a: 1}")
    device.succeed({"App": "1.0.0"})
    before = device.config("App")
    device.recipe("App", "{startup: 'sleep 1000'}", "2.0.0", defaults="{a: 2}")
    identifier = device.submit({"App": "2.0.0"})
    device.reaches(identifier, "wait")
    lose(device, "deployment-activations", identifier)
    device.runtime.kill(device.runtime.pid_of("deploymentd"))
    outcome = device.outcome_after_all(identifier)
    assert outcome["detailed_status"] == "FAILED_ROLLBACK_COMPLETE", outcome
    assert outcome["error_stack"] == ["DEPLOYMENT_FAILURE", "DEPLOYMENT_INTERRUPTED"]
    assert (versions(device), device.state("App"), device.config("App")) == ({"App": "1.0.0"}, "RUNNING", before)


def test_when_nothing_is_known_any_more_what_was_stopped_is_started(device: Device) -> None:
    down = f"{{Script: '{HELD}', Timeout: 100}}"
    device.recipe(
        "App", f"{{run: 'cat {{artifacts:path}}/file && exec sleep 1000', shutdown: {down}}}", artifacts=("file",)
    )
    device.artifact("App", "file", "content")
    device.succeed({"App": "1.0.0"})
    device.recipe("App", SLEEP, "2.0.0")
    identifier = device.submit({"App": "2.0.0"})
    device.reaches(identifier, "stop")
    lose(device, "deployment-activations", identifier)
    lose(device, "generation-images", "00000001")
    device.runtime.kill(device.runtime.pid_of("deploymentd"))
    let_go(device)
    outcome = device.outcome_after_all(identifier)
    assert outcome["detailed_status"] == "FAILED_UNABLE_TO_ROLLBACK", outcome
    wait_until(lambda: device.state("App"), lambda state: state == "RUNNING")
    wait_until(device.staged, lambda staged: not staged)
    assert store(device) == {"App/1.0.0/file": "content"}  # nobody knows that it is needed, or that it is not
    device.succeed({"App": "2.0.0"})
