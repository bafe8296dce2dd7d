"""What is told when: the rules, with a runtime that is made up."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from ggl.bus.errors import BusError, ErrorCode
from ggl.fleetstatusd.cadence import INTERVAL
from ggl.fleetstatusd.components import Entry
from ggl.fleetstatusd.payload import Device
from ggl.fleetstatusd.reporter import ALL, CHANGED, CONNECTED, DEPLOYED, MISSED, STARTED, Again, Reporter
from ggl.fleetstatusd.runtime import Facts, Runtime
from ggl.fleetstatusd.state import State

DAY = INTERVAL * 1000


class Made:
    """A device on which nothing happens by itself."""

    def __init__(self) -> None:
        self.now = 100 * DAY
        self.run = "first"
        self.connected = True
        self.provisioned = True
        self.deploying = False
        self.settings = 1
        self.states = {"App": "RUNNING", "Other": "RUNNING"}
        self.over: list[dict[str, Any]] = []
        self.refuses: ErrorCode | None = None
        self.published: list[dict[str, Any]] = []
        self.sequence = 0
        self.periodic: int | None = None
        self.kept: State | None = None

    # -- what the reporter asks for

    def facts(self) -> Facts | None:
        return Facts(Device("Thing1"), self.settings, DAY, self.periodic) if self.provisioned else None

    def is_connected(self) -> bool:
        return self.connected

    def instance(self) -> str:
        return self.run

    def state(self) -> State | None:
        return self.kept

    def keep(self, state: State) -> None:
        self.kept = State.from_dict(json.loads(json.dumps(state.to_dict())))

    def keep_periodic(self, milliseconds: int) -> None:
        self.periodic = milliseconds

    def next_sequence(self) -> int:
        self.sequence += 1
        return self.sequence

    def wait_until_settled(self, _seconds: float) -> None:
        pass

    def entries(self) -> dict[str, Entry]:
        return {name: {"componentName": name, "status": state} for name, state in self.states.items()}

    def deployments(self) -> list[dict[str, Any]]:
        return self.over

    def is_deploying(self) -> bool:
        return self.deploying

    def publish(self, _topic: str, payload: bytes) -> None:
        if self.refuses is not None:
            raise BusError(self.refuses, "no")
        self.published.append(json.loads(payload))

    # -- what a test does

    def look(self, *why: str) -> Again | None:
        return Reporter(cast(Runtime, self), lambda: 0.5, lambda: self.now).look(why)

    def told(self, *why: str) -> list[tuple[str, list[str]]]:
        """The triggers, each with the components, that a look makes known."""
        before = len(self.published)
        self.look(*why)
        return [
            (each["trigger"], [component["componentName"] for component in each["components"]])
            for each in self.published[before:]
        ]

    def deployed(self, name: str, kind: str, status: str = "SUCCEEDED", **more: Any) -> None:
        self.over.append({"deployment_id": name, "type": kind, "status": status, "finished": self.now, **more})


@pytest.fixture
def device() -> Made:
    """One that has told of its launch, a while ago."""
    made = Made()
    assert made.told(CONNECTED) == [("NUCLEUS_LAUNCH", ["App", "Other"])]
    made.now += 600_000
    return made


def test_a_device_without_a_cloud_and_one_that_is_offline_tell_nothing() -> None:
    made = Made()
    made.provisioned = False
    assert made.told(CONNECTED, DEPLOYED, CHANGED, STARTED, MISSED, ALL) == []
    made.provisioned, made.connected = True, False
    assert made.told(CONNECTED, DEPLOYED, CHANGED, STARTED, MISSED, ALL) == []
    assert made.sequence == 0


@pytest.mark.parametrize("why", [CONNECTED, DEPLOYED, CHANGED, MISSED])
def test_the_launch_comes_first_whatever_the_reason_to_look_is(why: str) -> None:
    made = Made()
    made.deployed("before", "LOCAL")
    assert made.told(why)[:1] == [("NUCLEUS_LAUNCH", ["App", "Other"])]
    made.now += 60_000
    made.run = "second"
    assert made.told(why)[:1] == [("NUCLEUS_LAUNCH", ["App", "Other"])]


def test_another_connection_of_the_same_run_is_no_launch(device: Made) -> None:
    assert device.told(CONNECTED) == [("RECONNECT", [])]
    device.states["App"] = "BROKEN"
    device.now += 1000
    assert device.told(CONNECTED) == [("RECONNECT", ["App"])]
    assert device.published[-1]["overallDeviceStatus"] == "UNHEALTHY"


def test_connections_that_come_and_go_are_not_told_each_time(device: Made) -> None:
    assert device.told(CONNECTED) == [("RECONNECT", [])]
    device.now += 59_000
    assert device.told(CONNECTED) == []
    device.now += 1_000
    assert device.told(CONNECTED) == [("RECONNECT", [])]
    device.now -= 3_600_000  # the clock was set back
    assert device.told(CONNECTED) == [("RECONNECT", [])]


def test_with_other_settings_of_the_connection_all_is_told(device: Made) -> None:
    device.settings = 2
    assert device.told(CONNECTED) == [("NETWORK_RECONFIGURE", ["App", "Other"])]
    assert device.told(CONNECTED) == [("RECONNECT", [])]


def test_a_component_that_breaks_is_told_and_that_it_is_well_again(device: Made) -> None:
    device.states["App"] = "BROKEN"
    assert device.told(CHANGED) == [("COMPONENT_STATUS_CHANGE", ["App"])]
    device.now += 10_000
    device.states["App"] = "STARTING"
    assert device.look(CHANGED) == Again()
    device.states["App"] = "RUNNING"
    assert device.told(CHANGED) == [("COMPONENT_STATUS_CHANGE", ["App"])]
    assert device.told(CHANGED) == []


def test_changes_of_components_keep_three_seconds_from_any_update(device: Made) -> None:
    device.told(CONNECTED)
    device.now += 1_000
    device.states["App"] = "ERRORED"
    assert device.look(CHANGED) == Again(2.0)
    device.now += 2_000
    assert device.told(CHANGED) == [("COMPONENT_STATUS_CHANGE", ["App"])]


def test_during_a_deployment_only_components_in_error_are_told(device: Made) -> None:
    device.deploying = True
    device.states |= {"App": "BROKEN", "New": "STARTING", "Other": "ERRORED"}
    assert device.told(CHANGED) == [("COMPONENT_STATUS_CHANGE", ["Other"])]
    device.deploying = False
    device.deployed("d", "LOCAL")
    device.states |= {"New": "RUNNING", "Other": "RUNNING"}
    assert device.told(DEPLOYED) == [("LOCAL_DEPLOYMENT", ["App", "Other", "New"])]


def test_what_fails_as_a_deployment_ends_is_looked_for_again(device: Made) -> None:
    device.deploying = True
    assert device.look(CHANGED) is None
    device.states["App"] = "BROKEN"
    assert device.look(CHANGED) == Again()
    device.deploying = False
    assert device.told(CHANGED) == [("COMPONENT_STATUS_CHANGE", ["App"])]


@pytest.mark.parametrize(
    ("kind", "trigger"),
    [
        ("IOT_JOBS", "THING_GROUP_DEPLOYMENT"),
        ("SHADOW", "THING_DEPLOYMENT"),
        ("LOCAL", "LOCAL_DEPLOYMENT"),
        ("ROLLBACK", "LOCAL_DEPLOYMENT"),
    ],
)
def test_the_trigger_of_a_deployment_is_the_way_on_which_it_came(device: Made, kind: str, trigger: str) -> None:
    device.states["App"] = "FINISHED"
    del device.states["Other"]
    failure = {"detailed_status": "FAILED_ROLLBACK_COMPLETE", "cause": "x", "error_stack": ["A", "B"]}
    roots = {"App": "1.0.0", "Third": "2.0.0"}
    device.deployed("d", kind, "FAILED", **failure, roots=roots, configuration_arn="arn:1")
    assert device.told(DEPLOYED) == [(trigger, ["App", "Other"])]
    update = device.published[-1]
    assert update["components"][1]["status"] == "UNINSTALLED"
    assert update["deploymentInformation"] == {
        "deploymentId": "d",
        "status": "FAILED",
        "fleetConfigurationArnForStatus": "arn:1",
        "statusDetails": {
            "detailedStatus": "FAILED_ROLLBACK_COMPLETE",
            "failureCause": "x",
            "errorStack": ["A", "B"],
            "errorTypes": [],
        },
        "unchangedRootComponents": ["Third"],
    }


def test_a_deployment_is_told_once_and_made_up_for_when_word_of_it_was_lost(device: Made) -> None:
    device.deployed("one", "IOT_JOBS")
    assert device.told(CHANGED, STARTED) == []
    assert device.told(MISSED) == [("THING_GROUP_DEPLOYMENT", [])]
    assert device.told(MISSED, DEPLOYED) == []
    device.now -= DAY  # the clock was set back
    device.deployed("two", "LOCAL")
    device.deployed("canceled", "LOCAL", "CANCELED")
    device.deployed("waits", "LOCAL", "QUEUED")
    assert device.told(DEPLOYED) == [("LOCAL_DEPLOYMENT", [])]
    assert device.published[-1]["deploymentInformation"]["deploymentId"] == "two"


def test_of_what_ended_offline_only_deployments_from_the_cloud_are_told(device: Made) -> None:
    device.connected = False
    device.deployed("job", "IOT_JOBS")
    device.deployed("local", "LOCAL")
    device.states["App"] = "BROKEN"
    assert device.told(DEPLOYED) == device.told(MISSED) == []
    device.connected = True
    assert device.told(CONNECTED) == [("THING_GROUP_DEPLOYMENT", ["App"]), ("RECONNECT", [])]
    assert device.told(DEPLOYED) == []


@pytest.mark.parametrize("code", [ErrorCode.NOCONN, ErrorCode.TIMEOUT, ErrorCode.REMOTE])
def test_what_was_not_taken_is_in_the_next_update_under_a_greater_number(device: Made, code: ErrorCode) -> None:
    device.states["App"] = "BROKEN"
    device.deployed("d", "LOCAL")
    device.refuses = code
    assert device.look(DEPLOYED) == (None if code is ErrorCode.REMOTE else Again(why=MISSED))
    device.refuses = None
    assert device.told(MISSED) == [("LOCAL_DEPLOYMENT", ["App"])]
    numbers = [each["sequenceNumber"] for each in device.published]
    assert numbers == sorted(set(numbers))


def test_all_is_told_once_a_day_but_not_during_a_deployment(device: Made) -> None:
    launched = device.now - 600_000
    assert device.periodic == launched - DAY // 2
    device.now = device.periodic + DAY - 1
    assert device.told(STARTED) == []
    device.now += 1
    device.deploying = True
    assert device.told(STARTED) == []
    device.deploying = False
    assert device.told(CONNECTED, DEPLOYED, MISSED) == [("RECONNECT", [])]
    assert device.told(STARTED) == [("CADENCE", ["App", "Other"])]
    assert device.told(STARTED) == []
    device.now -= DAY  # the clock was set back: nobody waits for the time that it showed
    assert device.told(STARTED) == [("CADENCE", ["App", "Other"])]
    assert device.told(ALL) == [("CADENCE", ["App", "Other"])]
