"""Access control: which policies allow what."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ggl.ipc.model import MQTT, OPERATIONS, PREFIX, PUBSUB
from ggl.ipcd.authorization import Policies, covers, parse_pattern, parse_policies

PUBLISH = OPERATIONS[PREFIX + "PublishToTopic"]
SUBSCRIBE = OPERATIONS[PREFIX + "SubscribeToTopic"]
PUBLISH_CLOUD = OPERATIONS[PREFIX + "PublishToIoTCore"]


def policies(access_control: Any, complaints: list[str] | None = None, thing_name: str = "") -> Policies:
    ignored: list[str] = []
    return parse_policies(access_control, (ignored if complaints is None else complaints).append, thing_name)


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


def test_a_policy_without_operations_or_resources_grants_nothing() -> None:
    for broken in ({"operations": ["*"]}, {"resources": ["*"]}, {"operations": ["*"], "resources": []}):
        assert not policies({PUBSUB: {"p": broken}}).allow(PUBLISH, "a")


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


# -- resource patterns -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("*", "anything/at all", True),
        ("a/*", "a/", True),
        ("a/*", "a/b/c", True),
        ("a/*", "a", False),
        ("a/*/c", "a/b/b/c", True),
        ("a/*/c", "a/c", False),
        ("*a*b*", "xxaxxbxx", True),
        ("*a*b*", "xxbxxaxx", False),
        ("a*a", "a", False),
        ("a", "A", False),
        ("${*}", "*", True),
        ("${*}", "x", False),
        ("a${?}${$}", "a?$", True),
        ("a/#", "a/#", True),
        ("a/#", "a/b", False),
        ("a/+", "a/b", False),
        ("a/+", "a/+", True),
        ("$a", "$a", True),
        ("a\nb*", "a\nb\nc", True),
    ],
)
def test_patterns_of_local_topics_know_one_wildcard(pattern: str, text: str, expected: bool) -> None:
    assert covers(parse_pattern(pattern), text) is expected


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("a/+", "a/b", True),
        ("a/+", "a/+", True),
        ("a/+", "a/b/c", False),
        ("a/+/c", "a/b/c", True),
        ("a/+/c", "a//c", True),
        ("a/+/c", "a/b/d", False),
        ("+", "a", True),
        ("+/b", "a/b", True),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("a/#", "a/#", True),
        ("a/#", "ab", False),
        ("#", "anything/at/all", True),
        ("a+", "ab", False),
        ("a+", "a+", True),
        ("a/#/b", "a/x/b", False),
        ("a/#/b", "a/#/b", True),
        ("site/*/+/x", "site/1/2/3/x", True),
        ("${*}/+", "*/a", True),
    ],
)
def test_patterns_of_cloud_topics_know_those_of_mqtt_too(pattern: str, text: str, expected: bool) -> None:
    assert covers(parse_pattern(pattern, topics=True), text) is expected
    assert policies(policy(["*"], [pattern], MQTT)).allow(PUBLISH_CLOUD, text) is expected


@given(st.lists(st.sampled_from(["*", "a", "b", "/", "ab"]), max_size=6), st.text("ab/", min_size=1, max_size=8))
def test_the_star_means_what_it_means_in_a_regular_expression(parts: list[str], text: str) -> None:
    import re

    pattern = "".join(parts)
    expression = "".join(".*" if part == "*" else re.escape(part) for part in parts)
    expected = bool(pattern) and re.fullmatch(expression, text, re.DOTALL) is not None
    assert (bool(pattern) and covers(parse_pattern(pattern), text)) is expected


def test_a_malicious_text_takes_no_exponential_time() -> None:
    assert not covers(parse_pattern("*a" * 100 + "b"), "a" * 1000)
