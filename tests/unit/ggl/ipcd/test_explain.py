"""What a person is told about policies: it must be what the decision does, and say what to change."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ggl.ipc.model import CLI, MQTT, OPERATIONS, PREFIX, PUBSUB, Operation, custom
from ggl.ipcd.authorization import parse_policies
from ggl.ipcd.explain import explain, why_not
from ggl.ipcd.refusals import MAX_REFUSALS, Refusals

NAME = "com.example.A"
PUBLISH = OPERATIONS[PREFIX + "PublishToTopic"]
SUBSCRIBE = OPERATIONS[PREFIX + "SubscribeToTopic"]
LIST = OPERATIONS[PREFIX + "ListComponents"]
GUARDED = [operation for operation in OPERATIONS.values() if operation.service and not operation.callers]


def policy(operations: list[str], resources: list[str], service: str = PUBSUB) -> dict[str, Any]:
    return {service: {"p": {"operations": operations, "resources": resources}}}


def check(access_control: Any, operation: Operation, resource: str = "*", thing_name: str = "") -> dict[str, Any]:
    found: dict[str, Any] = explain(NAME, access_control, thing_name, operation, resource)["check"]
    return found


@pytest.mark.parametrize(
    ("access_control", "reason"),
    [
        (None, "it has no accessControl"),
        ({}, "it has no accessControl"),
        ("nonsense", "accessControl: it is text, but no JSON"),
        (5, "accessControl: it is no map"),
        ({PUBSUB: 5}, f"accessControl of {PUBSUB}: it is no map of policies"),
        (policy(["*"], ["*"], MQTT), f"its accessControl has no section '{PUBSUB}'"),
        (
            policy([PUBLISH.name], ["*"], MQTT),
            f"policy 'p' names the operation below {MQTT}; it belongs below {PUBSUB}",
        ),
        (policy([SUBSCRIBE.name], ["*"]), f"no policy of {PUBSUB} names the operation"),
        (
            policy(["PublishToTopic"], ["*"]),
            "policy 'p' says 'PublishToTopic'; the name of the operation is 'aws.greengrass#PublishToTopic'",
        ),
        (policy(["*"], ["a?"]), "policy 'p' names the operation, but no valid resource"),
        (policy(["*"], ["a"]), "no resource of policy 'p' covers 't'"),
        (
            {PUBSUB: {"p": {"operations": ["*"], "resources": ["*"], "effect": "Allow"}}},
            f"no valid policy names the operation; policy 'p' of {PUBSUB}: "
            "it has the unknown member 'effect', and counts for nothing",
        ),
    ],
)
def test_the_reason_of_a_refusal(access_control: Any, reason: str) -> None:
    found = check(access_control, PUBLISH, "t")
    assert not found["allowed"]
    assert found["reason"] == reason


@pytest.mark.parametrize(
    ("pattern", "resource", "why"),
    [
        ("a/+/c", "a/b/c", "only '*' is a wildcard"),
        ("a/#", "a/b", "only '*' is a wildcard"),
        ("Meter/1", "meter/1", "upper and lower case"),
        ("a/*", "a", "covers what is below"),
        ("a/", "a", "it ends with '/'"),
        ("/a", "a", "it begins with '/'"),
        ("a", "a/", "the '/' at an end of what was asked for counts"),
        ("a ", "a", "white space"),
        ("a/${*}", "a/b", "${*} stands for the character itself"),
        ("a/b", "a/#", "less than the filter asks for"),
        ("{component}/x", "com/x", "a variable in braces stands for itself"),
        ("{iot:thingName}/x", "Thing/x", "no thing name yet"),
        ("a", "b", ""),
    ],
)
def test_the_mistakes_that_people_make_are_recognised(pattern: str, resource: str, why: str) -> None:
    found = why_not(pattern, resource, topics=False)
    assert why in found
    assert bool(why) is bool(found)


def test_the_thing_name_is_told() -> None:
    assert why_not("{iot:thingName}/x", "T1/x", False, "T2") == "{iot:thingName} is 'T2' here"
    assert explain(NAME, policy(["*"], ["{iot:thingName}/x"]), "T2", PUBLISH, "T2/x")["check"]["allowed"]


def test_wildcards_of_mqtt_are_no_mistake_where_they_hold() -> None:
    assert why_not("a/+", "a/b/c", topics=True).startswith("'+' covers exactly one level")


def test_the_nearest_resources_come_first() -> None:
    near = check(policy(["*"], ["x", "meter/1", "meter/+", "Meter/2"]), PUBLISH, "meter/2")["near"]
    assert [each["resource"] for each in near] == ["meter/+", "Meter/2", "meter/1", "x"]


def test_what_allows_it_is_named() -> None:
    found = check(policy([PUBLISH.name], ["x", "meter/*"]), PUBLISH, "meter/2")
    assert found["allowed"]
    assert found["by"] == {"policy": "p", "resource": "meter/*"}
    assert (found["remedy"], found["near"]) == (None, [])


def test_operations_without_policies() -> None:
    assert check(None, OPERATIONS[PREFIX + "GetConfiguration"])["allowed"]
    assert not check(None, OPERATIONS[PREFIX + "ValidateAuthorizationToken"])["allowed"]
    always = explain(NAME, None, "")["always"]
    assert "UpdateState" in always
    assert "ValidateAuthorizationToken" not in always
    assert "ValidateAuthorizationToken" in explain("aws.greengrass.StreamManager", None, "")["always"]


def test_metrics_are_for_components_of_aws() -> None:
    put = OPERATIONS[PREFIX + "PutComponentMetric"]
    found = check(policy(["*"], ["*"], put.service or ""), put, "m")
    assert not found["allowed"]
    assert found["reason"] == "it is for components whose names begin with 'aws.'"
    stream_manager = explain("aws.greengrass.StreamManager", None, "", put, "m")
    assert stream_manager["check"]["allowed"]
    assert "PutComponentMetric" in stream_manager["always"]


def test_operations_outside_the_model_belong_to_the_service_in_their_name() -> None:
    own = custom("com.example.Own#Do")
    assert not check(None, own)["allowed"]
    assert check(policy([own.name], ["*"], "com.example.Own"), own)["allowed"]
    assert check(None, own)["remedy"] == {
        "com.example.Own": {f"{NAME}:Own:1": {"operations": [own.name], "resources": ["*"]}}
    }


@given(
    st.sampled_from(GUARDED),
    st.text(min_size=1, max_size=20) | st.text("a/*?${}+#", min_size=1, max_size=10),
    st.sampled_from([None, policy(["*"], ["b"]), policy(["*"], ["*"], CLI), "x", {PUBSUB: {f"{NAME}:pubsub:1": 5}}]),
)
def test_what_is_said_is_what_is_done_and_the_remedy_helps(operation: Operation, resource: str, before: Any) -> None:
    decided = parse_policies(before, lambda _problem: None).allow(operation, resource)
    found = check(before, operation, resource)
    assert found["allowed"] is decided
    assert found["reason"]
    if not decided:
        [(service, policies)] = found["remedy"].items()
        after = dict(before) if isinstance(before, dict) else {}
        assert not policies.keys() & after.get(service, {}).keys()
        after[service] = {**after.get(service, {}), **policies}
        problems: list[Any] = []
        fixed = parse_policies({service: policies}, problems.append)
        assert fixed.allow(operation, resource)
        assert problems == []
        assert parse_policies(after, lambda _problem: None).allow(operation, resource)


def test_refusals_are_counted_and_the_oldest_forgotten() -> None:
    refusals = Refusals()
    refusals.add(NAME, PUBLISH.name, "first")
    for number in range(MAX_REFUSALS - 1):
        refusals.add("com.example.B", PUBLISH.name, str(number))
    refusals.add(NAME, PUBLISH.name, "first")
    refusals.add(NAME, PUBLISH.name, "x" * 10_000)
    long, first = refusals.of(NAME)
    assert (first["resource"], first["count"]) == ("first", 2)
    assert first["first"] <= first["last"]
    assert len(long["resource"]) <= 256
    others = refusals.of("com.example.B")
    assert len(others) == MAX_REFUSALS - 2
    assert "0" not in [each["resource"] for each in others]
