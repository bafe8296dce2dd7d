"""``ggl deploy file``: documents in the form of devices and of the cloud's API, and what is wrong with them."""

from __future__ import annotations

import io
import json

import pytest

NAME = "com.example.Hello"
ARN = "arn:aws:greengrass:eu-west-1:111122223333:configuration:thinggroup/heaters:14"
DEVICE = {
    "deploymentId": "5f0c9a52",
    "configurationArn": ARN,
    "creationTimestamp": 1_760_000_000_000,
    "failureHandlingPolicy": "DO_NOTHING",
    "componentUpdatePolicy": {"timeout": 45, "action": "NOTIFY_COMPONENTS"},
    "components": {NAME: {"version": "2.1.0", "configurationUpdate": {"merge": {"rate": 9}, "reset": ["/topic"]}}},
}
CLOUD = {
    "targetArn": "arn:aws:iot:eu-west-1:111122223333:thinggroup/heaters",
    "revisionId": "14",
    "deploymentId": "5f0c9a52",
    "creationTimestamp": "2025-10-09T08:53:20+00:00",
    "deploymentPolicies": {
        "failureHandlingPolicy": "DO_NOTHING",
        "componentUpdatePolicy": {"timeoutInSeconds": 45, "action": "NOTIFY_COMPONENTS"},
    },
    "components": {
        NAME: {"componentVersion": "2.1.0", "configurationUpdate": {"merge": '{"rate": 9}', "reset": ["/topic"]}}
    },
    "iotJobConfiguration": {"timeoutConfig": {"inProgressTimeoutInMinutes": 5}},
    "tags": {},
}


def deploy(ggl, tmp_path, document, *words: str):
    path = tmp_path / "document.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return ggl("deploy", "file", str(path), "--no-wait", *words)


def test_a_document_is_passed_on_as_it_is(ggl, runtime, tmp_path) -> None:
    result = deploy(ggl, tmp_path, DEVICE, "--timeout", "90", "-r", str(tmp_path))
    assert (result.code, result.err) == (0, "")
    method, request = runtime.calls[0]
    assert method == "create_deployment"
    assert request["document"] == DEVICE
    assert request["recipe_directory_path"] == str(tmp_path)
    assert request["timeout"] == 90


def test_the_form_of_the_cloud_is_converted_and_that_is_said(ggl, runtime, tmp_path) -> None:
    result = deploy(ggl, tmp_path, CLOUD)
    assert result.code == 0
    assert runtime.calls[0][1]["document"] == DEVICE
    assert "converted from the form of the cloud's API" in result.err
    assert "only the cloud needs it: iotJobConfiguration, tags" in result.err


def test_id_and_time_are_made_up_when_there_are_none(ggl, runtime, tmp_path) -> None:
    document = {key: value for key, value in DEVICE.items() if key not in ("deploymentId", "creationTimestamp")}
    deploy(ggl, tmp_path, document)
    made = runtime.calls[0][1]["document"]
    assert len(made["deploymentId"]) == 36
    assert made["creationTimestamp"] > 1_760_000_000_000
    deploy(ggl, tmp_path, {**DEVICE, "creationTimestamp": 1_760_000_000.5})  # as 'aws' writes it
    assert runtime.calls[1][1]["document"]["creationTimestamp"] == 1_760_000_000_500


def test_yaml_and_standard_input(ggl, runtime, monkeypatch) -> None:
    text = f'configurationArn: {ARN}\nschemaDate: 2021-05-17\ncomponents: {{{NAME}: {{version: "1.0.0"}}}}\n'
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert ggl("deploy", "file", "-", "--no-wait").code == 0
    document = runtime.calls[0][1]["document"]
    assert (document["schemaDate"], document["components"]) == ("2021-05-17", {NAME: {"version": "1.0.0"}})


def test_a_dry_run_of_a_document(ggl, runtime, tmp_path) -> None:
    runtime.difference = {"components": [], "configuration": [], "files": {}, "roots": {}}
    assert "nothing would change" in deploy(ggl, tmp_path, DEVICE, "--dry-run").out
    assert [(name, params["document"]) for name, params in runtime.calls] == [("preview", DEVICE)]


def changed(**members: object) -> dict:
    return {**DEVICE, **members}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("", "is empty"),
        ("{", "not valid JSON: line 1"),
        ("a: [", "not valid YAML: line "),
        ("[]", "a deployment document is a map"),
        ({"configurationArn": ARN}, "'components' is missing"),
        (changed(components={NAME: "1.0.0"}), 'write {"version": "1.0.0"}'),
        (changed(components={NAME: {}}), f"component '{NAME}' has no 'version'"),
        (changed(components={NAME: {"version": "^1.0.0"}}), "a deployment names exact versions"),
        (changed(components={NAME: {"version": 1.0}}), 'write "1.0" in quotes'),
        (changed(components={NAME: {"version": "1.0.0", "componentVersion": "2.0.0"}}), "has both 'version' and"),
        (changed(components={NAME: {"version": "1.0.0", "configurationUpdate": {"merge": "{"}}}), "is not valid JSON"),
        (changed(configurationArn=None), "names no group; add 'groupName'"),
        (changed(targetArn="heaters"), "'targetArn' names no thing and no thing group: 'heaters'"),
        (changed(targetArn="arn:aws:iot:eu-west-1:1:thing/a"), "name different targets"),
        (changed(deploymentPolicies={"failureHandlingPolicy": "ROLLBACK"}), "'failureHandlingPolicy' is there twice"),
        (changed(creationTimestamp="yesterday"), "'creationTimestamp' is no time"),
    ],
)
def test_what_is_wrong_is_told_with_the_file_and_what_to_do(ggl, runtime, tmp_path, document, said) -> None:
    result = deploy(ggl, tmp_path, document)
    assert (result.code, result.err.count("\n")) == (5, 1), result
    assert said in result.err
    assert str(tmp_path / "document.json") in result.err
    assert runtime.calls == []


def test_a_file_that_is_not_there(ggl, runtime) -> None:
    assert ggl("deploy", "file", "/no/such/document").code == 4
    assert ggl("deploy", "file", "/").code == 5


def test_a_group_by_its_name(ggl, runtime, tmp_path) -> None:
    document = {**DEVICE, "groupName": "lab"}
    del document["configurationArn"]
    assert deploy(ggl, tmp_path, document).code == 0
    assert runtime.calls[0][1]["document"] == document


def test_standard_input_has_one_name(ggl, runtime, monkeypatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(CLOUD)))
    assert ggl("deploy", "file", "-", "--no-wait").err.startswith("standard input: converted")
