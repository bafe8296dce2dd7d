"""Deployments that come by the shadow of the device."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.unit.ggl.jobsd.conftest import World

SHADOW = "$aws/things/Thing1/shadow/name/AWSManagedGreengrassV2Deployment"


def reports(world: World) -> list[tuple[str, str]]:
    return [(each["fleetConfigurationArnForStatus"], each["status"]) for each in world.cloud.reports]


def test_a_deployment_is_taken_and_reported(world: World) -> None:
    world.connect()
    world.run()
    world.cloud.desire("a:1")
    world.run()
    assert reports(world) == [("a:1", "IN_PROGRESS"), ("a:1", "SUCCEEDED")]
    reported = world.cloud.shadow["reported"]
    assert reported["ggcVersion"]
    assert reported["statusDetails"]["detailedStatus"] == "SUCCESSFUL"
    assert world.context is None
    assert world.listed()[0]["configuration_arn"] == "a:1"


def test_a_failure_is_told_and_leaves_nothing_behind(world: World) -> None:
    world.deployments.fails.add("d-a:1")
    world.connect()
    world.cloud.desire("a:1")
    world.run()
    details = world.cloud.shadow["reported"]["statusDetails"]
    assert details["errorStack"] == ["DEPLOYMENT_FAILURE", "COMPONENT_BROKEN"]
    assert details["failureCause"] == "it broke"
    world.cloud.desire("a:2")
    world.run()
    details = world.cloud.shadow["reported"]["statusDetails"]
    assert {key: value for key, value in details.items() if value is not None} == {"detailedStatus": "SUCCESSFUL"}


def test_what_was_reported_over_is_not_run_again_even_if_all_is_forgotten(world: World) -> None:
    world.cloud.desire("a:1")
    world.connect()
    world.run()
    (world.root.state / "jobs-finished.json").unlink()
    world.connect()
    world.run()
    assert len(world.deployments.begun) == 1
    assert len(world.cloud.reports) == 2


@pytest.mark.parametrize("steps", [0, 1])
def test_only_the_newest_counts(world: World, steps: int) -> None:
    world.connect()
    world.cloud.desire("a:1")
    world.run(deploy=False)
    for _ in range(steps):
        world.deployments.step()
    world.run(deploy=False)
    world.cloud.desire("a:2")
    world.run(deploy=False)
    world.run()
    assert world.deployments.records["d-a:1"]["status"] == "CANCELED"
    assert reports(world)[-3:] == [("a:1", "CANCELED"), ("a:2", "IN_PROGRESS"), ("a:2", "SUCCEEDED")]


def test_one_that_changes_the_device_is_finished_first(world: World) -> None:
    world.connect()
    world.cloud.desire("a:1")
    world.run(deploy=False)
    for _ in range(2):
        world.deployments.step()
    world.run(deploy=False)
    world.cloud.desire("a:2")
    world.run()
    assert reports(world)[1:] == [("a:1", "SUCCEEDED"), ("a:2", "IN_PROGRESS"), ("a:2", "SUCCEEDED")]


def test_canceled_while_it_waits(world: World) -> None:
    world.connect()
    world.cloud.desire("a:1")
    world.run(deploy=False)
    world.cloud.desire("a:1", desiredStatus="CANCELED")
    world.run()
    assert reports(world) == [("a:1", "CANCELED")]
    assert world.deployments.begun == []


def test_canceled_before_the_device_has_seen_it(world: World) -> None:
    world.cloud.desire("a:1", desiredStatus="CANCELED")
    world.connect()
    world.run()
    assert reports(world) == [("a:1", "CANCELED")]
    assert world.deployments.records == {}
    assert world.context is None


def test_a_report_to_a_shadow_that_has_changed_is_made_again(world: World) -> None:
    world.connect()
    world.cloud.desire("a:1")
    world.run(deploy=False)
    world.inbox.clear()
    world.cloud.change_shadow({"desired": {"other": 1}}, None)
    world.inbox.clear()  # which the device does not hear
    world.run()
    assert reports(world) == [("a:1", "IN_PROGRESS"), ("a:1", "SUCCEEDED")]
    assert any(topic.endswith("/get") for topic, _message in world.cloud.requests[-6:])


@pytest.mark.parametrize("code", ["429", "500"])
def test_a_report_that_is_not_taken_yet_is_sent_again(world: World, code: str) -> None:
    world.connect()
    world.cloud.desire("a:1")
    world.run(deploy=False)
    world.cloud.refuse.append(code)
    world.run(seconds=120)
    assert reports(world) == [("a:1", "IN_PROGRESS"), ("a:1", "SUCCEEDED")]


@pytest.mark.parametrize("code", ["400", "401", "403", "413"])
def test_a_report_that_will_never_be_taken_is_dropped(world: World, code: str) -> None:
    world.connect()
    world.cloud.desire("a:1")
    world.run(deploy=False)
    world.cloud.refuse.append(code)
    world.run()
    assert reports(world) == [("a:1", "SUCCEEDED")]
    assert world.context is None


def test_a_shadow_that_was_removed_is_not_made_again(world: World) -> None:
    world.connect()
    world.cloud.desire("a:1")
    world.run(deploy=False)
    world.disconnect()
    world.run()
    world.cloud.shadow = {"version": 0, "desired": {}, "reported": {}}
    world.connect()
    world.run()
    assert world.cloud.shadow["version"] == 0
    assert world.context is None


@pytest.mark.parametrize(
    "text", ["{", "[]", "null", '"x"', "{}", '{"configurationArn": 5}', '{"configurationArn": ""}', 5, {"a": 1}]
)
def test_a_configuration_without_a_name_is_left_alone(world: World, text: Any) -> None:
    world.connect()
    world.cloud.change_shadow({"desired": {"fleetConfig": text}}, None)
    world.run()
    assert world.cloud.reports == []
    assert world.context is None


def test_a_configuration_that_is_no_deployment_fails(world: World) -> None:
    world.connect()
    world.cloud.change_shadow({"desired": {"fleetConfig": json.dumps({"ConfigurationArn": "a:1"})}}, None)
    world.run()
    assert reports(world) == [("a:1", "FAILED")]


def test_what_came_of_an_older_one_is_told_first(world: World) -> None:
    world.connect()
    world.cloud.desire("a:1")
    world.run(deploy=False)
    world.deployments.die()  # until it is asked again, nobody knows what comes of it
    world.cloud.desire("a:2")
    world.run(seconds=60)
    assert len(world.deployments.begun) == 2
    assert reports(world)[-3:] == [("a:1", "SUCCEEDED"), ("a:2", "IN_PROGRESS"), ("a:2", "SUCCEEDED")]


def test_what_is_desired_again_is_deployed_again_however_often(world: World) -> None:
    world.connect()
    for number in range(130):
        world.cloud.desire(f"a:{number % 2}")
        world.run()
    assert len(world.deployments.begun) == 130


@pytest.mark.parametrize("has_shadow", [False, True])
def test_the_outcome_of_a_move_goes_to_the_shadow_at_the_old_endpoint(world: World, has_shadow: bool) -> None:
    moving(world)
    world.endpoint = "new.example.com"
    world.cloud.shadow = {"version": 0, "desired": {}, "reported": {}}
    if has_shadow:
        world.cloud.desire("b:7")
    world.connect()
    world.run()
    ((endpoint, topic, message),) = world.elsewhere
    assert endpoint == "old.example.com:8883"
    assert topic == f"{SHADOW}/update"
    assert message["state"]["reported"]["status"] == "SUCCEEDED"
    assert "version" not in message, "that of the shadow there is not known"
    assert reports(world)[1:] == ([("b:7", "IN_PROGRESS"), ("b:7", "SUCCEEDED")] if has_shadow else [])
    assert world.context is None


def test_the_outcome_of_a_move_that_failed_is_reported_as_ever(world: World) -> None:
    world.deployments.fails.add("d-a:1")
    moving(world)
    world.connect()
    world.run()
    assert reports(world) == [("a:1", "IN_PROGRESS"), ("a:1", "FAILED")]
    assert world.elsewhere == []


def moving(world: World) -> None:
    """A deployment that moves the device to another endpoint has begun; the connection is down."""
    world.connect()
    world.cloud.desire("a:1")
    world.run(deploy=False)
    world.deployments.step()
    world.run(deploy=False)
    world.disconnect()
    world.deployments._set(world.deployments.records["d-a:1"], source_endpoint="old.example.com:8883")
    world.run(deploy=False)


@pytest.mark.parametrize("steps", range(4))
def test_a_killed_daemon_goes_on_where_it_was(world: World, steps: int) -> None:
    world.connect()
    world.cloud.desire("a:1")
    world.run(deploy=False)
    for _ in range(steps):
        world.kill()
        world.deployments.step()
        world.run(deploy=False)
    world.kill()
    world.run()
    assert len(world.deployments.begun) == 1
    assert reports(world)[-1] == ("a:1", "SUCCEEDED")
    assert world.context is None
