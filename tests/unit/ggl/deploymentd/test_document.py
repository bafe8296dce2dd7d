"""The deployment document, from a local request and from the cloud's JSON."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ggl.deploymentd.document import Document, decode, encode
from ggl.deploymentd.local import LOCAL_GROUP, decode_request, local_document
from ggl.deploymentd.update import ComponentUpdate, RunWith
from ggl.jobsd.messages import brief_of
from ggl.values import InvalidValue

CLOUD = {
    "deploymentId": "d-1",
    "schemaDate": "2021-05-17",
    "deploymentName": "heaters-weekly",
    "configurationArn": "arn:aws:greengrass:eu-west-1:111122223333:configuration:thinggroup/heaters:14",
    "creationTimestamp": 1760000000000,
    "failureHandlingPolicy": "DO_NOTHING",
    "componentUpdatePolicy": {"timeout": 45, "action": "SKIP_NOTIFY_COMPONENTS"},
    "configurationValidationPolicy": {"timeout": 30},
    "components": {
        "org.sample.Heater": {
            "version": "2.1.0",
            "configurationUpdate": {"merge": {"loop": {"seconds": 9}}, "reset": ["/topic"]},
            "runWith": {"posixUser": "heat:heat", "systemResourceLimits": {"memory": 65536, "cpus": 0.5}},
        },
        "org.sample.Plain": {"version": "1.0.0"},
    },
}


def test_a_cloud_document_is_decoded() -> None:
    document = decode(CLOUD)
    assert document.group == "thinggroup/heaters"
    assert document.roots == {"org.sample.Heater": "2.1.0", "org.sample.Plain": "1.0.0"}
    assert document.updates == {
        "org.sample.Heater": ComponentUpdate({"loop": {"seconds": 9}}, ("/topic",), RunWith("heat:heat", 65536, 0.5))
    }
    assert (document.failure_policy, document.update_timeout, document.validation_timeout) == ("DO_NOTHING", 45, 30)


def test_what_a_document_does_not_say() -> None:
    arn = "arn:aws:greengrass:eu-west-1:111122223333:configuration:thing/heater-7:3"
    document = decode({"deploymentId": "d", "creationTimestamp": 5, "configurationArn": arn})
    assert document == Document("d", "thing/heater-7", 5, configuration_arn=arn)
    assert (document.roots, document.failure_policy, document.update_action) == ({}, "ROLLBACK", "NOTIFY_COMPONENTS")
    assert (document.update_timeout, document.validation_timeout) == (60, 60)
    # Null says nothing, and neither does what nobody knows.
    silent = dict.fromkeys(("components", "failureHandlingPolicy", "componentUpdatePolicy", "onBehalfOf"))
    more = {"osPlatform": "linux", "schemaDate": "2099-01-01", "parentTargetArn": None}
    said = {"deploymentId": "d", "creationTimestamp": 5, "configurationArn": arn}
    assert decode({**said, **silent, **more, "components": {}}) == document


@pytest.mark.parametrize("target", ["thinggroup/a:b_c-1", "thing/Heater:7"])
def test_names_of_groups_and_things_may_have_colons(target: str) -> None:
    arn = f"arn:aws:greengrass:eu-west-1:111122223333:configuration:{target}:14"
    assert decode({**CLOUD, "configurationArn": arn}).group == target
    assert brief_of({**CLOUD, "configurationArn": arn}).target == target


@pytest.mark.parametrize(
    "behalf", ["arn:aws:iot:eu-west-1:111122223333:thinggroup/everywhere", "thinggroup/everywhere"]
)
def test_a_deployment_to_a_part_of_a_group_counts_for_the_group(behalf: str) -> None:
    assert decode({**CLOUD, "onBehalfOf": behalf}).group == "thinggroup/everywhere"


def test_keys_are_found_in_any_case_and_a_merge_may_be_json_text() -> None:
    data: dict[str, Any] = {
        "DEPLOYMENTID": "d",
        "CreationTimestamp": 1,
        "configurationARN": "arn:aws:greengrass:r:1:configuration:thing/t:1",
        "Components": {"C": {"Version": "1.0.0", "ConfigurationUpdate": {"MERGE": '{"Mixed": 1}', "RESET": ["/x"]}}},
    }
    data["COMPONENTUPDATEPOLICY"] = {"Action": "skip_notify_components", "TIMEOUT": 5}
    data["Components"]["C"]["RUNWITH"] = {"PosixUser": "u", "SYSTEMRESOURCELIMITS": {"Memory": 7, "CPUS": 2}}
    document = decode(data)
    assert (document.group, document.roots) == ("thing/t", {"C": "1.0.0"})
    assert document.updates["C"] == ComponentUpdate({"Mixed": 1}, ("/x",), RunWith("u", 7, 2))
    assert (document.update_action, document.update_timeout) == ("SKIP_NOTIFY_COMPONENTS", 5)


def test_a_document_that_is_kept_on_disk_comes_back_the_same() -> None:
    local = Document("d", LOCAL_GROUP, 5, {"A": "1.0.0"}, {"Dep": ComponentUpdate({"k": None})}, wait_timeout=3.5)
    for document in (decode(CLOUD), local):
        assert decode(encode(document)) == document


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"deploymentId": None}, "'deploymentId' is missing"),
        ({"creationTimestamp": "now"}, "'creationTimestamp' must be an integer"),
        ({"creationTimestamp": True}, "'creationTimestamp' must be an integer"),
        ({"creationTimestamp": 1760000000000.0}, "'creationTimestamp' must be an integer"),
        ({"creationTimestamp": -1}, "'creationTimestamp' must be milliseconds since 1970"),
        ({"creationTimestamp": 2**63}, "'creationTimestamp' must be milliseconds since 1970, not 9223372036854775808"),
        ({"onBehalfOf": "g" * 140}, "a group name has at most 128 characters"),
        ({"configurationArn": "arn:short"}, "names no target"),
        ({"onBehalfOf": "arn:aws:iot:eu-west-1:111122223333:thing/t"}, "names no thing group"),
        ({"componentUpdatePolicy": {"timeout": -1}}, "'timeout' of 'componentUpdatePolicy' must be 0 seconds or more"),
        ({"configurationValidationPolicy": {"timeout": float("nan")}}, "'configurationValidationPolicy' must be 0"),
        ({"components": {"C": {"version": "^1.0.0"}}}, "must be an exact one"),
        ({"components": {"C": {}}}, "component 'C' of the deployment document has no version"),
        ({"components": {"C": "1.0.0"}}, "component 'C' of the deployment document must be a map"),
        ({"failureHandlingPolicy": "PANIC"}, "must be ROLLBACK or DO_NOTHING"),
        ({"components": {"C": {"version": "1.0.0", "configurationUpdate": {"reset": ["a"]}}}}, "no JSON pointer"),
        ({"components": {"C": {"version": "1.0.0", "configurationUpdate": {"merge": "{"}}}}, "is not JSON"),
        ({"components": {"C": {"version": "1.0.0", "configurationUpdate": {"merge": [1]}}}}, "must be a map"),
    ],
)
def test_an_invalid_document_is_refused_with_the_place_named(change: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidValue, match=text):
        decode({**CLOUD, **change})


def test_a_local_request_changes_the_roots_of_its_group() -> None:
    request = decode_request(
        {"root_component_versions_to_add": {"A": "2.0.0", "C": "1.0.0"}, "root_components_to_remove": ["B", "unknown"]}
    )
    document = local_document(request, "d", 9, {"A": "1.0.0", "B": "1.0.0", "D": "1.0.0"})
    assert document.roots == {"A": "2.0.0", "C": "1.0.0", "D": "1.0.0"}
    assert (document.group, document.timestamp, document.update_action) == (LOCAL_GROUP, 9, "SKIP_NOTIFY_COMPONENTS")
    assert (document.validation_timeout, document.failure_policy) == (20, "DO_NOTHING")


@pytest.mark.parametrize(("name", "group"), [("lab", "thinggroup/lab"), (LOCAL_GROUP, LOCAL_GROUP), ("", LOCAL_GROUP)])
def test_the_group_of_a_local_request_is_a_thing_group(name: str, group: str) -> None:
    assert local_document(decode_request({"group_name": name}), "d", 9, {}).group == group


def test_a_component_that_is_removed_and_added_is_a_root() -> None:
    request = decode_request({"root_component_versions_to_add": {"A": "2.0.0"}, "root_components_to_remove": ["A"]})
    assert local_document(request, "d", 9, {"A": "1.0.0"}).roots == {"A": "2.0.0"}


def test_an_empty_request_is_valid_and_takes_the_roots_as_they_are() -> None:
    assert local_document(decode_request({}), "d", 9, {"A": "1.0.0"}).roots == {"A": "1.0.0"}


def test_configuration_and_run_with_of_a_local_request() -> None:
    request = decode_request(
        {
            "component_to_configuration": {"A": {"MERGE": {"k": 1}, "RESET": ["", "/x~1y"]}},
            "component_to_run_with_info": {"B": {"posixUser": "nobody"}, "C": {"posixUser": None}, "D": {}},
        }
    )
    assert request.updates == {
        "A": ComponentUpdate({"k": 1}, ("", "/x~1y")),
        "B": ComponentUpdate(run_with=RunWith("nobody")),
        "C": ComponentUpdate(run_with=RunWith("")),
        "D": ComponentUpdate(run_with=RunWith(None)),
    }
    assert decode(encode(local_document(request, "d", 9, {}))).updates == request.updates


@pytest.mark.parametrize(
    "params",
    [
        {"group_name": "a:b"},
        {"group_name": "g" * 129},
        {"timeout": 0},
        {"timeout": float("inf")},
        {"failure_handling_policy": "PANIC"},
        {"root_component_versions_to_add": {"/etc/x": "1.0.0"}},
        {"root_component_versions_to_add": {"": "1.0.0"}},
        {"root_component_versions_to_add": {"A": ""}},
        {"component_to_configuration": {"a/b": {}}},
        {"component_to_configuration": {"A": "[" * 100_000}},
        {"root_components_to_remove": [1]},
        {"root_component_versions_to_add": {"A": 1}},
        {"component_to_configuration": {"A": [1]}},
        {"component_to_configuration": {"A": {"MERGE": {}, "RESET": "x"}}},
        {"component_to_run_with_info": {"A": {"systemResourceLimits": {"memory": 0}}}},
    ],
)
def test_an_invalid_local_request_is_refused(params: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue):
        decode_request(params)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
UPDATES = st.dictionaries(
    st.sampled_from(["A", "..", "a/b"]),
    st.dictionaries(st.sampled_from(["MERGE", "reset", "posixUser", "systemResourceLimits"]), ANYTHING) | ANYTHING,
    max_size=2,
)
REQUEST_KEYS = (
    *("recipe_directory_path", "artifacts_directory_path", "root_component_versions_to_add", "group_name", "timeout"),
    *("root_components_to_remove", "requested_by", "failure_handling_policy"),
)


@given(
    st.dictionaries(st.sampled_from(REQUEST_KEYS), ANYTHING, max_size=2),
    st.dictionaries(st.sampled_from(["component_to_configuration", "component_to_run_with_info"]), UPDATES | ANYTHING),
)
def test_any_request_is_decoded_or_refused(params: dict[str, Any], updates: dict[str, Any]) -> None:
    try:
        request = decode_request({**params, **updates})
    except InvalidValue:
        return
    assert decode(encode(local_document(request, "d", 9, {}))).roots == request.add


@given(st.dictionaries(st.sampled_from(sorted(CLOUD)), ANYTHING, max_size=3))
def test_any_document_is_decoded_or_refused(changes: dict[str, Any]) -> None:
    with suppress(InvalidValue):
        decode({**CLOUD, **changes})
