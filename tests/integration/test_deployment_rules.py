"""The rules of deployments on a whole runtime: groups, versions, configuration, what is recorded, and what is kept.

Deployments come as jobs of groups here, in the form in which the cloud sends them, and as local requests.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest

from ggl.bus import BusError, ErrorCode
from tests.integration.conftest import wait_until
from tests.integration.device import NUCLEUS, SLEEP, Device
from tests.integration.held import HELD, let_go

HEATERS, COOLERS, THING = "thinggroup/heaters", "thinggroup/coolers", "thing/heater-7"
LOCAL = "LOCAL_DEPLOYMENT"
NOTHING_FITS = ["DEPLOYMENT_FAILURE", "NO_AVAILABLE_COMPONENT_VERSION", "COMPONENT_VERSION_REQUIREMENTS_NOT_MET"]
LATER = 24 * 3600 * 1000


def now() -> int:
    return int(time.time() * 1000)


def arn(group: str) -> str:
    return f"arn:aws:greengrass:eu-west-1:111122223333:configuration:{group}:14"


def job(
    device: Device,
    group: str,
    components: Mapping[str, Any],
    created: int | None = None,
    kind: str = "IOT_JOBS",
    **more: Any,
) -> dict[str, Any]:
    """What becomes of a deployment of ``group``; a component is its version, or its whole entry."""
    document = {
        "deploymentId": str(uuid4()),
        "configurationArn": arn(group),
        "creationTimestamp": now() if created is None else created,
        "componentUpdatePolicy": {"action": "SKIP_NOTIFY_COMPONENTS"},
        "components": {
            name: {"version": entry} if isinstance(entry, str) else entry for name, entry in components.items()
        },
        **more,
    }
    params = {
        "document": document,
        "type": kind,
        "recipe_directory_path": str(device.recipes),
        "artifacts_directory_path": str(device.artifacts),
    }
    return device.outcome(device.runtime.call("gg_deployment", "create_deployment", params)["deployment_id"])


def done(outcome: dict[str, Any]) -> dict[str, Any]:
    assert outcome["status"] == "SUCCEEDED", outcome
    return outcome


def roots(device: Device) -> dict[str, dict[str, str]]:
    """The roots of every group that has any."""
    groups = device.config("DeploymentService", "GroupToRootComponents") or {}
    return {
        group: {name: root["version"] for name, root in components.items()}
        for group, components in groups.items()
        if components
    }


def store(device: Device) -> list[str]:
    """The component versions that the store holds anything of."""
    packages = device.runtime.root.packages
    recipes = {path.stem for path in (packages / "recipes").glob("*")}
    folders = {f"{path.parent.name}-{path.name}" for path in (packages / "artifacts").glob("*/*")}
    return sorted(recipes | folders)


# -- groups ------------------------------------------------------------------------------------------------------------


def test_a_document_replaces_the_roots_of_its_group_and_no_others(device: Device) -> None:
    for name in ("A", "B", "Shared", "Mine", "Local"):
        device.recipe(name, SLEEP)
    device.succeed({"Local": "1.0.0"})
    done(job(device, THING, {"Mine": "1.0.0"}))
    done(job(device, HEATERS, {"A": "1.0.0", "Shared": "1.0.0"}))
    done(job(device, COOLERS, {"B": "1.0.0", "Shared": "1.0.0"}))
    mine = {LOCAL: {"Local": "1.0.0"}, THING: {"Mine": "1.0.0"}}
    shared = {"Shared": "1.0.0"}
    assert roots(device) == {**mine, HEATERS: {"A": "1.0.0", **shared}, COOLERS: {"B": "1.0.0", **shared}}
    root = device.config("DeploymentService", "GroupToRootComponents", HEATERS, "A")
    assert root == {"version": "1.0.0", "groupConfigArn": arn(HEATERS), "groupConfigName": HEATERS}
    pids = {name: device.pid(name) for name in ("Mine", "Local", "Shared", "B")}

    assert done(job(device, HEATERS, {"Shared": "1.0.0"}))["removed"] == ["A"]
    # Nothing at all removes all that the group had, and what another group has too stays.
    assert done(job(device, HEATERS, {}))["removed"] == []
    assert roots(device) == {**mine, COOLERS: {"B": "1.0.0", **shared}}
    assert {name: device.pid(name) for name in pids} == pids
    assert sorted(done(job(device, COOLERS, {}))["removed"]) == ["B", "Shared"]
    assert roots(device) == mine
    assert {name: device.pid(name) for name in device.health()} == {name: pids[name] for name in ("Mine", "Local")}
    # A local deployment changes its own group only.
    assert device.succeed(remove=("Local", "Mine"))["removed"] == ["Local"]
    assert roots(device) == {THING: {"Mine": "1.0.0"}}


def test_groups_must_agree_on_the_version_of_a_root(device: Device) -> None:
    device.recipe("Shared", SLEEP)
    device.succeed({"Shared": "1.0.0"})
    pid, before = device.pid("Shared"), roots(device)
    device.recipe("Shared", SLEEP, version="2.0.0")
    outcome = job(device, HEATERS, {"Shared": "2.0.0"})
    assert (outcome["detailed_status"], outcome["error_stack"]) == ("FAILED_NO_STATE_CHANGE", NOTHING_FITS)
    assert outcome["error_types"] == ["REQUEST_ERROR"]
    assert "the group LOCAL_DEPLOYMENT requires 1.0.0" in outcome["cause"]
    assert (device.pid("Shared"), roots(device)) == (pid, before)
    # Without the local root the way is free.
    device.succeed(remove=("Shared",))
    assert done(job(device, HEATERS, {"Shared": "2.0.0"}))["components"] == {"Shared": "2.0.0"}


def test_of_two_groups_the_last_one_configures_each_key(device: Device) -> None:
    device.recipe("Shared", SLEEP, defaults="{mode: default}")

    def configure(group: str, merge: dict[str, Any]) -> None:
        done(job(device, group, {"Shared": {"version": "1.0.0", "configurationUpdate": {"merge": merge}}}))

    configure(HEATERS, {"mode": "heat", "level": 1})
    configure(COOLERS, {"mode": "cool", "speed": 2})
    assert device.config("Shared", "configuration") == {"mode": "cool", "level": 1, "speed": 2}


def test_a_deployment_to_a_part_of_a_group_counts_for_the_group(device: Device) -> None:
    for name in ("A", "B"):
        device.recipe(name, SLEEP)
    done(job(device, HEATERS, {"A": "1.0.0"}))
    parent = f"arn:aws:iot:eu-west-1:111122223333:{HEATERS}"
    part = {"onBehalfOf": parent, "parentTargetArn": parent, "requiredCapabilities": ["SUB_DEPLOYMENTS"]}
    assert done(job(device, "thinggroup/subset", {"B": "1.0.0"}, **part))["removed"] == ["A"]
    assert roots(device) == {HEATERS: {"B": "1.0.0"}}


def test_a_job_that_is_older_than_what_its_group_has_is_rejected(device: Device) -> None:
    device.recipe("A", SLEEP)
    created = now() - LATER
    done(job(device, HEATERS, {"A": "1.0.0"}, created))
    pid = device.pid("A")
    last = {"timestamp": created, "configArn": arn(HEATERS)}
    assert device.config("DeploymentService", "GroupToLastDeployment", HEATERS) == last

    # Whether or not the configuration counts from when it is applied.
    for source in ("deploymentCreationTime", "deploymentProcessingTime"):
        device.set_config(source, *NUCLEUS[1:], "deploymentConfigurationTimeSource")
        outcome = job(device, HEATERS, {}, created - 1, requiredCapabilities=["FLYING"])
        assert (outcome["status"], outcome["detailed_status"]) == ("REJECTED", "REJECTED"), source
        assert outcome["error_stack"] == ["DEPLOYMENT_REJECTED", "REJECTED_STALE_DEPLOYMENT"], source
        assert outcome["error_types"] == [], source
    assert (device.pid("A"), roots(device)) == (pid, {HEATERS: {"A": "1.0.0"}})
    assert device.config("DeploymentService", "GroupToLastDeployment", HEATERS) == last

    done(job(device, COOLERS, {}, created - 1))  # another group
    done(job(device, HEATERS, {"A": "1.0.0"}, created))  # the same once more
    done(job(device, HEATERS, {"A": "1.0.0"}, created + 1))
    done(job(device, HEATERS, {}, created - 1, kind="DOCUMENT"))  # somebody on this device wants it
    assert device.health() == {}


def test_roots_are_recorded_unless_the_way_back_was_taken(device: Device) -> None:
    device.recipe("Good", SLEEP)
    done(job(device, HEATERS, {"Good": "1.0.0"}, 1000))
    device.recipe("Bad", "{startup: 'exit 1'}")
    both = {"Good": "1.0.0", "Bad": "1.0.0"}
    last = device.config("DeploymentService", "GroupToLastDeployment")
    outcome = job(device, HEATERS, both, 2000)
    assert (outcome["status"], outcome["detailed_status"]) == ("FAILED", "FAILED_ROLLBACK_COMPLETE")
    assert outcome["error_stack"] == ["DEPLOYMENT_FAILURE", "COMPONENT_UPDATE_ERROR", "COMPONENT_BROKEN"]
    assert outcome["error_types"] == ["COMPONENT_ERROR"]
    assert roots(device) == {HEATERS: {"Good": "1.0.0"}}
    assert device.config("DeploymentService", "GroupToLastDeployment") == last
    outcome = job(device, HEATERS, both, 2000, failureHandlingPolicy="DO_NOTHING")
    assert (outcome["status"], outcome["detailed_status"]) == ("FAILED", "FAILED_ROLLBACK_NOT_REQUESTED")
    assert roots(device) == {HEATERS: both}
    assert device.config("DeploymentService", "GroupToLastDeployment", HEATERS, "timestamp") == 2000
    # What nobody wants any more goes, also where something else does not come up.
    outcome = job(device, HEATERS, {"Bad": "1.0.0"}, 3000, failureHandlingPolicy="DO_NOTHING")
    assert (outcome["detailed_status"], outcome["removed"]) == ("FAILED_ROLLBACK_NOT_REQUESTED", ["Good"])
    assert list(device.health()) == ["Bad"]


# -- versions ----------------------------------------------------------------------------------------------------------


def test_a_dependency_is_not_moved_by_a_deployment_that_has_nothing_to_do_with_it(device: Device) -> None:
    device.recipe("App", SLEEP, depends={"Lib": "^1.0.0"})
    device.recipe("Lib", SLEEP)
    device.succeed({"App": "1.0.0"})
    pid = device.pid("Lib")
    device.recipe("Lib", SLEEP, version="1.9.0")
    device.recipe("Other", SLEEP)
    assert device.succeed({"Other": "1.0.0"})["components"]["Lib"] == "1.0.0"
    assert device.pid("Lib") == pid
    device.recipe("App", SLEEP, version="2.0.0", depends={"Lib": ">=1.5.0"})
    assert device.succeed({"App": "2.0.0"})["components"] == {"Lib": "1.9.0", "App": "2.0.0", "Other": "1.0.0"}


def test_a_soft_dependency_comes_along_and_counts_like_any_component(device: Device) -> None:
    device.recipe("App", SLEEP, depends={"Lib": '*", DependencyType: "SOFT'})
    outcome = device.deploy({"App": "1.0.0"})
    assert outcome["error_stack"] == NOTHING_FITS
    device.recipe("Lib", "{startup: 'exit 1'}")
    outcome = device.deploy({"App": "1.0.0"})
    assert (outcome["status"], outcome["broken"]) == ("FAILED", ["Lib"])
    assert outcome["error_types"] == ["USER_COMPONENT_ERROR"]
    wait_until(lambda: device.state("App") == "RUNNING")
    assert device.config("App", "dependencies") == ["Lib:SOFT"]


def test_a_deployment_configures_the_nucleus_that_is_here_whatever_version_it_names(device: Device) -> None:
    device.recipe("App", SLEEP)
    for name in ("aws.greengrass.Nucleus", "aws.greengrass.NucleusLite", "aws.greengrass.Cli"):
        root = {"version": "1.0.0", "configurationUpdate": {"merge": {"setBy": name}}}
        assert done(job(device, HEATERS, {"App": "1.0.0", name: root}))["components"] == {"App": "1.0.0"}
        holder = "aws.greengrass.Cli" if name.endswith("Cli") else "aws.greengrass.NucleusLite"
        assert device.config(holder, "configuration", "setBy") == name


def test_a_component_that_needs_another_nucleus_is_refused(device: Device) -> None:
    device.recipe("App", SLEEP, depends={"aws.greengrass.Nucleus": "^1.0.0"})
    outcome = job(device, HEATERS, {"App": "1.0.0", "aws.greengrass.Nucleus": "1.0.0"})
    assert (outcome["detailed_status"], outcome["error_stack"]) == ("FAILED_NO_STATE_CHANGE", NOTHING_FITS)
    assert "it is part of the runtime" in outcome["cause"]


# -- configuration -----------------------------------------------------------------------------------------------------


def configured(device: Device, **update: Any) -> Any:
    """The configuration of component A after a local deployment with this update of it."""
    device.succeed(component_to_configuration={"A": {key.upper(): value for key, value in update.items()}})
    return device.config("A", "configuration")


def test_reset_then_defaults_then_merge(device: Device) -> None:
    device.recipe("A", SLEEP, defaults="{a: 1, b: {x: 1, y: 2}}")
    device.succeed({"A": "1.0.0"}, component_to_configuration={"A": {"MERGE": {"a": 5, "b": {"x": 7, "z": 9}}}})
    assert device.config("A", "configuration") == {"a": 5, "b": {"x": 7, "y": 2, "z": 9}}
    assert configured(device, reset=["/b"], merge={"b": {"y": 3}}) == {"a": 5, "b": {"x": 1, "y": 3}}
    # Each at a time; what is not there is no mistake, and neither is one element of a list.
    assert configured(device, merge={"n": None, "list": [1, 2], "e": {}, "m~/": 1})["n"] is None
    assert configured(device, reset=["/nothing/there", "/list/0", "/m~0~1"])["list"] == [1, 2]
    now_there = {"a": 5, "b": {"x": 1, "y": 3}, "n": None, "list": [1, 2], "e": {}}
    assert device.config("A", "configuration") == now_there
    # Lists and values are replaced, also by a map, and a map by a value.
    changed = {"list": [3], "a": {"deep": True}, "b": "flat", "n": 1}
    assert configured(device, merge=changed) == {**now_there, **changed}
    assert configured(device, reset=["/a", "/b", "/e"]) == {"a": 1, "b": {"x": 1, "y": 2}, "list": [3], "n": 1}
    assert configured(device, reset=["", "/never/looked/at"], merge={"b": {"y": 0}}) == {"a": 1, "b": {"x": 1, "y": 0}}
    # The defaults of the new version count, and what was set is kept.
    device.recipe("A", SLEEP, version="2.0.0", defaults="{a: 10, b: {x: 10, y: 20}, c: 30}")
    device.succeed({"A": "2.0.0"}, component_to_configuration={"A": {"RESET": ["/a"]}})
    assert device.config("A", "configuration") == {"a": 10, "b": {"x": 10, "y": 0}, "c": 30}
    assert configured(device, reset=["/b/y"])["b"] == {"x": 10, "y": 20}


def test_what_a_component_wrote_after_the_deployment_was_made_stays(device: Device) -> None:
    device.recipe("A", SLEEP, defaults="{level: 0}")
    created = now()
    device.succeed({"A": "1.0.0"})
    device.set_config("mine", "A", "configuration", "level", timestamp=created + 500)
    device.set_config("mine", "A", "configuration", "old", timestamp=created - 500)

    def merge(created: int, *, source: str = "") -> Any:
        entry = {"version": "1.0.0", "configurationUpdate": {"merge": {"level": "theirs", "old": "theirs"}}}
        components: dict[str, Any] = {"A": entry}
        if source:
            setting = {"merge": {"deploymentConfigurationTimeSource": source}}
            components["aws.greengrass.NucleusLite"] = {"version": "2.0.0", "configurationUpdate": setting}
        done(job(device, HEATERS, components, created))
        return device.config("A", "configuration")

    assert merge(created) == {"level": "mine", "old": "theirs"}
    # The deployment that brings the setting is done by it, and so are those after it.
    device.set_config("mine", "A", "configuration", "level", timestamp=created + 1000)
    wait_until(now, lambda time: time > created + 1000)
    assert merge(created, source="deploymentProcessingTime") == {"level": "theirs", "old": "theirs"}
    device.set_config("mine", "A", "configuration", "level")
    assert merge(created) == {"level": "theirs", "old": "theirs"}
    assert device.config("DeploymentService", "GroupToLastDeployment", HEATERS, "timestamp") == created
    device.set_config("mine", "A", "configuration", "level")
    assert merge(created, source="deploymentCreationTime") == {"level": "mine", "old": "theirs"}


def test_whatever_is_deployed_may_be_configured_and_nothing_else(device: Device) -> None:
    device.recipe("App", SLEEP, depends={"Lib": "*"})
    device.recipe("Lib", SLEEP)
    nucleus = "aws.greengrass.Nucleus"
    update = {"Lib": {"merge": {"k": 1}}, nucleus: {"MERGE": '{"logging": {"level": "DEBUG"}}'}}
    device.succeed({"App": "1.0.0"}, component_to_configuration=update)
    assert device.config("Lib", "configuration") == {"k": 1}
    assert device.config(*NUCLEUS[1:], "logging") == {"level": "DEBUG"}
    outcome = device.deploy(component_to_configuration={"Typo": {"MERGE": {}}})
    assert outcome["detailed_status"] == "FAILED_NO_STATE_CHANGE"
    assert outcome["error_stack"] == ["DEPLOYMENT_FAILURE", "COMPONENT_METADATA_NOT_VALID_IN_DEPLOYMENT"]
    assert outcome["error_types"] == ["NUCLEUS_ERROR"]


def test_what_belongs_to_the_component_survives_its_update_and_goes_with_it(device: Device) -> None:
    device.recipe("A", SLEEP, defaults="{a: 1}")
    device.succeed({"A": "1.0.0"}, component_to_configuration={"A": {"MERGE": {"a": 2, "b": 3}}})
    assert device.config("A", "previousVersion") is None
    for key in ("runtime", "_private"):
        device.set_config({"kept": True}, "A", key)
    device.recipe("A", SLEEP, version="2.0.0", defaults="{a: 1, c: 4}", depends={"Lib": "*"})
    device.recipe("Lib", SLEEP)
    device.succeed({"A": "2.0.0"})
    recorded = device.config("A")
    assert {key: recorded[key] for key in sorted(recorded)} == {
        "_private": {"kept": True},
        "componentType": "GENERIC",
        "configuration": {"a": 2, "b": 3, "c": 4},
        "dependencies": ["Lib:HARD"],
        "lifecycle": {"run": "exec sleep 1000"},
        "previousVersion": "1.0.0",
        "runtime": {"kept": True},
        "version": "2.0.0",
    }
    # Gone and there again: as if it had never been there.
    device.succeed(remove=("A",))
    assert (device.config("A"), device.config("Lib")) == (None, None)
    device.succeed({"A": "2.0.0"})
    recorded = device.config("A")
    assert recorded["configuration"] == {"a": 1, "c": 4}
    assert recorded.keys() & {"previousVersion", "runtime", "_private"} == set()


def test_what_goes_runs_and_is_recorded_until_the_rest_is_up(device: Device) -> None:
    device.recipe("Old", SLEEP)
    device.succeed({"Old": "1.0.0"})
    device.recipe("New", f"{{startup: '{HELD}'}}")
    identifier = device.submit({"New": "1.0.0"}, ("Old",))
    wait_until(lambda: device.health().get("New", {}).get("state") == "STARTING")
    assert device.reaches(identifier, "wait")["changed"] == ["New"]
    assert device.state("Old") == "RUNNING"
    assert device.config("Old", "version") == "1.0.0"
    assert roots(device) == {LOCAL: {"Old": "1.0.0"}}
    let_go(device)
    assert device.outcome(identifier)["removed"] == ["Old"]
    assert device.config("Old") is None
    assert (list(device.health()), roots(device)) == (["New"], {LOCAL: {"New": "1.0.0"}})


def test_a_clock_that_was_set_back_keeps_nothing_from_being_recorded(device: Device) -> None:
    device.recipe("A", SLEEP)
    device.recipe("Gone", SLEEP)
    done(job(device, HEATERS, {"A": "1.0.0", "Gone": "1.0.0"}, now() + LATER))
    # What an earlier deployment would have left, had the clock been a day ahead.
    root = device.config("DeploymentService", "GroupToRootComponents", HEATERS)
    device.set_config(root, "DeploymentService", "GroupToRootComponents", HEATERS, timestamp=now() + LATER)
    last = device.config("DeploymentService", "GroupToLastDeployment", HEATERS)
    device.set_config(last, "DeploymentService", "GroupToLastDeployment", HEATERS, timestamp=now() + LATER)
    for name in ("A", "Gone"):
        recorded = {key: value for key, value in device.config(name).items() if key != "configuration"}
        device.set_config(recorded, name, timestamp=now() + LATER)
    device.recipe("A", "{run: 'exec sleep 999'}", version="2.0.0")
    created = now() + LATER + 1
    assert done(job(device, HEATERS, {"A": "2.0.0"}, created))["removed"] == ["Gone"]
    assert device.config("Gone") is None
    assert roots(device) == {HEATERS: {"A": "2.0.0"}}
    assert device.config("DeploymentService", "GroupToLastDeployment", HEATERS, "timestamp") == created
    recorded = device.config("A")
    assert (recorded["version"], recorded["previousVersion"]) == ("2.0.0", "1.0.0")
    assert recorded["lifecycle"] == {"run": "exec sleep 999"}


# -- failures and the queue --------------------------------------------------------------------------------------------


def test_a_failure_before_anything_changed_leaves_everything_as_it_was(device: Device) -> None:
    device.recipe("A", SLEEP, artifacts=("file",))
    device.artifact("A", "file", "content")
    device.succeed({"A": "1.0.0"})

    def seen() -> Any:
        services = device.runtime.call("gg_config", "read_with_timestamps", {"key_path": ["services"]})
        return device.pid("A"), services, store(device), device.generations()

    wait_until(device.staged, lambda staged: not staged)  # the store is cleared up by then
    before = seen()
    device.recipe("Needs", SLEEP, artifacts=("missing",))
    device.recipe("Plain", SLEEP)
    asked = {"A": {"version": "1.0.0", "configurationUpdate": {"merge": {"k": 1}}}}
    for components, more, codes, types in (
        (
            asked,
            {"requiredCapabilities": ["LINUX_RESOURCE_LIMITS", "TIME_TRAVEL"]},
            ["NUCLEUS_MISSING_REQUIRED_CAPABILITIES"],
            ["REQUEST_ERROR"],
        ),
        (
            {**asked, "Needs": "1.0.0"},
            {},
            ["ARTIFACT_DOWNLOAD_ERROR", "RECIPE_MISSING_ARTIFACT_HASH_ALGORITHM"],
            ["COMPONENT_RECIPE_ERROR"],
        ),
        (
            {**asked, "Plain": {"version": "1.0.0", "runWith": {"posixUser": "nobody-has-this-name"}}},
            {},
            ["RUN_WITH_CONFIG_NOT_VALID"],
            ["REQUEST_ERROR"],
        ),
        ({**asked, "Nowhere": "1.0.0"}, {}, NOTHING_FITS[1:], ["REQUEST_ERROR"]),
    ):
        outcome = job(device, HEATERS, components, **more)
        assert (outcome["status"], outcome["detailed_status"]) == ("FAILED", "FAILED_NO_STATE_CHANGE"), outcome
        assert (outcome["error_stack"], outcome["error_types"]) == (["DEPLOYMENT_FAILURE", *codes], types)
        wait_until(device.staged, lambda staged: not staged)
        assert seen() == before, codes


def test_a_deployment_that_changes_nothing_touches_nothing(device: Device) -> None:
    device.recipe("A", SLEEP, defaults="{a: 1}", depends={"Lib": "*"}, artifacts=("file",))
    device.artifact("A", "file", "content")
    device.recipe("Lib", SLEEP)
    entry = {"version": "1.0.0", "configurationUpdate": {"merge": {"b": 2}}}
    done(job(device, HEATERS, {"A": entry}))
    wait_until(device.staged, lambda staged: not staged)  # the store is cleared up by then
    before = device.health(), device.config("A"), store(device), device.generation()
    outcome = done(job(device, HEATERS, {"A": entry}))
    assert (outcome["changed"], outcome["removed"]) == ([], [])
    wait_until(device.staged, lambda staged: not staged)
    assert (device.health(), device.config("A"), store(device), device.generation()) == before


def test_one_deployment_has_one_id(device: Device) -> None:
    device.recipe("Slow", f"{{startup: '{HELD}'}}")
    first = device.submit_document({"Slow": "1.0.0"}, "same")
    with pytest.raises(BusError) as caught:
        device.submit_document({}, "same")
    assert caught.value.code == ErrorCode.BUSY
    let_go(device)
    assert done(device.outcome(first))["components"] == {"Slow": "1.0.0"}
    # When it is over, the same may come again: that is how a job is done that was interrupted.
    assert done(device.outcome(device.submit_document({"Slow": "1.0.0"}, "same")))["changed"] == []
    assert [each["deployment_id"] for each in device.runtime.call("gg_deployment", "list")] == ["same"]


def test_a_document_that_is_none_is_refused_with_the_place(device: Device) -> None:
    for document, place in (
        ({"deploymentId": "d", "configurationArn": arn(HEATERS)}, "creationTimestamp"),
        ({"deploymentId": "d", "creationTimestamp": 1}, "configurationArn"),
        ({"deploymentId": "d", "creationTimestamp": 1, "configurationArn": arn(HEATERS), "components": {"A": {}}}, "A"),
    ):
        with pytest.raises(BusError, match=place) as caught:
            device.runtime.call("gg_deployment", "create_deployment", {"document": document})
        assert caught.value.code == ErrorCode.INVALID
    assert device.runtime.call("gg_deployment", "list") == []


# -- the store ---------------------------------------------------------------------------------------------------------


def test_the_store_keeps_what_a_generation_needs_and_nothing_else(device: Device) -> None:
    device.set_config(2, *NUCLEUS[1:], "generationsToKeep")
    for version in ("1.0.0", "2.0.0", "3.0.0"):
        device.recipe("A", SLEEP, version=version, artifacts=("file",))
        device.artifact("A", "file", version, version)
        device.succeed({"A": version})
    wait_until(lambda: store(device), lambda held: held == ["A-2.0.0", "A-3.0.0"])
    # What failed leaves nothing behind when the way back was taken.
    device.recipe("A", "{startup: 'exit 1'}", version="4.0.0", artifacts=("file",))
    device.artifact("A", "file", "x", "4.0.0")
    outcome = device.deploy({"A": "4.0.0"}, failure_handling_policy="ROLLBACK")
    assert outcome["detailed_status"] == "FAILED_ROLLBACK_COMPLETE"
    wait_until(lambda: store(device), lambda held: held == ["A-2.0.0", "A-3.0.0"])
    # A component that nobody wants any more goes with the last generation that had it.
    (device.recipes / "A.yaml").unlink()
    device.recipe("B", SLEEP)
    device.succeed({"B": "1.0.0"}, ("A",))
    wait_until(lambda: store(device), lambda held: held == ["A-3.0.0", "B-1.0.0"])
    device.recipe("B", SLEEP, version="2.0.0")
    device.succeed({"B": "2.0.0"})
    wait_until(lambda: store(device), lambda held: held == ["B-1.0.0", "B-2.0.0"])
    wait_until(lambda: list((device.runtime.root.packages / "kept").glob("*")), lambda kept: not kept)


def test_the_store_has_a_limit(device: Device) -> None:
    device.set_config(10_000, *NUCLEUS[1:], "componentStoreMaxSizeBytes")
    device.recipe("A", SLEEP, artifacts=("file",))
    device.artifact("A", "file", "x" * 20_000)
    with pytest.raises(BusError, match="componentStoreMaxSizeBytes") as caught:
        device.submit({"A": "1.0.0"})
    assert caught.value.code == ErrorCode.NOMEM
    assert device.staged() == []
    device.artifact("A", "file", "x" * 5_000)
    device.succeed({"A": "1.0.0"})


def test_a_configuration_that_cannot_be_stored_fails_before_anything_stops(device: Device) -> None:
    device.recipe("A", SLEEP)
    device.succeed({"A": "1.0.0"})
    pid = device.pid("A")
    configuration = {"A": {"MERGE": {"big": "x" * (1024 * 1024 + 1)}}}
    outcome = device.deploy({"A": "1.0.0"}, component_to_configuration=configuration)
    assert outcome["detailed_status"] == "FAILED_NO_STATE_CHANGE", outcome
    assert "the configuration cannot be written: the value of" in outcome["cause"]
    assert device.pid("A") == pid
