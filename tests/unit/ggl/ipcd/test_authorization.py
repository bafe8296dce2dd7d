"""Access control: which policies allow what, and what is wrong with them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ggl.ipc.model import CLI, MQTT, OPERATIONS, PREFIX, PUBSUB
from ggl.ipcd.authorization import Policies, parse_policies

PUBLISH = OPERATIONS[PREFIX + "PublishToTopic"]
SUBSCRIBE = OPERATIONS[PREFIX + "SubscribeToTopic"]
PUBLISH_CLOUD = OPERATIONS[PREFIX + "PublishToIoTCore"]
LIST = OPERATIONS[PREFIX + "ListComponents"]


def policies(access_control: Any, complaints: list[str] | None = None, thing_name: str = "") -> Policies:
    found = [] if complaints is None else complaints
    return parse_policies(access_control, lambda problem: found.append(str(problem)), thing_name)


def policy(operations: Any = (PUBLISH.name,), resources: Any = ("*",), service: str = PUBSUB, **more: Any) -> Any:
    return {service: {"p": {"operations": list(operations), "resources": list(resources), **more}}}


# -- the decision ------------------------------------------------------------------------------------------------------


def test_without_policies_nothing_is_allowed() -> None:
    assert not policies(None).allow(PUBLISH, "a")
    assert not policies({}).allow(PUBLISH, "a")
    assert not policies(policy(service=MQTT)).allow(PUBLISH, "a")


def test_a_policy_allows_the_operations_it_names() -> None:
    assert policies(policy()).allow(PUBLISH, "a")
    assert not policies(policy()).allow(SUBSCRIBE, "a")
    assert policies(policy(operations=["*"])).allow(SUBSCRIBE, "a")
    assert not policies(policy(operations=["PublishToTopic"])).allow(PUBLISH, "a")


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        ({"operations": ["*"]}, "it has no resources, and allows nothing"),
        ({"operations": ["*"], "resources": []}, "it has no resources, and allows nothing"),
        ({"operations": ["*"], "resources": None}, "it has no resources, and allows nothing"),
        ({"resources": ["*"]}, "it has no operations, and allows nothing"),
        ({"operations": [], "resources": ["*"]}, "it has no operations, and allows nothing"),
    ],
)
def test_a_policy_without_operations_or_resources_grants_nothing(broken: Any, complaint: str) -> None:
    complaints: list[str] = []
    assert not policies({PUBSUB: {"p": broken}}, complaints).allow(PUBLISH, "a")
    assert complaints == [f"policy 'p' of {PUBSUB}: {complaint}"]


def test_a_policy_holds_for_the_operations_of_its_own_service() -> None:
    found = policies(policy(["*"], ["*"], MQTT))
    assert found.allow(PUBLISH_CLOUD, "a")
    assert not found.allow(PUBLISH, "a")
    assert not policies(policy([PUBLISH.name], ["*"], MQTT)).allow(PUBLISH, "a")


def test_wildcards_of_mqtt_hold_for_topics_of_the_cloud_only() -> None:
    found = policies({**policy(["*"], ["a/+", "b/#"], MQTT), **policy(["*"], ["a/+", "b/#"], PUBSUB)})
    for topic in ("a/x", "b", "b/x/y"):
        assert found.allow(PUBLISH_CLOUD, topic)
        assert not found.allow(PUBLISH, topic)
    for topic in ("a/+", "b/#"):
        assert found.allow(PUBLISH_CLOUD, topic)
        assert found.allow(PUBLISH, topic)


@pytest.mark.parametrize(
    ("service", "name"),
    [
        (PUBSUB, "PublishToTopic"),
        (PUBSUB, "aws.greengrass#publishToTopic"),
        (PUBSUB, PUBLISH_CLOUD.name),
        (PUBSUB, "aws.greengrass#Nonsense"),
        (CLI, PUBLISH.name),
        (PUBSUB, "aws.greengrass#*"),
    ],
)
def test_an_operation_that_its_service_does_not_have_grants_nothing_and_spoils_nothing(service: str, name: str) -> None:
    complaints: list[str] = []
    found = policies(
        {service: {"p": {"operations": [name, LIST.name, SUBSCRIBE.name], "resources": ["*"]}}}, complaints
    )
    assert not found.allow(PUBLISH, "a")
    assert not found.allow(PUBLISH_CLOUD, "a")
    assert found.allow(SUBSCRIBE, "a") is (service == PUBSUB)
    assert found.allow(LIST, "*") is (service == CLI)
    assert f"policy 'p' of {service}: {service} has no operation '{name}'" in complaints


def test_of_a_service_that_we_do_not_know_no_operation_is_complained_about() -> None:
    complaints: list[str] = []
    policies(policy(["my#Operation"], service="com.example.Service"), complaints)
    assert complaints == []


def test_every_operation_of_the_model_that_needs_a_policy_can_be_granted() -> None:
    for operation in OPERATIONS.values():
        if operation.service:
            complaints: list[str] = []
            found = policies(policy([operation.name], ["a"], operation.service), complaints)
            assert found.allow(operation, "a")
            assert not found.allow(operation, "b")
            assert complaints == []


def test_texts_of_absurd_length_cost_nothing_and_are_refused() -> None:
    complaints: list[str] = []
    assert policies(policy(resources=["*"])).allow(PUBLISH, "a" * 4096)
    assert not policies(policy(resources=["a*", "*"])).allow(PUBLISH, "a" * 20_000_000)
    assert not policies(policy(resources=["*a" * 5000]), complaints).allow(PUBLISH, "a")
    assert "longer than 4096" in complaints[0]


def test_any_of_several_policies_is_enough() -> None:
    several = {
        PUBSUB: {
            "1": {"operations": [SUBSCRIBE.name], "resources": ["*"]},
            "2": {"operations": [PUBLISH.name], "resources": ["x"]},
            "3": {"operations": [PUBLISH.name], "resources": ["y", "a"]},
        }
    }
    assert policies(several).allow(PUBLISH, "a")
    assert not policies(several).allow(PUBLISH, "b")


def test_an_empty_resource_is_never_allowed() -> None:
    assert not policies(policy(resources=["*"])).allow(PUBLISH, "")


def test_names_of_members_are_found_in_any_case() -> None:
    assert policies({PUBSUB: {"p": {"Operations": ["*"], "RESOURCES": ["*"], "policyDescription": "x"}}}).allow(
        PUBLISH, "a"
    )


def test_policies_may_be_json_text() -> None:
    assert policies(json.dumps(policy())).allow(PUBLISH, "a")


@pytest.mark.parametrize(
    "broken",
    [
        "no json",
        "[" * 100_000,
        5,
        [],
        {PUBSUB: []},
        {PUBSUB: {"p": "x"}},
        {PUBSUB: {"p": {"operations": "*", "resources": ["*"]}}},
        {PUBSUB: {"p": {"operations": ["*"], "resources": [5]}}},
        policy(effect="Deny"),
        policy(resources=["a?", "${x}", ""]),
    ],
)
def test_what_cannot_be_understood_grants_nothing_and_is_complained_about(broken: Any) -> None:
    complaints: list[str] = []
    assert not policies(broken, complaints).allow(PUBLISH, "a")
    assert complaints


def test_a_broken_policy_does_not_spoil_the_others() -> None:
    access_control = policy()
    access_control[PUBSUB]["broken"] = {"operations": 5}
    access_control["other.service"] = "x"
    assert policies(access_control).allow(PUBLISH, "a")


def test_a_broken_resource_does_not_spoil_the_others_of_its_policy() -> None:
    assert policies(policy(resources=["${", "a"])).allow(PUBLISH, "a")


def test_the_thing_name_stands_for_itself() -> None:
    found = policies(policy(resources=["things/{iot:thingName}/x"]), thing_name="T1")
    assert found.allow(PUBLISH, "things/T1/x")
    assert not found.allow(PUBLISH, "things/T2/x")
    assert not policies(policy(resources=["{iot:thingName}"])).allow(PUBLISH, "")


def test_decisions_stay_right_when_many_resources_were_asked_about() -> None:
    found = policies(policy(resources=["a/*"]))
    for number in range(2000):
        assert found.allow(PUBLISH, f"a/{number}")
        assert not found.allow(PUBLISH, f"b/{number}")
    assert not found.allow(SUBSCRIBE, "a/1")
