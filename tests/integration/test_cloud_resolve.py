"""Deployments from the cloud, up to their artifacts: versions, thing groups, large documents, other endpoints.

The documents are handed over as they come with a job, without one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ggl.bus import BusError, ErrorCode
from ggl.recipe.platform import device_attributes
from tests.cloud.aws import Cloud
from tests.cloud.documents import document
from tests.integration.conftest import wait_until
from tests.integration.device import NUCLEUS, SLEEP, Device

pytestmark = pytest.mark.process_host

HEATERS, COOLERS = "thinggroup/heaters", "thinggroup/coolers"
RESOLVE = "/greengrass/v2/resolveComponentCandidates"
DEVICES = "/greengrass/v2/coreDevices"
THING_GROUPS = f"{DEVICES}/Thing1/thingGroups"
SECONDS = 240.0


def submit(device: Device, wanted: Mapping[str, Any], kind: str = "IOT_JOBS", **more: Any) -> str:
    params = {"document": dict(wanted), "type": kind, **more}
    identifier: str = device.runtime.call("gg_deployment", "create_deployment", params)["deployment_id"]
    return identifier


def job(device: Device, components: Mapping[str, Any], target: str = HEATERS, **more: Any) -> dict[str, Any]:
    """What becomes of a deployment of ``components`` to the group ``target``."""
    policy = {"action": "SKIP_NOTIFY_COMPONENTS", "timeout": 60}
    return device.outcome(submit(device, document(components, target, **{"componentUpdatePolicy": policy, **more})))


def done(outcome: dict[str, Any]) -> dict[str, Any]:
    assert outcome["status"] == "SUCCEEDED", outcome
    return outcome


def waiting(device: Device, identifier: str) -> dict[str, Any]:
    """The deployment, once it waits for the cloud."""
    return wait_until(lambda: device.get(identifier), lambda seen: "waiting for the cloud" in seen["message"], SECONDS)


# -- versions ----------------------------------------------------------------------------------------------------------


def test_the_cloud_is_asked_for_each_component_and_its_answer_is_deployed(aws: Cloud, cloud_device: Device) -> None:
    aws.components.put("App", "2.1.0", depends={"Lib": "^1.2.0", "aws.greengrass.Nucleus": ">=2.5.0 <3"})
    for version in ("1.2.0", "1.9.0", "2.0.0"):
        lib = aws.components.put("Lib", version, defaults={"of": version})
    done(job(cloud_device, {"App": "2.1.0", "aws.greengrass.Cli": "2.4.0"}))
    asked = [each["componentCandidates"] for each in aws.components.resolutions()]
    assert asked == [
        [{"componentName": "App", "versionRequirements": {HEATERS: "=2.1.0"}}],
        [{"componentName": "Lib", "versionRequirements": {"App": ">=1.2.0 <2.0.0"}}],
    ]
    assert aws.components.resolutions()[0]["platform"]["attributes"] == device_attributes()
    assert cloud_device.state("Lib") == "RUNNING"
    assert cloud_device.config("Lib", "version") == "1.9.0"
    assert cloud_device.config("Lib", "arn") == lib.arn.replace("2.0.0", "1.9.0")
    assert (cloud_device.runtime.root.recipes / "Lib-1.9.0.json").exists()


def test_what_runs_is_kept_if_the_cloud_agrees_and_nothing_restarts(aws: Cloud, cloud_device: Device) -> None:
    aws.components.put("App", depends={"Lib": "^1.0.0"})
    aws.components.put("Lib", "1.0.0")
    done(job(cloud_device, {"App": "1.0.0"}))
    pids = cloud_device.pid("App"), cloud_device.pid("Lib")
    aws.components.put("Lib", "1.1.0")
    done(job(cloud_device, {"App": "1.0.0"}))
    assert (cloud_device.pid("App"), cloud_device.pid("Lib")) == pids
    candidates = [each["componentCandidates"][0] for each in aws.components.resolutions()]
    assert [(each["componentName"], each["componentVersion"]) for each in candidates[2:]] == [
        ("App", "1.0.0"),
        ("Lib", "1.0.0"),
    ]
    aws.components.remove("Lib", "1.0.0")  # nobody can have it any more, not even who has it
    assert done(job(cloud_device, {"App": "1.0.0"}))["components"]["Lib"] == "1.1.0"


def test_a_recipe_of_the_cloud_replaces_another_of_the_same_version(aws: Cloud, cloud_device: Device) -> None:
    cloud_device.recipe("App", SLEEP, defaults="{from: here}")
    cloud_device.succeed({"App": "1.0.0"})
    cloud_device.succeed(remove=("App",))
    aws.components.put("App", defaults={"from": "cloud"})
    done(job(cloud_device, {"App": "1.0.0"}))
    assert cloud_device.config("App", "configuration", "from") == "cloud"
    assert [path.name for path in cloud_device.runtime.root.recipes.glob("App-*")] == ["App-1.0.0.json"]


def test_a_local_deployment_takes_what_is_here_and_asks_for_the_rest(aws: Cloud, cloud_device: Device) -> None:
    aws.components.put("Lib", "1.5.0")
    aws.components.put("App", "1.0.0")
    cloud_device.recipe("App", SLEEP, depends={"Lib": "*"})
    assert cloud_device.succeed({"App": "1.0.0"})["components"] == {"Lib": "1.5.0", "App": "1.0.0"}
    names = [each["componentCandidates"][0]["componentName"] for each in aws.components.resolutions()]
    assert names == ["Lib"]
    aws.network.cut()
    assert cloud_device.succeed({"App": "1.0.0"})["components"] == {"Lib": "1.5.0", "App": "1.0.0"}


def test_local_roots_stay_as_they_are_when_the_cloud_deploys(aws: Cloud, cloud_device: Device) -> None:
    cloud_device.recipe("Mine", SLEEP)
    cloud_device.succeed({"Mine": "1.0.0"})
    aws.components.put("App")
    aws.components.put("Mine", "1.0.0", lifecycle={"run": "exit 1"})
    assert set(done(job(cloud_device, {"App": "1.0.0"}))["components"]) == {"Mine", "App"}
    assert cloud_device.state("Mine") == "RUNNING"
    outcome = job(cloud_device, {"App": "1.0.0", "Mine": "2.0.0"})
    assert outcome["error_stack"] == [
        "DEPLOYMENT_FAILURE",
        "NO_AVAILABLE_COMPONENT_VERSION",
        "COMPONENT_VERSION_REQUIREMENTS_NOT_MET",
    ]
    assert "the group LOCAL_DEPLOYMENT requires 1.0.0" in outcome["cause"]


@pytest.mark.parametrize(
    ("fault", "codes", "types"),
    [
        (
            {"status": 403, "body": '{"message": "no permission"}'},
            ["CLOUD_API_ERROR", "ACCESS_DENIED", "RESOLVE_COMPONENT_CANDIDATES_ACCESS_DENIED"],
            ["PERMISSION_ERROR"],
        ),
        (
            {"status": 404, "body": '{"message": "no usable version"}'},
            ["NO_AVAILABLE_COMPONENT_VERSION", "COMPONENT_VERSION_REQUIREMENTS_NOT_MET"],
            ["REQUEST_ERROR"],
        ),
        ({"status": 400}, ["CLOUD_API_ERROR", "BAD_REQUEST"], ["NUCLEUS_ERROR"]),
        (
            {"body": '{"resolvedComponentVersions": []}'},
            ["RESOLVE_COMPONENT_CANDIDATES_BAD_RESPONSE"],
            ["CLOUD_SERVICE_ERROR"],
        ),
    ],
    ids=("forbidden", "unknown", "refused", "nonsense"),
)
def test_an_answer_without_a_version_fails_the_deployment_and_changes_nothing(
    aws: Cloud, cloud_device: Device, fault: dict[str, Any], codes: list[str], types: list[str]
) -> None:
    aws.components.put("App")
    aws.faults.http(RESOLVE, **fault)
    outcome = job(cloud_device, {"App": "1.0.0"})
    assert (outcome["status"], outcome["detailed_status"]) == ("FAILED", "FAILED_NO_STATE_CHANGE")
    assert outcome["error_stack"] == ["DEPLOYMENT_FAILURE", *codes]
    assert outcome["error_types"] == types
    assert "App" in outcome["cause"]
    assert cloud_device.health() == {}


def test_a_deployment_waits_for_the_cloud_and_goes_on_when_it_is_back(aws: Cloud, cloud_device: Device) -> None:
    aws.components.put("App")
    aws.faults.http(RESOLVE, status=503, times=2)
    aws.network.cut("data-plane")
    identifier = submit(cloud_device, document({"App": "1.0.0"}, HEATERS))
    waiting(cloud_device, identifier)
    cloud_device.runtime.kill(cloud_device.runtime.pid_of("deploymentd"))
    aws.network.restore("data-plane")
    assert cloud_device.outcome_after_all(identifier, SECONDS)["status"] == "SUCCEEDED"
    assert len(aws.components.resolutions()) == 3


def test_a_deployment_that_waits_for_the_cloud_can_be_canceled(aws: Cloud, cloud_device: Device) -> None:
    aws.network.cut("data-plane")
    identifier = submit(cloud_device, document({"App": "1.0.0"}, HEATERS))
    waiting(cloud_device, identifier)
    assert cloud_device.cancel(identifier)["canceled"]
    assert cloud_device.outcome(identifier)["status"] == "CANCELED"
    wait_until(cloud_device.staged, lambda left: left == [], SECONDS)


def test_a_deployment_that_waits_for_the_cloud_keeps_nobody_from_deploying_here(
    aws: Cloud, cloud_device: Device
) -> None:
    aws.components.put("App")
    aws.network.cut("data-plane")
    identifier = submit(cloud_device, document({"App": "1.0.0"}, HEATERS))
    waiting(cloud_device, identifier)
    cloud_device.recipe("Mine", SLEEP)
    cloud_device.succeed({"Mine": "1.0.0"})
    assert cloud_device.get(identifier)["status"] == "IN_PROGRESS"
    aws.network.restore("data-plane")
    assert set(done(cloud_device.outcome(identifier))["components"]) == {"App", "Mine"}


def test_a_local_deployment_is_given_up_when_the_cloud_stays_away(aws: Cloud, cloud_device: Device) -> None:
    aws.network.cut()
    outcome = cloud_device.deploy({"App": "1.0.0"})
    assert outcome["error_stack"] == ["DEPLOYMENT_FAILURE", "NO_AVAILABLE_COMPONENT_VERSION", "NETWORK_ERROR"]
    assert "the cloud cannot be asked" in outcome["cause"]


# -- groups ------------------------------------------------------------------------------------------------------------


def test_what_a_group_deployed_goes_when_the_device_has_left_it(aws: Cloud, cloud_device: Device) -> None:
    for name in ("Heat", "Cool", "Own", "Mine"):
        aws.components.put(name)
    aws.components.page_size = 1
    parents = [{"thingGroupName": "coolers", "thingGroupArn": "arn:aws:iot:us-east-1:123456789012:thinggroup/coolers"}]
    aws.components.thing_groups = ["heaters", {"thingGroupName": "below", "rootToParentThingGroups": parents}]
    done(job(cloud_device, {"Heat": "1.0.0"}))
    done(job(cloud_device, {"Cool": "1.0.0"}, COOLERS))
    done(job(cloud_device, {"Own": "1.0.0"}, "thing/Thing1"))
    cloud_device.recipe("Mine", SLEEP)
    cloud_device.succeed({"Mine": "1.0.0"}, group_name="bench")
    assert set(cloud_device.health()) == {"Heat", "Cool", "Own", "Mine"}
    aws.components.thing_groups.pop(0)
    aws.faults.http(THING_GROUPS, status=403)
    done(job(cloud_device, {"Own": "1.0.0"}, "thing/Thing1"))
    assert "Heat" in cloud_device.health()  # it may not ask, so it does not know
    wait_until(lambda: cloud_device.runtime.call("aws_iot_mqtt", "status"), lambda status: status["connected"], SECONDS)
    assert cloud_device.succeed()["removed"] == ["Heat"]
    assert set(cloud_device.health()) == {"Cool", "Own", "Mine"}
    assert set(cloud_device.config("DeploymentService", "GroupToRootComponents") or {}) >= {COOLERS, "thinggroup/bench"}
    assert HEATERS not in (cloud_device.config("DeploymentService", "GroupToRootComponents") or {})
    assert cloud_device.rollback()["status"] == "SUCCEEDED"
    assert "Heat" in cloud_device.health()


def test_groups_are_waited_for_by_deployments_from_the_cloud_only(aws: Cloud, cloud_device: Device) -> None:
    for name in ("Heat", "Cool"):
        aws.components.put(name)
    aws.components.thing_groups = ["heaters"]
    done(job(cloud_device, {"Heat": "1.0.0"}))
    done(job(cloud_device, {"Cool": "1.0.0"}, COOLERS))
    aws.components.thing_groups = []
    aws.faults.http(DEVICES, status=500, times=None)
    cloud_device.succeed()
    assert set(cloud_device.health()) == {"Heat", "Cool"}
    identifier = submit(cloud_device, document({"Cool": "1.0.0"}, COOLERS))
    assert "its thing groups" in waiting(cloud_device, identifier)["message"]
    aws.faults.clear()
    assert cloud_device.outcome(identifier)["status"] == "SUCCEEDED"
    assert set(cloud_device.health()) == {"Cool"}


# -- documents ---------------------------------------------------------------------------------------------------------


def test_a_large_document_is_completed_from_the_cloud(aws: Cloud, cloud_device: Device) -> None:
    aws.components.put("App")
    update = {"merge": {"text": "x" * 500_000}}
    whole = document({"App": {"version": "1.0.0", "configurationUpdate": update}}, HEATERS)
    short = aws.components.large(whole)
    aws.faults.http(f"{DEVICES}/Thing1/deployments", status=404)  # it does not know it yet
    aws.faults.http("/files/", truncate=1000)
    aws.faults.http("/files/", body=b"{}")
    outcome = cloud_device.outcome(submit(cloud_device, short))
    assert done(outcome)["roots"] == {"App": "1.0.0"}
    assert cloud_device.config("App", "configuration") == update["merge"]


def test_a_dry_run_knows_the_whole_of_a_large_document(aws: Cloud, cloud_device: Device) -> None:
    aws.components.put("App")
    update = {"merge": {"text": "new"}}
    short = aws.components.large(document({"App": {"version": "1.0.0", "configurationUpdate": update}}, HEATERS))
    shown = cloud_device.runtime.call("gg_deployment", "preview", {"document": short})
    assert "App" in str(shown)
    assert "new" in str(shown)
    assert cloud_device.runtime.call("gg_deployment", "list") == []


def test_a_document_that_cannot_be_completed_fails(aws: Cloud, cloud_device: Device) -> None:
    aws.components.put("App")
    for fault, codes in (
        ({"status": 403}, ["CLOUD_API_ERROR", "ACCESS_DENIED", "GET_DEPLOYMENT_CONFIGURATION_ACCESS_DENIED"]),
        ({"body": "{}"}, ["CLOUD_API_ERROR"]),
    ):
        short = aws.components.large(document({"App": "1.0.0"}, HEATERS))
        aws.faults.http(f"{DEVICES}/Thing1/deployments", **fault)
        outcome = cloud_device.outcome(submit(cloud_device, short))
        assert (outcome["detailed_status"], outcome["error_stack"][1:]) == ("FAILED_NO_STATE_CHANGE", codes)


def test_the_same_request_twice_is_one_deployment(aws: Cloud, cloud_device: Device) -> None:
    aws.components.put("App")
    wanted = document({"App": "1.0.0"}, HEATERS)
    first = submit(cloud_device, wanted, request_id="job-1#1")
    done(cloud_device.outcome(first))
    again = {"document": wanted, "type": "IOT_JOBS", "request_id": "job-1#1"}
    answer = cloud_device.runtime.call("gg_deployment", "create_deployment", again)
    assert answer == {"deployment_id": first, "known": True}
    done(cloud_device.outcome(submit(cloud_device, wanted, request_id="job-1#2")))
    assert cloud_device.get(first)["configuration_arn"] == wanted["configurationArn"]


def test_a_document_may_come_as_text(aws: Cloud, cloud_device: Device) -> None:
    import json

    aws.components.put("App")
    text = json.dumps(document({"App": "1.0.0"}, "thing/Thing1"))
    params = {"document": text, "type": "SHADOW"}
    identifier = cloud_device.runtime.call("gg_deployment", "create_deployment", params)["deployment_id"]
    done(cloud_device.outcome(identifier))
    with pytest.raises(BusError, match="not JSON") as caught:
        cloud_device.runtime.call("gg_deployment", "create_deployment", {"document": text[:-1], "type": "SHADOW"})
    assert caught.value.code == ErrorCode.INVALID


# -- other endpoints ---------------------------------------------------------------------------------------------------


def to_endpoint(device: Device, **nucleus: Any) -> dict[str, Any]:
    """What becomes of a deployment that sends the device to another endpoint."""
    entry = {"version": "2.0.0", "configurationUpdate": {"merge": nucleus}}
    return job(device, {"App": "1.0.0", NUCLEUS[1]: entry}, failureHandlingPolicy="DO_NOTHING")


@pytest.mark.parametrize(
    ("nucleus", "code", "kind"),
    [
        ({"iotDataEndpoint": "https://localhost"}, "IOT_DATA_ENDPOINT_FORMAT_NOT_VALID", "REQUEST_ERROR"),
        (
            {"iotDataEndpoint": "x.iot.eu-west-1.amazonaws.com"},
            "IOT_DATA_ENDPOINT_FORMAT_NOT_VALID",
            "REQUEST_ERROR",
        ),
        ({"iotCredEndpoint": ""}, "IOT_CRED_ENDPOINT_FORMAT_NOT_VALID", "REQUEST_ERROR"),
        ({"awsRegion": "Atlantis"}, "UNSUPPORTED_REGION", "REQUEST_ERROR"),
        ({"iotDataEndpoint": "localhost:1"}, "MQTT_CONNECTION_FAILED", "NETWORK_ERROR"),
        ({"iotRoleAlias": "Nobody"}, "CREDENTIAL_ENDPOINT_AUTH_FAILURE", "PERMISSION_ERROR"),
    ],
)
def test_endpoints_that_do_not_work_are_not_taken(
    aws: Cloud, cloud_device: Device, nucleus: dict[str, Any], code: str, kind: str
) -> None:
    aws.components.put("App")
    before = cloud_device.config(NUCLEUS[1], "configuration", next(iter(nucleus)))
    outcome = to_endpoint(cloud_device, **nucleus, mqtt={"standaloneMqttTimeoutMs": 5000})
    assert (outcome["detailed_status"], outcome["error_stack"][-1]) == ("FAILED_NO_STATE_CHANGE", code), outcome
    assert outcome["error_types"] == [kind]
    assert cloud_device.config(NUCLEUS[1], "configuration", next(iter(nucleus))) == before


def test_the_device_is_at_the_new_endpoint_when_the_deployment_is_over(aws: Cloud, cloud_device: Device) -> None:
    aws.components.put("App")
    port = aws.network.gates["mqtt"].port
    outcome = to_endpoint(cloud_device, iotDataEndpoint="127.0.0.1")
    assert done(outcome)["source_endpoint"] == f"localhost:{port}"
    status = cloud_device.runtime.call("aws_iot_mqtt", "status")
    assert status["connected"] is True
    assert "127.0.0.1" in status["endpoint"]


def test_the_device_goes_back_when_the_new_endpoint_fails_after_all(aws: Cloud, cloud_device: Device) -> None:
    aws.components.put("App", lifecycle={"startup": "exit 1"})
    outcome = to_endpoint(cloud_device, iotDataEndpoint="127.0.0.1")
    assert outcome["detailed_status"] == "FAILED_ROLLBACK_COMPLETE"  # whatever its policy says
    assert cloud_device.config(NUCLEUS[1], "configuration", "iotDataEndpoint") == "localhost"


@pytest.fixture
def pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is written here is the step at which deploymentd of the runtime waits: see ``tests/cloud/pauses``."""
    path = tmp_path / "pause"
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1] / "cloud" / "pauses"), prepend=os.pathsep)
    monkeypatch.setenv("GGL_TEST_PAUSE", str(path))
    return path


def test_the_device_goes_back_when_it_cannot_connect_in_spite_of_the_trial(
    aws: Cloud, pause: Path, cloud_device: Device
) -> None:
    aws.components.put("App")
    reached = pause.with_name("pause.reached")
    pause.write_text("stop")
    # So long is waited for nothing at the end; but the trial must not take longer.
    update = {"merge": {"iotDataEndpoint": "127.0.0.1", "mqtt": {"standaloneMqttTimeoutMs": 20_000}}}
    entry = {"version": "2.0.0", "configurationUpdate": update}
    job_id = aws.jobs.deploy({"App": "1.0.0", NUCLEUS[1]: entry}, failureHandlingPolicy="DO_NOTHING")
    wait_until(reached.exists, seconds=SECONDS)
    aws.network.cut("mqtt")  # the trial has succeeded
    reached.unlink()
    identifier = aws.jobs.execution(job_id)["jobDocument"]["deploymentId"]
    outcome = cloud_device.outcome(identifier)
    assert outcome["detailed_status"] == "FAILED_ROLLBACK_COMPLETE", outcome
    assert outcome["error_stack"] == ["DEPLOYMENT_FAILURE", "MQTT_CONNECTION_FAILED"]
    assert cloud_device.config(NUCLEUS[1], "configuration", "iotDataEndpoint") == "localhost"
    aws.network.restore()
    execution = aws.jobs.wait(job_id, seconds=SECONDS)
    assert execution["status"] == "FAILED"
    assert execution["statusDetails"]["detailed-deployment-status"] == "FAILED_ROLLBACK_COMPLETE"
    status = cloud_device.runtime.call("aws_iot_mqtt", "status")
    assert (status["connected"], "localhost" in status["endpoint"]) == (True, True)
