"""The table of IPC operations against the published service model, as the device SDK carries it."""

from __future__ import annotations

from typing import Any

import awsiot.greengrasscoreipc.model as model
import pytest

from ggl.ipc.errors import IpcError
from ggl.ipc.model import OPERATIONS, PREFIX
from ggl.values import InvalidValue

METRIC = {"name": "a", "unit": "Count", "value": 1}

PUBSUB, MQTT = "aws.greengrass.ipc.pubsub", "aws.greengrass.ipc.mqttproxy"
LIFECYCLE, METRICS = "aws.greengrass.ipc.lifecycle", "aws.greengrass.ipc.componentmetric"
CLI, SECRETS, SHADOWS = "aws.greengrass.Cli", "aws.greengrass.SecretManager", "aws.greengrass.ShadowManager"
DEVICES = "aws.greengrass.clientdevices.Auth"
SHADOW = {"thingName": "t", "shadowName": "s"}

ACCESS: dict[str, tuple[str, dict[str, object], list[str]]] = {
    "AuthorizeClientDeviceAction": (DEVICES, {"resource": "mqtt:topic:a"}, ["*"]),
    "CancelLocalDeployment": (CLI, {"deploymentId": "d"}, ["*"]),
    "CreateDebugPassword": (CLI, {}, ["*"]),
    "CreateLocalDeployment": (CLI, {"groupName": "g"}, ["*"]),
    "DeleteThingShadow": (SHADOWS, SHADOW, ["$aws/things/t/shadow/name/s"]),
    "GetClientDeviceAuthToken": (DEVICES, {}, ["*"]),
    "GetComponentDetails": (CLI, {"componentName": "c"}, ["c"]),
    "GetLocalDeploymentStatus": (CLI, {"deploymentId": "d"}, ["d"]),
    "GetSecretValue": (SECRETS, {"secretId": "arn:x"}, ["arn:x"]),
    "GetThingShadow": (SHADOWS, SHADOW, ["$aws/things/t/shadow/name/s"]),
    "ListComponents": (CLI, {}, ["*"]),
    "ListLocalDeployments": (CLI, {}, ["*"]),
    "ListNamedShadowsForThing": (SHADOWS, SHADOW, ["t"]),
    "PauseComponent": (LIFECYCLE, {"componentName": "c"}, ["c"]),
    "PublishToIoTCore": (MQTT, {"topicName": "a/b"}, ["a/b"]),
    "PublishToTopic": (PUBSUB, {"topic": "a/b"}, ["a/b"]),
    "PutComponentMetric": (METRICS, {"metrics": [METRIC]}, ["a"]),
    "RestartComponent": (CLI, {"componentName": "c"}, ["c"]),
    "ResumeComponent": (LIFECYCLE, {"componentName": "c"}, ["c"]),
    "StopComponent": (CLI, {"componentName": "c"}, ["c"]),
    "SubscribeToCertificateUpdates": (DEVICES, {}, ["*"]),
    "SubscribeToIoTCore": (MQTT, {"topicName": "a/#"}, ["a/#"]),
    "SubscribeToTopic": (PUBSUB, {"topic": "a/+"}, ["a/+"]),
    "UpdateThingShadow": (SHADOWS, SHADOW, ["$aws/things/t/shadow/name/s"]),
    "VerifyClientDeviceIdentity": (DEVICES, {}, ["*"]),
}
"""What a policy must be of for each operation, and what its resources are compared with; for others none is needed."""


def _sdk_operations() -> dict[str, Any]:
    kinds = (kind for name, kind in vars(model).items() if name.startswith("_") and name.endswith("Operation"))
    return {kind._model_name(): kind for kind in kinds if hasattr(kind, "_model_name")}


def test_every_operation_of_the_sdk_is_in_the_table_and_no_other() -> None:
    assert OPERATIONS.keys() == _sdk_operations().keys()
    assert len(OPERATIONS) == 35


@pytest.mark.parametrize("name", OPERATIONS)
def test_shapes_are_those_of_the_sdk(name: str) -> None:
    operation, theirs = OPERATIONS[name], _sdk_operations()[name]
    assert operation.request_shape == theirs._request_type()._model_name()
    assert operation.response_shape == theirs._response_type()._model_name()
    event = theirs._response_stream_type()
    assert operation.event_shape == (event._model_name() if event else None)
    assert operation.streaming == (event is not None)


def test_what_access_control_is_about() -> None:
    found: dict[str, tuple[str, dict[str, object], list[str]]] = {}
    for operation in OPERATIONS.values():
        if operation.service is not None and operation.resources is not None:
            request = ACCESS[operation.short_name][1]
            found[operation.short_name] = operation.service, request, operation.resources(request)
    assert found == ACCESS


@pytest.mark.parametrize(
    ("operation", "request_members", "resources"),
    [
        ("PublishToTopic", {"topic": ""}, [""]),
        ("PublishToTopic", {}, []),
        ("StopComponent", {"componentName": ""}, []),
        ("GetThingShadow", {"thingName": "t"}, ["$aws/things/t/shadow"]),
        ("GetThingShadow", {"thingName": "t", "shadowName": ""}, ["$aws/things/t/shadow"]),
        ("DeleteThingShadow", {"shadowName": "s"}, []),
        ("PutComponentMetric", {"metrics": [METRIC, {**METRIC, "name": "b"}]}, ["a", "b"]),
        ("PutComponentMetric", {"metrics": [METRIC, {**METRIC, "value": -1}, {**METRIC, "name": "b"}]}, ["a"]),
    ],
)
def test_the_resources_of_a_request(operation: str, request_members: dict[str, object], resources: list[str]) -> None:
    getter = OPERATIONS[PREFIX + operation].resources
    assert getter is not None
    assert getter(request_members) == resources


def test_a_resource_of_the_wrong_type_is_an_error() -> None:
    getter = OPERATIONS[PREFIX + "PublishToTopic"].resources
    assert getter is not None
    with pytest.raises(InvalidValue, match="'topic' must be a string"):
        getter({"topic": 5})


def test_an_operation_under_access_control_says_what_is_wrong_without_a_resource() -> None:
    refused = {}
    for operation in OPERATIONS.values():
        if operation.service is not None:
            assert operation.resources is not None
            try:
                assert operation.missing or operation.resources({}), operation.name
            except IpcError as error:
                refused[operation.short_name] = error.shape
    assert refused == {"GetSecretValue": "ServiceError", "PutComponentMetric": "InvalidArgumentsError"}
