"""A device and its cloud: what an operator deploys arrives, works, is changed, taken back and removed, and is told."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from tests.cloud.aws import Cloud
from tests.integration.conftest import wait_until
from tests.integration.device import PATIENCE, Device

pytestmark = pytest.mark.process_host

READER, TALKER = "com.example.Reader", "com.example.Talker"
TOPIC = "site/Thing1/readings"
TES = "aws.greengrass.TokenExchangeService"

READ = """
import boto3, pathlib, time
s3 = boto3.client("s3")
while True:
    content = s3.get_object(Bucket="settings", Key="current")["Body"].read()
    pathlib.Path("settings.new").write_bytes(content)
    pathlib.Path("settings.new").rename("settings")
    time.sleep(0.2)
"""
TALK = """
import json, sys, time
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

ipc = GreengrassCoreIPCClientV2()
ipc.subscribe_to_iot_core(
    topic_name="site/Thing1/orders", qos="1",
    on_stream_event=lambda event: ipc.publish_to_iot_core(
        topic_name="site/Thing1/done", qos="1", payload=event.message.payload
    ),
)
number = 0
while True:
    number += 1
    payload = json.dumps({"version": sys.argv[1], "mode": sys.argv[2], "number": number})
    ipc.publish_to_iot_core(topic_name="site/Thing1/readings", qos="1", payload=payload.encode())
    time.sleep(0.2)
"""
ACCESS = {
    "aws.greengrass.ipc.mqttproxy": {
        "talk": {
            "policyDescription": "Its readings go up, orders come down.",
            "operations": ["aws.greengrass#PublishToIoTCore", "aws.greengrass#SubscribeToIoTCore"],
            "resources": ["site/Thing1/*"],
        }
    }
}


def publish_reader(aws: Cloud, version: str = "1.0.0") -> None:
    """Reads an object of S3 over and over, with the credentials that the runtime gives it."""
    run = {
        "Setenv": aws.environment(),
        "run": f"exec {sys.executable} -u {{artifacts:path}}/read.py",
    }
    aws.components.put(
        READER, version, lifecycle=run, depends={TES: "^2.0.0"}, artifacts={"read.py": READ.encode()}, store="s3"
    )


def publish_talker(aws: Cloud, version: str = "1.0.0", lifecycle: Any = None) -> None:
    """Publishes its version to IoT Core over and over, through the official SDK, and does what is ordered there."""
    run = {"run": f"exec {sys.executable} -u {{artifacts:path}}/talk.py {version} {{configuration:/mode}}"}
    aws.components.put(
        TALKER,
        version,
        lifecycle=lifecycle or run,
        depends={READER: ">=1.0.0 <2.0.0"},
        defaults={"mode": "plain", "accessControl": ACCESS},
        artifacts={"talk.py": TALK.encode()},
        store="s3",
    )


def heard(aws: Cloud, **wanted: str) -> dict[str, Any]:
    """The next reading, from now on, that says so."""
    seen = len(aws.mqtt.messages(TOPIC))

    def since() -> list[dict[str, Any]]:
        readings = [message.json() for message in aws.mqtt.messages(TOPIC)[seen:]]
        return [each for each in readings if wanted.items() <= each.items()]

    return wait_until(since, seconds=PATIENCE)[0]


def uninstalled(aws: Cloud) -> set[str]:
    """The components that the device has told to be gone."""
    told = [component for update in aws.fleet.updates() for component in update["components"]]
    return {component["componentName"] for component in told if component["status"] == "UNINSTALLED"}


def details(execution: dict[str, Any]) -> tuple[str, list[str], list[str]]:
    """Detailed status, error stack and error types of a job."""
    told = execution["statusDetails"]
    return (
        told["detailed-deployment-status"],
        json.loads(told.get("deployment-error-stack", "[]")),
        json.loads(told.get("deployment-error-types", "[]")),
    )


def test_the_life_of_two_components(aws: Cloud, cloud_device: Device) -> None:
    aws.s3.put("settings", "current", b"first")
    publish_reader(aws)
    publish_talker(aws)

    # They come, the one that is depended on first, and do what they are for.
    job = aws.jobs.deploy({TALKER: "1.0.0"})
    assert aws.jobs.wait(job, seconds=PATIENCE)["status"] == "SUCCEEDED"
    assert aws.jobs.history(job) == [
        ("IN_PROGRESS", {}),
        ("SUCCEEDED", {"detailed-deployment-status": "SUCCESSFUL"}),
    ]
    assert heard(aws)["version"] == "1.0.0"
    wait_until(lambda: cloud_device.work(READER, "settings"), lambda text: text == "first", PATIENCE)
    aws.s3.put("settings", "current", b"second")
    wait_until(lambda: cloud_device.work(READER, "settings"), lambda text: text == "second", PATIENCE)
    assert aws.credentials.count == 1, "one set of credentials is enough for the deployment and the component"
    aws.mqtt.publish("site/Thing1/orders", "shine")
    aws.mqtt.wait_for("site/Thing1/done", lambda message: message.payload == b"shine", PATIENCE)
    told = aws.fleet.wait("THING_GROUP_DEPLOYMENT", seconds=PATIENCE)
    arn = aws.jobs.execution(job)["jobDocument"]["configurationArn"]
    components = {each["componentName"]: each for each in told["components"]}
    assert {name: (each["version"], each["isRoot"]) for name, each in components.items() if name != TES} == {
        READER: ("1.0.0", False),
        TALKER: ("1.0.0", True),
    }
    assert components[TALKER]["fleetConfigArns"] == [arn]
    assert told["deploymentInformation"]["fleetConfigurationArnForStatus"] == arn
    assert told["deploymentInformation"]["status"] == "SUCCEEDED"

    # The root is updated, and given another configuration; what it depends on goes on undisturbed.
    publish_talker(aws, "1.1.0")
    reader = cloud_device.pid(READER)
    entry = {"version": "1.1.0", "configurationUpdate": {"merge": {"mode": "loud"}}}
    assert aws.jobs.wait(aws.jobs.deploy({TALKER: entry}), seconds=PATIENCE)["status"] == "SUCCEEDED"
    heard(aws, version="1.1.0", mode="loud")
    assert cloud_device.pid(READER) == reader

    # An update that does not run is taken back.
    publish_talker(aws, "1.2.0", {"startup": "exit 3"})
    execution = aws.jobs.wait(aws.jobs.deploy({TALKER: "1.2.0"}), seconds=PATIENCE)
    assert execution["status"] == "FAILED"
    status, stack, types = details(execution)
    assert status == "FAILED_ROLLBACK_COMPLETE"
    assert stack == ["DEPLOYMENT_FAILURE", "COMPONENT_UPDATE_ERROR", "COMPONENT_BROKEN"]
    assert types == ["USER_COMPONENT_ERROR"]
    assert TALKER in execution["statusDetails"]["deployment-failure-cause"]
    heard(aws, version="1.1.0", mode="loud")
    failed = aws.fleet.wait(
        accept=lambda update: update.get("deploymentInformation", {}).get("status") == "FAILED", seconds=PATIENCE
    )
    assert failed["deploymentInformation"]["statusDetails"]["detailedStatus"] == "FAILED_ROLLBACK_COMPLETE"
    assert cloud_device.pid(READER) == reader

    # Nothing is left of them in the end.
    assert aws.jobs.wait(aws.jobs.deploy({}), seconds=PATIENCE)["status"] == "SUCCEEDED"
    assert set(cloud_device.health()) & {READER, TALKER} == set()
    wait_until(lambda: uninstalled(aws), lambda gone: gone >= {READER, TALKER}, PATIENCE)
    numbers = [update["sequenceNumber"] for update in aws.fleet.updates()]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize(
    ("trouble", "codes"),
    [
        ("no such version", ["NO_AVAILABLE_COMPONENT_VERSION"]),
        ("wrong digest", ["ARTIFACT_DOWNLOAD_ERROR", "ARTIFACT_CHECKSUM_MISMATCH"]),
    ],
)
def test_a_job_that_cannot_be_done_changes_nothing(
    aws: Cloud, cloud_device: Device, trouble: str, codes: list[str]
) -> None:
    aws.components.put("com.example.A", artifacts={"a.txt": b"first"}, store="s3")
    assert aws.jobs.wait(aws.jobs.deploy({"com.example.A": "1.0.0"}), seconds=PATIENCE)["status"] == "SUCCEEDED"
    pid, generation = cloud_device.pid("com.example.A"), cloud_device.generation()
    if trouble == "wrong digest":
        component = aws.components.put("com.example.A", "1.0.1", artifacts={"a.txt": b"second"}, store="s3")
        uri = component.recipe["Manifests"][0]["Artifacts"][0]["URI"]
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        aws.s3.client.put_object(Bucket=bucket, Key=key, Body=b"SECOND")
    execution = aws.jobs.wait(aws.jobs.deploy({"com.example.A": "1.0.1"}), seconds=PATIENCE)
    assert execution["status"] == "FAILED"
    status, stack, _ = details(execution)
    assert status == "FAILED_NO_STATE_CHANGE"
    assert stack[0] == "DEPLOYMENT_FAILURE"
    assert set(codes) <= set(stack), stack
    assert (cloud_device.pid("com.example.A"), cloud_device.generation()) == (pid, generation)


def test_a_job_is_canceled_while_it_downloads(aws: Cloud, cloud_device: Device) -> None:
    aws.components.put("com.example.Slow", artifacts={"a.bin": bytes(4_000_000)}, store="s3")
    aws.components.put("com.example.Next")
    aws.network.limit(20_000, "services")
    slow = aws.jobs.deploy({"com.example.Slow": "1.0.0"}, group="slow")
    deployment = aws.jobs.execution(slow)["jobDocument"]["deploymentId"]
    aws.jobs.wait(slow, "IN_PROGRESS", seconds=PATIENCE)
    cloud_device.reaches(deployment, "download")
    aws.jobs.cancel(slow)
    assert cloud_device.outcome_after_all(deployment)["status"] == "CANCELED"
    aws.network.limit(0, "services")
    after = aws.jobs.deploy({"com.example.Next": "1.0.0"}, group="other")
    assert aws.jobs.wait(after, seconds=PATIENCE)["status"] == "SUCCEEDED"
    assert aws.jobs.execution(slow)["status"] == "CANCELED"
    assert set(cloud_device.health()) & {"com.example.Slow", "com.example.Next"} == {"com.example.Next"}
    assert [update["status"] for update in aws.jobs.updates(slow)] == ["IN_PROGRESS"]


def test_a_deployment_to_this_thing_alone(aws: Cloud, cloud_device: Device) -> None:
    aws.components.put("com.example.Group")
    aws.components.put("com.example.Alone")
    assert aws.jobs.wait(aws.jobs.deploy({"com.example.Group": "1.0.0"}), seconds=PATIENCE)["status"] == "SUCCEEDED"
    arn = aws.shadow.deploy({"com.example.Alone": "1.0.0"})
    reported = aws.shadow.wait(lambda seen: seen.get("status") in ("SUCCEEDED", "FAILED"), seconds=PATIENCE)
    assert reported["status"] == "SUCCEEDED"
    assert reported["fleetConfigurationArnForStatus"] == arn
    assert reported["statusDetails"]["detailedStatus"] == "SUCCESSFUL"
    assert set(cloud_device.health()) >= {"com.example.Group", "com.example.Alone"}
    told = aws.fleet.wait("THING_DEPLOYMENT", seconds=PATIENCE)
    assert told["deploymentInformation"]["fleetConfigurationArnForStatus"] == arn
    said = [update["state"]["reported"]["status"] for update in aws.shadow.updates()]
    assert said == ["IN_PROGRESS", "SUCCEEDED"]
