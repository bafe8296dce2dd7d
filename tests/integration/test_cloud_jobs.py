"""Deployments that come from AWS IoT, by a job or by the shadow of the device, and what the cloud learns of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.aws import Cloud
from tests.cloud.documents import document
from tests.integration.conftest import wait_until
from tests.integration.device import NUCLEUS, PATIENCE, Device
from tests.integration.test_cli import Ggl

pytestmark = pytest.mark.process_host

SKIP = {"action": "SKIP_NOTIFY_COMPONENTS", "timeout": 60}
UP = {"run": "exec sleep 1000"}
RESOLVE = "/greengrass/v2/resolveComponentCandidates"
BREAKS = {"startup": "exit 3"}
"""No run script: how fast it fails decides nothing."""


@pytest.fixture
def device(aws: Cloud, cloud_device: Device) -> Device:
    """A device that is connected, with a cloud that knows some components."""
    aws.components.put("App", "1.0.0", lifecycle=UP)
    aws.components.put("App", "2.0.0", lifecycle=BREAKS)
    aws.components.put("Other", "1.0.0", lifecycle=UP)
    wait_until(lambda: status(cloud_device)["connected"], seconds=PATIENCE)
    return cloud_device


def status(device: Device) -> dict[str, Any]:
    found: dict[str, Any] = device.runtime.call("aws_iot_mqtt", "status")
    return found


def statuses(aws: Cloud, job: str) -> list[str]:
    return [status for status, _details in aws.jobs.history(job)]


def said_of_shadow(aws: Cloud) -> list[tuple[str, str]]:
    """What the device has reported, one after the other: configuration ARN and status."""
    reported = [update["state"]["reported"] for update in aws.shadow.updates()]
    return [(each["fleetConfigurationArnForStatus"], each["status"]) for each in reported]


def listed(device: Device) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = device.runtime.call("gg_jobs", "list")
    return found


def of_job(device: Device, job: str) -> dict[str, Any]:
    return wait_until(lambda: next((each for each in listed(device) if each["job_id"] == job), {}), seconds=PATIENCE)


def running(device: Device) -> dict[str, Any]:
    """The deployment under way, if there is one."""
    found = device.runtime.call("gg_deployment", "list")
    return next((each for each in found if each["status"] == "IN_PROGRESS"), {})


def gated(aws: Cloud, name: str, gate: Path) -> None:
    """A component that is installed as soon as there is a file ``gate``; it counts how often that was begun."""
    install = f"printf x >> installs; while [ ! -e {gate} ]; do sleep 0.1; done"
    aws.components.put(name, "1.0.0", lifecycle={"install": install, **UP})


def kill(device: Device, name: str) -> None:
    """Kill a core daemon that is there."""
    device.runtime.kill(wait_until(lambda: device.runtime.pid_of(name), seconds=PATIENCE))


def gone(device: Device) -> None:
    """jobsd has nothing to do any more."""
    wait_until(lambda: device.runtime.pid_of("jobsd"), lambda pid: pid == 0, PATIENCE)


def test_a_job_is_deployed(aws: Cloud, device: Device) -> None:
    job = aws.jobs.deploy({"App": "1.0.0"}, componentUpdatePolicy=SKIP)
    execution = aws.jobs.wait(job, seconds=PATIENCE)
    assert execution["status"] == "SUCCEEDED", execution
    assert execution["statusDetails"] == {"detailed-deployment-status": "SUCCESSFUL"}
    assert statuses(aws, job) == ["IN_PROGRESS", "SUCCEEDED"]


def test_when_all_is_done_it_leaves_and_knows_what_there_was(aws: Cloud, device: Device) -> None:
    job = aws.jobs.deploy({"App": "1.0.0"}, group="heaters", deploymentName="weekly", componentUpdatePolicy=SKIP)
    aws.jobs.wait(job, seconds=PATIENCE)
    gone(device)
    (known,) = listed(device)
    assert known["job_id"] == job
    assert (known["name"], known["target"]) == ("weekly", "thinggroup/heaters")
    assert (known["stage"], known["status"], known["reported"]) == ("OVER", "SUCCEEDED", "SUCCEEDED")
    assert list((device.runtime.root.state / "jobs").iterdir()) == []


def test_the_command_line_shows_it(aws: Cloud, device: Device) -> None:
    job = aws.jobs.deploy({"App": "1.0.0"}, componentUpdatePolicy=SKIP)
    aws.jobs.wait(job, "SUCCEEDED", seconds=PATIENCE)
    wait_until(lambda: of_job(device, job)["reported"], lambda reported: reported == "SUCCEEDED", PATIENCE)
    ggl = Ggl(device.runtime.root.state)
    (shown,) = ggl("deploy", "list", "--json").json
    assert (shown["type"], shown["cloud"]["job_id"], shown["cloud"]["reported"]) == ("IOT_JOBS", job, "SUCCEEDED")
    assert "thinggroup/heaters" in ggl("deploy", "show", job[:8]).out


def test_a_failure_is_reported_with_its_reasons_after_the_way_back(aws: Cloud, device: Device) -> None:
    aws.jobs.wait(aws.jobs.deploy({"App": "1.0.0"}, componentUpdatePolicy=SKIP), "SUCCEEDED", seconds=PATIENCE)
    job = aws.jobs.deploy({"App": "2.0.0"}, componentUpdatePolicy=SKIP)
    execution = aws.jobs.wait(job, seconds=PATIENCE)
    assert execution["status"] == "FAILED"
    details = execution["statusDetails"]
    assert details["detailed-deployment-status"] == "FAILED_ROLLBACK_COMPLETE"
    assert "App" in details["deployment-failure-cause"]
    stack = json.loads(details["deployment-error-stack"])
    assert stack[0] == "DEPLOYMENT_FAILURE"
    assert "COMPONENT_BROKEN" in stack
    assert json.loads(details["deployment-error-types"])
    assert device.state("App") == "RUNNING"


def test_jobs_are_done_one_after_another(aws: Cloud, device: Device) -> None:
    jobs = [aws.jobs.deploy({"App": "1.0.0"}, group=group, componentUpdatePolicy=SKIP) for group in ("a", "b", "c")]
    for job in jobs:
        aws.jobs.wait(job, "SUCCEEDED", seconds=PATIENCE)
    said = [(job, content["status"]) for kind, job, content in aws.jobs.requests if kind == "update"]
    assert said == [(job, status) for job in jobs for status in ("IN_PROGRESS", "SUCCEEDED")]


def test_a_notification_that_comes_again_changes_nothing(aws: Cloud, device: Device) -> None:
    job = aws.jobs.deploy({"App": "1.0.0"}, componentUpdatePolicy=SKIP)
    for _ in range(5):
        aws.jobs.tell_again()
    aws.jobs.wait(job, "SUCCEEDED", seconds=PATIENCE)
    for _ in range(5):
        aws.jobs.tell_again()
    gone(device)
    assert statuses(aws, job) == ["IN_PROGRESS", "SUCCEEDED"]
    assert len(device.runtime.call("gg_deployment", "list")) == 1


# -- canceling ---------------------------------------------------------------------------------------------------------


def test_canceled_while_it_waits_behind_another(aws: Cloud, device: Device, tmp_path: Path) -> None:
    gated(aws, "Slow", tmp_path / "gate")
    first = aws.shadow.deploy({"Slow": "1.0.0"}, componentUpdatePolicy=SKIP)
    wait_until(lambda: running(device), lambda seen: seen.get("step") in ("start", "wait"), PATIENCE)
    job = aws.jobs.deploy({"App": "1.0.0"}, componentUpdatePolicy=SKIP)
    wait_until(
        lambda: [each for each in listed(device) if each["stage"] == "TAKEN" and each["job_id"] == job], bool, PATIENCE
    )
    aws.jobs.cancel(job)
    deployment = wait_until(lambda: of_job(device, job), lambda seen: seen["stage"] == "OVER", PATIENCE)
    assert device.get(deployment["deployment_id"])["status"] == "CANCELED"
    (tmp_path / "gate").touch()
    aws.shadow.wait(
        lambda seen: seen.get("fleetConfigurationArnForStatus") == first and seen["status"] == "SUCCEEDED",
        seconds=PATIENCE,
    )
    assert aws.jobs.updates(job) == []
    assert "App" not in device.health()


def test_canceled_while_it_prepares(aws: Cloud, device: Device) -> None:
    aws.faults.http(RESOLVE, times=None, status=503)
    job = aws.jobs.deploy({"App": "1.0.0"}, componentUpdatePolicy=SKIP)
    aws.jobs.wait(job, "IN_PROGRESS", seconds=PATIENCE)
    aws.jobs.cancel(job)
    known = wait_until(lambda: of_job(device, job), lambda seen: seen["stage"] == "OVER", PATIENCE)
    assert (known["status"], known["withdrawn"]) == ("CANCELED", True)
    assert statuses(aws, job) == ["IN_PROGRESS", "CANCELED"]
    aws.faults.clear()
    other = aws.jobs.deploy({"Other": "1.0.0"}, componentUpdatePolicy=SKIP)
    aws.jobs.wait(other, "SUCCEEDED", seconds=PATIENCE)


def test_canceled_on_the_device(aws: Cloud, device: Device) -> None:
    aws.faults.http(RESOLVE, times=None, status=503)
    job = aws.jobs.deploy({"App": "1.0.0"}, componentUpdatePolicy=SKIP)
    aws.jobs.wait(job, "IN_PROGRESS", seconds=PATIENCE)
    device.cancel(of_job(device, job)["deployment_id"])
    assert aws.jobs.wait(job, seconds=PATIENCE)["status"] == "REJECTED"


# -- what goes wrong on the way ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["preparing", "activating"])
@pytest.mark.parametrize("killed", ["jobsd", "iotcored", "deploymentd", "broker", "everything"])
def test_whatever_is_killed_the_job_is_done_once(
    aws: Cloud, device: Device, tmp_path: Path, stage: str, killed: str
) -> None:
    gated(aws, "Slow", tmp_path / "gate")
    if stage == "preparing":
        aws.faults.http(RESOLVE, times=None, status=503)
    job = aws.jobs.deploy({"Slow": "1.0.0"}, componentUpdatePolicy=SKIP)
    aws.jobs.wait(job, "IN_PROGRESS", seconds=PATIENCE)
    if stage == "activating":
        wait_until(lambda: running(device), lambda seen: seen.get("step") in ("start", "wait"), PATIENCE)
    if killed == "broker":
        aws.network.kill_broker()
        aws.network.start_broker()
    elif killed == "everything":
        aws.network.kill_broker()
        for name in ("jobsd", "iotcored", "deploymentd"):
            kill(device, name)
        aws.network.start_broker()
    else:
        kill(device, killed)
    aws.faults.clear()
    (tmp_path / "gate").touch()
    execution = aws.jobs.wait(job, seconds=PATIENCE)
    assert execution["status"] == "SUCCEEDED", execution
    assert set(statuses(aws, job)[:-1]) == {"IN_PROGRESS"}
    assert device.work("Slow", "installs") == "x"
    gone(device)


def test_what_is_done_offline_is_told_afterwards(aws: Cloud, device: Device, tmp_path: Path) -> None:
    gated(aws, "Slow", tmp_path / "gate")
    job = aws.jobs.deploy({"Slow": "1.0.0"}, componentUpdatePolicy=SKIP)
    aws.jobs.wait(job, "IN_PROGRESS", seconds=PATIENCE)
    wait_until(lambda: running(device), lambda seen: seen.get("step") in ("start", "wait"), PATIENCE)
    wait_until(lambda: of_job(device, job)["reported"], lambda reported: reported == "IN_PROGRESS", PATIENCE)
    aws.network.cut("mqtt")
    wait_until(lambda: status(device)["connected"], lambda connected: not connected, PATIENCE)
    (tmp_path / "gate").touch()
    wait_until(lambda: of_job(device, job), lambda seen: seen["pending"] == ["SUCCEEDED"], PATIENCE)
    kill(device, "jobsd")
    aws.network.restore()
    aws.jobs.wait(job, "SUCCEEDED", seconds=PATIENCE)
    gone(device)
    assert [content["status"] for content in aws.jobs.updates(job)] == ["IN_PROGRESS", "SUCCEEDED"]


def test_a_job_that_was_queued_while_the_device_was_away(aws: Cloud, device: Device) -> None:
    device.runtime.down()
    job = aws.jobs.deploy({"App": "1.0.0"}, componentUpdatePolicy=SKIP)
    device.runtime.up()
    aws.jobs.wait(job, "SUCCEEDED", seconds=PATIENCE)


@pytest.mark.parametrize("wrong", [{}, {"deploymentId": 7}, {"components": {"App": {"version": "1.0.0"}}}, {"a": [1]}])
def test_a_document_that_is_none_fails_and_the_next_job_comes(
    aws: Cloud, device: Device, wrong: dict[str, Any]
) -> None:
    job = aws.jobs.create(wrong)
    other = aws.jobs.deploy({"App": "1.0.0"}, componentUpdatePolicy=SKIP)
    details = aws.jobs.wait(job, "FAILED", seconds=PATIENCE)["statusDetails"]
    assert json.loads(details["deployment-error-stack"]) == ["DEPLOYMENT_FAILURE", "DEPLOYMENT_DOCUMENT_NOT_VALID"]
    assert details["detailed-deployment-status"] == "FAILED_NO_STATE_CHANGE"
    aws.jobs.wait(other, "SUCCEEDED", seconds=PATIENCE)
    assert len(aws.jobs.updates(job)) == 1


def test_a_document_that_wants_what_we_cannot_fails(aws: Cloud, device: Device) -> None:
    job = aws.jobs.deploy({"App": "1.0.0"}, requiredCapabilities=["MIND_READING"])
    details = aws.jobs.wait(job, "FAILED", seconds=PATIENCE)["statusDetails"]
    assert "NUCLEUS_MISSING_REQUIRED_CAPABILITIES" in details["deployment-error-stack"]


def test_an_old_revision_is_rejected(aws: Cloud, device: Device) -> None:
    old = document({"App": "1.0.0"}, "thinggroup/heaters", componentUpdatePolicy=SKIP)
    aws.jobs.wait(aws.jobs.deploy({"Other": "1.0.0"}, componentUpdatePolicy=SKIP), "SUCCEEDED", seconds=PATIENCE)
    details = aws.jobs.wait(aws.jobs.create(old), "REJECTED", seconds=PATIENCE)["statusDetails"]
    assert details["detailed-deployment-status"] == "REJECTED"
    assert json.loads(details["deployment-error-stack"]) == ["DEPLOYMENT_REJECTED", "REJECTED_STALE_DEPLOYMENT"]


def test_a_move_to_another_endpoint_is_reported_where_it_came_from(aws: Cloud, device: Device) -> None:
    entry = {"version": "2.0.0", "configurationUpdate": {"merge": {"iotDataEndpoint": "127.0.0.1"}}}
    job = aws.jobs.deploy({NUCLEUS[1]: entry}, componentUpdatePolicy=SKIP)
    aws.jobs.wait(job, "SUCCEEDED", seconds=PATIENCE)
    known = wait_until(lambda: of_job(device, job), lambda seen: seen["reported"] == "SUCCEEDED", PATIENCE)
    assert known["source_endpoint"].startswith("localhost:")
    assert status(device)["endpoint"] == "127.0.0.1"
    assert [content["status"] for content in aws.jobs.updates(job)] == ["IN_PROGRESS", "SUCCEEDED"]
    gone(device)


# -- the shadow --------------------------------------------------------------------------------------------------------


def test_a_deployment_for_this_device_alone(aws: Cloud, device: Device) -> None:
    arn = aws.shadow.deploy({"App": "1.0.0"}, componentUpdatePolicy=SKIP)
    reported = aws.shadow.wait(lambda seen: seen.get("status") == "SUCCEEDED", seconds=PATIENCE)
    assert reported["fleetConfigurationArnForStatus"] == arn
    assert reported["statusDetails"] == {"detailedStatus": "SUCCESSFUL"}
    assert reported["ggcVersion"]
    gone(device)
    device.runtime.down()
    device.runtime.up()
    wait_until(lambda: status(device)["connected"], seconds=PATIENCE)
    gone(device)
    assert len(device.runtime.call("gg_deployment", "list")) == 1


def test_a_failure_of_such_a_deployment(aws: Cloud, device: Device) -> None:
    aws.shadow.deploy({"App": "2.0.0"}, componentUpdatePolicy=SKIP)
    details = aws.shadow.wait(lambda seen: seen.get("status") == "FAILED", seconds=PATIENCE)["statusDetails"]
    assert details["detailedStatus"] == "FAILED_ROLLBACK_COMPLETE"
    assert details["errorStack"][0] == "DEPLOYMENT_FAILURE"
    assert "App" in details["failureCause"]


def test_a_newer_one_takes_the_place_of_one_that_prepares(aws: Cloud, device: Device) -> None:
    aws.faults.http(RESOLVE, times=None, status=503)
    first = aws.shadow.deploy({"App": "1.0.0"}, componentUpdatePolicy=SKIP)
    aws.shadow.wait(lambda seen: seen.get("status") == "IN_PROGRESS", seconds=PATIENCE)
    second = aws.shadow.deploy({"Other": "1.0.0"}, componentUpdatePolicy=SKIP)
    wait_until(lambda: (first, "CANCELED") in said_of_shadow(aws), seconds=PATIENCE)  # which the second soon replaces
    aws.faults.clear()
    aws.shadow.wait(
        lambda seen: (seen["fleetConfigurationArnForStatus"], seen["status"]) == (second, "SUCCEEDED"), seconds=PATIENCE
    )
    assert list(device.health()) == ["Other"]


def test_one_that_is_canceled_in_the_cloud(aws: Cloud, device: Device) -> None:
    aws.faults.http(RESOLVE, times=None, status=503)
    aws.shadow.deploy({"App": "1.0.0"}, componentUpdatePolicy=SKIP)
    aws.shadow.wait(lambda seen: seen.get("status") == "IN_PROGRESS", seconds=PATIENCE)
    aws.shadow.cancel()
    aws.shadow.wait(lambda seen: seen["status"] == "CANCELED", seconds=PATIENCE)


def test_a_shadow_that_changes_under_the_report(aws: Cloud, device: Device, tmp_path: Path) -> None:
    gated(aws, "Slow", tmp_path / "gate")
    arn = aws.shadow.deploy({"Slow": "1.0.0"}, componentUpdatePolicy=SKIP)
    aws.shadow.wait(lambda seen: seen.get("status") == "IN_PROGRESS", seconds=PATIENCE)
    gets = sum(kind == "get" for kind, _name, _content in aws.shadow.requests)
    aws.shadow.reject_next(409)
    (tmp_path / "gate").touch()
    reported = aws.shadow.wait(lambda seen: seen.get("status") == "SUCCEEDED", seconds=PATIENCE)
    assert reported["fleetConfigurationArnForStatus"] == arn
    assert sum(kind == "get" for kind, _name, _content in aws.shadow.requests) > gets
