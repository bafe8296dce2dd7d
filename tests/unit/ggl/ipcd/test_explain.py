"""What a person is told about policies: it must be what the decision does, and say what to change."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ggl.ipc.model import CLI, MQTT, OPERATIONS, PREFIX, PUBSUB, Operation, custom
from ggl.ipcd.authorization import parse_policies
from ggl.ipcd.explain import explain
from ggl.ipcd.mistakes import why_not
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
            "policy 'p' would allow it, but counts for nothing as it is: "
            "write 'aws.greengrass#PublishToTopic' for 'PublishToTopic'",
        ),
        (policy(["*"], ["a?"]), "policy 'p' names the operation, but no valid resource"),
        (policy(["*"], ["a"]), "no resource of policy 'p' covers 't'"),
        (
            {PUBSUB: {"p": {"operations": ["*"], "resources": ["*"], "effect": "Allow"}}},
            "policy 'p' would allow it, but counts for nothing as it is: take out 'effect', which nobody knows",
        ),
        (
            {PUBSUB: {"p": {"operations": ["*"], "resources": ["x"], "effect": "Allow"}}},
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
    wildcard = operation is PUBLISH and bool({"+", "#"} & set(resource))
    assert found["allowed"] is (decided and not wildcard)
    assert found["reason"]
    if not decided and not wildcard:
        [(service, policies)] = found["remedy"].items()
        after = dict(before) if isinstance(before, dict) else {}
        assert not policies.keys() & after.get(service, {}).keys()
        after[service] = {**after.get(service, {}), **policies}
        problems: list[Any] = []
        fixed = parse_policies({service: policies}, problems.append)
        assert fixed.allow(operation, resource)
        assert problems == []
        assert parse_policies(after, lambda _problem: None).allow(operation, resource)


def written(operations: Any = None, service: str = PUBSUB, **members: Any) -> dict[str, Any]:
    operations = [PUBLISH.name] if operations is None else operations
    return {service: {"typo": {"operations": operations, "resources": ["short/*"], **members}}}


@pytest.mark.parametrize(
    ("access_control", "fix"),
    [
        (written(["PublishToTopic"]), "write 'aws.greengrass#PublishToTopic' for 'PublishToTopic'"),
        (written(["PublishToTpic"]), "write 'aws.greengrass#PublishToTopic' for 'PublishToTpic'"),
        (written([PUBLISH.name, 5]), "make 'operations' a list of texts"),
        (written(PUBLISH.name), "make 'operations' a list"),
        (written([], operation=[PUBLISH.name]), "write 'operations' for 'operation'"),
        (written(effect="Deny"), "take out 'effect', which nobody knows"),
        (written(service="aws.greengrass.ipc.pubsb"), f"write '{PUBSUB}' for 'aws.greengrass.ipc.pubsb'"),
        (json.dumps(written(["publishtotopic"])), "write 'aws.greengrass#PublishToTopic' for 'publishtotopic'"),
    ],
)
def test_a_policy_that_was_meant_to_allow_it_is_named_with_what_to_change(access_control: Any, fix: str) -> None:
    """Beside a valid policy for something else, which is not the cause."""
    whole = json.loads(access_control) if isinstance(access_control, str) else access_control
    before = {**whole, PUBSUB: {**whole.get(PUBSUB, {}), "p": {"operations": ["*"], "resources": ["str/*"]}}}
    found = check(json.dumps(before) if isinstance(access_control, str) else before, PUBLISH, "short/1")
    assert found["reason"] == f"policy 'typo' would allow it, but counts for nothing as it is: {fix}"
    assert found["mend"] == fix
    assert found["near"][0] == {"policy": "typo", "resource": "short/*", "why": f"to count, {fix}"}
    assert [each["policy"] for each in found["near"]] == ["typo", "p"]
    assert check(before, PUBLISH, "long/1")["mend"] == ""
    assert check(before, PUBLISH, "long/1")["reason"].startswith("no resource of ")
    assert not any("typo" in each["why"] for each in check(before, SUBSCRIBE, "short/1")["near"])


def test_policies_are_listed_as_they_are_written_with_what_counts_for_nothing() -> None:
    both = {
        "good": {"operations": [PUBLISH.name, "Wrong"], "resources": ["a", "b?"]},
        "short": {"operations": ["PublishToTopic"], "resources": ["*"]},
        "member": {"operation": ["*"], "resources": ["*"]},
        "none": 5,
        "pattern": {"operations": ["*"], "resources": ["?"]},
    }
    found = explain(NAME, {PUBSUB: both, "aws.greengrass.ipc.pubsb": {"there": both["good"]}}, "")
    listed = {each["policy"]: each for each in found["policies"]}
    assert {name: each["grants"] for name, each in listed.items()} == {
        "good": True,
        "short": False,
        "member": False,
        "none": False,
        "pattern": False,
        "there": False,
    }
    assert (listed["good"]["unknown"], listed["good"]["invalid"]) == (["Wrong"], ["b?"])
    assert (listed["short"]["operations"], listed["short"]["unknown"]) == (["PublishToTopic"], ["PublishToTopic"])
    texts = {(each["service"], each["policy"]): each["text"] for each in found["problems"]}
    assert texts[PUBSUB, "short"].endswith(
        " has no operation 'PublishToTopic'; did you mean 'aws.greengrass#PublishToTopic'?"
    )
    assert texts["aws.greengrass.ipc.pubsb", ""] == f"no operation has this service id; did you mean '{PUBSUB}'?"


def test_a_service_that_somebody_serves_is_no_mistake() -> None:
    own = custom("aws.greengrass.Own#Do")
    policies = policy([own.name], ["*"], "aws.greengrass.Own")
    assert explain(NAME, policies, "")["problems"]
    assert explain(NAME, policies, "", served=[own.name])["problems"] == []


@pytest.mark.parametrize(
    "before", [None, {}, "nonsense", 5, {PUBSUB: 5}, policy(["*"], ["b"]), policy(["*"], ["b"], CLI)]
)
@pytest.mark.parametrize("as_text", [False, True])
def test_what_is_to_be_written_can_be_written_and_helps(before: Any, as_text: bool) -> None:
    before = json.dumps(before) if as_text else deepcopy(before)
    write = check(before, PUBLISH, "t")["write"]
    configuration: dict[str, Any] = {} if before is None else {"accessControl": before}
    place = configuration
    for key in write["key_path"][:-1]:
        place = place.setdefault(key, {})
        assert isinstance(place, dict), "nothing can be written below what is no map"
    place[write["key_path"][-1]] = write["value"]
    after = parse_policies(configuration["accessControl"], lambda _problem: None)
    assert after.allow(PUBLISH, "t")
    assert after.allow(PUBLISH, "b") is (parse_policies(before, lambda _problem: None).allow(PUBLISH, "b"))


def test_what_is_refused_whatever_the_policies_say() -> None:
    found = check(policy(["*"], ["*"]), PUBLISH, "example/#")
    assert not found["allowed"]
    assert "must not contain a wildcard" in found["reason"]
    assert (found["near"], found["remedy"]) == ([], None)
    assert check(policy(["*"], ["*"]), SUBSCRIBE, "example/#")["allowed"]


def test_what_nobody_serves_is_told() -> None:
    assert not explain(NAME, None, "", custom("com.foo#Bar"), served=[PUBLISH.name])["check"]["served"]
    found = explain(NAME, None, "", PUBLISH, "a", served=[PUBLISH.name])
    assert found["check"]["served"]
    assert found["always"] == []


def test_clients_of_the_command_line_tool() -> None:
    def of_client(name: str) -> dict[str, Any]:
        found: dict[str, Any] = explain(CLI, None, "", OPERATIONS[PREFIX + name], "x")["check"]
        return found

    assert of_client("ListComponents")["allowed"]
    assert of_client("SubscribeToIoTCore")["allowed"]
    assert not of_client("UpdateState")["allowed"]
    assert of_client("GetSecretValue")["remedy"]
    always = explain(CLI, None, "")["always"]
    assert "ListComponents" in always
    assert "UpdateState" not in always


class _Timers:
    """A loop as far as refusals need one."""

    def __init__(self) -> None:
        self.waiting: list[Any] = []

    def call_later(self, _seconds: float, callback: Any) -> None:
        self.waiting.append(callback)


def refusals_in(directory: Path, timers: _Timers | None = None) -> Refusals:
    return Refusals(directory / "refusals", cast("Any", timers or _Timers()))


def test_refusals_outlive_who_has_noted_them(tmp_path: Path) -> None:
    timers = _Timers()
    refusals = refusals_in(tmp_path, timers)
    for resource in ("a", "b", "a"):
        refusals.add(NAME, PUBLISH.name, resource)
    [save] = timers.waiting
    save()
    save()  # nothing new: nothing to write
    again = refusals_in(tmp_path)
    assert (again.of(NAME), again.since) == (refusals.of(NAME), refusals.since)
    assert (tmp_path / "refusals").stat().st_mode & 0o777 == 0o600
    again.add(NAME, PUBLISH.name, "b")
    again.save()  # as when it leaves
    assert [each["resource"] for each in refusals_in(tmp_path).of(NAME)] == ["b", "a"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"since": 1, "refusals": [[1]]}', '{"since": null}', "\xff"])
def test_a_file_of_refusals_that_is_broken_does_no_harm(tmp_path: Path, content: str) -> None:
    (tmp_path / "refusals").write_bytes(content.encode("latin-1"))
    refusals = refusals_in(tmp_path)
    refusals.add(NAME, PUBLISH.name, "a")
    refusals.save()
    assert len(refusals_in(tmp_path).of(NAME)) == 1


def test_refusals_are_counted_and_the_oldest_forgotten(tmp_path: Path) -> None:
    refusals = refusals_in(tmp_path)
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
