"""What a device tells AWS IoT Greengrass of itself, through a broker, whatever is killed or cut on the way."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from ggl.host.told import who_wants_to_know
from tests.cloud.aws import Cloud
from tests.integration.conftest import Runtime, wait_until
from tests.integration.device import NUCLEUS, SLEEP, Device

pytestmark = pytest.mark.process_host

OWN = ("services", "FleetStatusService")
RETURN = 300.0
"""Seconds for a connection to be there again: each try that fails makes the pause before the next one longer."""


def states(update: dict[str, Any]) -> dict[str, str]:
    return {each["componentName"]: each["status"] for each in update["components"]}


def triggers(aws: Cloud) -> list[str]:
    return [update["trigger"] for update in aws.fleet.updates()]


def numbers(aws: Cloud) -> list[int]:
    return [update["sequenceNumber"] for update in aws.fleet.updates()]


def read(runtime: Runtime, *path: str) -> Any:
    return runtime.call("gg_config", "read", {"key_path": list(path)})


def write(runtime: Runtime, value: Any, *path: str) -> None:
    runtime.call("gg_config", "write", {"key_path": list(path), "value": value})


def noted(runtime: Runtime) -> dict[str, Any]:
    """What the device knows to have been told."""
    found: dict[str, Any] = runtime.call("gg_config", "get", {"table": "fleet-status", "key": "told"})
    return found


def launched(aws: Cloud, runtime: Runtime) -> dict[str, Any]:
    """The first update, when the device knows that it has arrived."""
    update = aws.fleet.wait("NUCLEUS_LAUNCH")
    wait_until(lambda: "lastPeriodicUpdateTime" in read(runtime, *OWN))
    wait_until_gone(runtime, "fleetstatusd")  # until then, a deployment that ends would count as one before the launch
    return update


def wait_until_gone(runtime: Runtime, *daemons: str) -> None:
    """One after the other: each has nothing to do any more."""
    for daemon in daemons:
        wait_until(lambda daemon=daemon: runtime.pid_of(daemon), lambda pid: pid == 0, 120)  # type: ignore[misc]


def start_daemon(runtime: Runtime) -> None:
    """As the host does it every now and then."""
    wait_until_gone(runtime, "fleetstatusd")
    runtime.call("gg_host", "start", {"names": ["ggl.core.fleetstatusd"]})


def test_a_device_tells_of_its_launch_its_deployments_and_what_it_removes(aws: Cloud, cloud_device: Device) -> None:
    launch = launched(aws, cloud_device.runtime)
    assert (launch["messageType"], launch["components"]) == ("COMPLETE", [])
    assert (launch["thing"], launch["overallDeviceStatus"], launch["platform"]) == ("Thing1", "HEALTHY", "linux")

    cloud_device.recipe("Library", "{}")
    cloud_device.recipe("App", SLEEP, depends={"Library": ">=1.0.0"})
    cloud_device.recipe("Other", SLEEP)
    first = cloud_device.succeed({"App": "1.0.0", "Other": "1.0.0"})
    update = aws.fleet.wait("LOCAL_DEPLOYMENT")
    assert update["messageType"] == "PARTIAL"
    assert states(update) == {"App": "RUNNING", "Library": "FINISHED", "Other": "RUNNING"}
    assert {each["componentName"]: each["isRoot"] for each in update["components"]} == {
        "App": True,
        "Library": False,
        "Other": True,
    }
    told = update["deploymentInformation"]
    assert (told["deploymentId"], told["status"]) == (first["deployment_id"], "SUCCEEDED")
    assert told["statusDetails"]["detailedStatus"] == "SUCCESSFUL"
    assert told["unchangedRootComponents"] == []

    second = cloud_device.succeed({"App": "1.0.0"}, ("Other",))
    update = aws.fleet.wait(
        "LOCAL_DEPLOYMENT", lambda seen: seen["deploymentInformation"]["deploymentId"] == second["deployment_id"]
    )
    assert states(update) == {"Other": "UNINSTALLED"}
    assert update["deploymentInformation"]["unchangedRootComponents"] == ["App"]
    assert numbers(aws) == sorted(set(numbers(aws)))


def test_a_component_that_breaks_is_told_at_once_and_nobody_stays_to_watch(aws: Cloud, cloud_device: Device) -> None:
    launched(aws, cloud_device.runtime)
    cloud_device.recipe("App", "{run: 'while ! test -e fail; do sleep 0.05; done; exit 3'}")
    cloud_device.succeed({"App": "1.0.0"})
    told = aws.fleet.wait("LOCAL_DEPLOYMENT")["deploymentInformation"]["deploymentId"]
    wait_until(lambda: noted(cloud_device.runtime)["deployment_id"], lambda known: known == told)
    for daemon in ("fleetstatusd", "healthd"):
        with suppress(ProcessLookupError):  # it may be leaving
            if pid := cloud_device.runtime.pid_of(daemon):
                cloud_device.runtime.kill(pid)
    (cloud_device.runtime.root.work / "App/fail").touch()
    update = aws.fleet.wait("COMPONENT_STATUS_CHANGE", lambda seen: states(seen) == {"App": "BROKEN"})
    assert update["overallDeviceStatus"] == "UNHEALTHY"
    assert update["components"][0]["componentStatusDetails"] == {
        "statusCodes": ["RUN_ERROR"],
        "statusReason": "the run script exited with code 3; given up after repeated failures",
    }
    assert update["messageType"] == "PARTIAL"
    (cloud_device.runtime.root.work / "App/fail").unlink()
    cloud_device.runtime.call("gg_host", "restart", {"names": ["ggl.App"]})
    update = aws.fleet.wait("COMPONENT_STATUS_CHANGE", lambda seen: states(seen) == {"App": "RUNNING"})
    assert update["overallDeviceStatus"] == "HEALTHY"
    wait_until_gone(cloud_device.runtime, "fleetstatusd")


def test_a_new_connection_is_told_with_what_changed_offline(aws: Cloud, cloud_device: Device) -> None:
    launched(aws, cloud_device.runtime)
    aws.network.cut("mqtt")
    wait_until(lambda: cloud_device.runtime.call("aws_iot_mqtt", "status")["connected"], lambda up: not up, RETURN)
    cloud_device.recipe("App", SLEEP)
    cloud_device.succeed({"App": "1.0.0"})
    # Who tells of it, and who is told, have found that there is no connection.
    wait_until_gone(cloud_device.runtime, "deploymentd", "fleetstatusd")
    aws.network.restore()
    update = aws.fleet.wait("RECONNECT", seconds=RETURN)
    assert states(update) == {"App": "RUNNING"}
    assert "LOCAL_DEPLOYMENT" not in triggers(aws)


ARN = "arn:aws:greengrass:us-east-1:123456789012:configuration:thinggroup/fleet:7"


def test_a_deployment_from_the_cloud_that_ended_offline_is_told_afterwards(aws: Cloud, cloud_device: Device) -> None:
    runtime = cloud_device.runtime
    launched(aws, runtime)
    cloud_device.recipe("Library", "{}")
    cloud_device.succeed({"Library": "1.0.0"})
    aws.fleet.wait("LOCAL_DEPLOYMENT")
    go = runtime.root.state / "go"
    startup = f"{{startup: 'while ! test -e {go}; do sleep 0.05; done'}}"
    cloud_device.recipe("App", startup, depends={"Library": ">=1.0.0"})
    document = {
        "deploymentId": "11111111-2222-3333-4444-555555555555",
        "groupName": "thinggroup/fleet",
        "configurationArn": ARN,
        "creationTimestamp": 2_000_000_000_000,
        "componentUpdatePolicy": {"action": "SKIP_NOTIFY_COMPONENTS"},
        "components": {"App": {"version": "1.0.0"}},
    }
    places = {
        "recipe_directory_path": str(cloud_device.recipes),
        "artifacts_directory_path": str(cloud_device.artifacts),
    }
    params = {"document": document, "type": "IOT_JOBS", **places}
    identifier = runtime.call("gg_deployment", "create_deployment", params)["deployment_id"]
    cloud_device.reaches(identifier, "wait")
    aws.network.cut("mqtt")
    wait_until(lambda: runtime.call("aws_iot_mqtt", "status")["connected"], lambda up: not up, RETURN)
    go.touch()
    assert cloud_device.outcome(identifier)["status"] == "SUCCEEDED"
    aws.network.restore()
    update = aws.fleet.wait("THING_GROUP_DEPLOYMENT", seconds=RETURN)
    assert {each["componentName"]: (each["fleetConfigArns"], each["isRoot"]) for each in update["components"]} == {
        "App": ([ARN], True),
        "Library": ([ARN], True),
    }
    told = update["deploymentInformation"]
    assert (told["deploymentId"], told["fleetConfigurationArnForStatus"]) == (identifier, ARN)


def test_another_run_of_the_runtime_is_a_launch_but_another_iotcored_is_not(aws: Cloud, cloud_device: Device) -> None:
    runtime = cloud_device.runtime
    cloud_device.recipe("App", SLEEP)
    cloud_device.succeed({"App": "1.0.0"})
    launched(aws, runtime)
    runtime.kill(runtime.pid_of("iotcored"))
    aws.fleet.wait("RECONNECT", seconds=RETURN)
    runtime.down()
    runtime.up()
    wait_until(lambda: triggers(aws).count("NUCLEUS_LAUNCH"), lambda count: count == 2, RETURN)
    launches = [update for update in aws.fleet.updates() if update["trigger"] == "NUCLEUS_LAUNCH"]
    assert states(launches[1]) == {"App": "RUNNING"}
    assert numbers(aws) == sorted(set(numbers(aws)))


def test_with_other_settings_of_the_connection_all_is_told(aws: Cloud, cloud_runtime: Runtime) -> None:
    launched(aws, cloud_runtime)
    write(cloud_runtime, 50_000, *NUCLEUS, "mqtt", "keepAliveTimeoutMs")
    assert aws.fleet.wait("NETWORK_RECONFIGURE")["messageType"] == "COMPLETE"
    assert "RECONNECT" not in triggers(aws)


def test_numbers_grow_though_the_daemon_is_killed_in_the_middle(aws: Cloud, cloud_device: Device) -> None:
    runtime = cloud_device.runtime
    launched(aws, runtime)
    aws.network.cut("mqtt", silently=True)  # what is sent from now on is not acknowledged
    before = read(runtime, *OWN, "sequenceNumber")
    runtime.call("gg_fleet_status", "send_fleet_status_update", {"trigger": "CADENCE"})
    wait_until(lambda: read(runtime, *OWN, "sequenceNumber"), lambda number: number > before)
    runtime.kill(runtime.pid_of("fleetstatusd"))
    aws.network.restore()
    aws.network.drop_connections()
    aws.fleet.wait("RECONNECT", seconds=RETURN)
    runtime.call("gg_fleet_status", "send_fleet_status_update", {"trigger": "CADENCE"})
    last = aws.fleet.wait("CADENCE", lambda seen: seen["sequenceNumber"] > before + 1)
    # What was under way when the connection went is sent once more, as it is: that is QoS 1.
    assert numbers(aws) == sorted(numbers(aws))
    assert len({(each["sequenceNumber"], each["timestamp"]) for each in aws.fleet.updates()}) == len(set(numbers(aws)))
    assert read(runtime, *OWN, "sequenceNumber") == last["sequenceNumber"]


def test_all_is_told_when_the_last_time_is_long_ago(aws: Cloud, cloud_runtime: Runtime) -> None:
    launched(aws, cloud_runtime)
    begun = read(cloud_runtime, *OWN, "lastPeriodicUpdateTime")
    start_daemon(cloud_runtime)
    wait_until_gone(cloud_runtime, "fleetstatusd")
    assert triggers(aws) == ["NUCLEUS_LAUNCH"]
    write(cloud_runtime, 86400, *NUCLEUS, "fleetStatus", "periodicStatusPublishIntervalSeconds")
    write(cloud_runtime, begun - 2 * 86_400_000, *OWN, "lastPeriodicUpdateTime")
    start_daemon(cloud_runtime)
    assert aws.fleet.wait("CADENCE")["messageType"] == "COMPLETE"
    wait_until(lambda: read(cloud_runtime, *OWN, "lastPeriodicUpdateTime"), lambda now: now >= begun)


def test_many_components_are_told_in_chunks(aws: Cloud, cloud_device: Device) -> None:
    launched(aws, cloud_device.runtime)
    names = [f"com.example.{'LongName' * 12}{number}" for number in range(800)]
    for name in names:
        cloud_device.recipe(name, "{}")
    outcome = cloud_device.outcome_after_all(cloud_device.submit(dict.fromkeys(names, "1.0.0")), 900)
    assert outcome["status"] == "SUCCEEDED"
    chunk = aws.fleet.wait("LOCAL_DEPLOYMENT", lambda seen: seen["chunkInfo"]["chunkId"] == 2, seconds=600)
    chunks = [each for each in aws.fleet.updates() if each["sequenceNumber"] == chunk["sequenceNumber"]]
    assert [each["chunkInfo"] for each in chunks] == [
        {"chunkId": 1, "totalChunks": 2},
        {"chunkId": 2, "totalChunks": 2},
    ]
    assert sorted(name for each in chunks for name in states(each)) == sorted(names)


def test_an_update_that_is_not_allowed_is_said_with_its_remedy(aws: Cloud, cloud_runtime: Runtime) -> None:
    launched(aws, cloud_runtime)
    aws.mqtt.deny("$aws/things/+/greengrassv2/#", publish=True)
    cloud_runtime.call("gg_fleet_status", "send_fleet_status_update", {"trigger": "CADENCE"})
    topic = "$aws/things/Thing1/greengrassv2/health/json"
    said = wait_until(
        lambda: [line for line in cloud_runtime.log("ggl.core.fleetstatusd").splitlines() if topic in line]
    )
    assert "iot:Publish" in said[0]


def test_a_device_without_a_cloud_is_not_bothered(device: Device) -> None:
    device.recipe("Bad", "{run: 'exit 1'}")
    device.deploy({"Bad": "1.0.0"})
    assert device.runtime.unit("ggl.core.fleetstatusd")["started"] is False
    start_daemon(device.runtime)
    wait_until_gone(device.runtime, "fleetstatusd")
    assert who_wants_to_know(device.runtime.root) == []
    write(device.runtime, "Thing1", "system", "thingName")  # provisioning has only begun
    start_daemon(device.runtime)
    wait_until_gone(device.runtime, "fleetstatusd")
    assert device.runtime.log("ggl.core.fleetstatusd") == ""
