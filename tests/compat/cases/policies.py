"""What must stand in a policy: the service, the operation and the resource that go with each operation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tests.compat.case import Answer, Caller, Case, Having, Kind, Refusal

CLI = "aws.greengrass.Cli"
LIFECYCLE = "aws.greengrass.ipc.lifecycle"
METRICS = "aws.greengrass.ipc.componentmetric"
PUBSUB = "aws.greengrass.ipc.pubsub"

DEPLOYMENT = "01234567-89ab-cdef-0123-456789abcdef"
NOBODY = "com.example.Nobody"
UNKNOWN = Refusal("ResourceNotFoundError")

NEEDED: tuple[tuple[str, str, Mapping[str, Any], str, Answer | Refusal], ...] = (
    ("CancelLocalDeployment", CLI, {"deploymentId": DEPLOYMENT}, "*", UNKNOWN),
    ("CreateDebugPassword", CLI, {}, "*", Answer(Having({"username": "debug"}))),
    ("CreateLocalDeployment", CLI, {"groupName": "a:b"}, "*", Refusal("InvalidArgumentsError")),
    ("GetComponentDetails", CLI, {"componentName": NOBODY}, NOBODY, UNKNOWN),
    ("GetLocalDeploymentStatus", CLI, {"deploymentId": DEPLOYMENT}, DEPLOYMENT, UNKNOWN),
    ("ListComponents", CLI, {}, "*", Answer(Having({"components": Having(elements=(Having(),))}))),
    ("ListLocalDeployments", CLI, {}, "*", Answer({"localDeployments": Kind(list)})),
    ("PauseComponent", LIFECYCLE, {"componentName": NOBODY}, NOBODY, UNKNOWN),
    ("PublishToTopic", PUBSUB, {"topic": "a/b", "publishMessage": {"jsonMessage": {"message": {}}}}, "a/b", Answer()),
    ("PutComponentMetric", METRICS, {"metrics": [{"name": "Speed", "unit": "COUNT", "value": 1.0}]}, "Speed", Answer()),
    ("RestartComponent", CLI, {"componentName": NOBODY}, NOBODY, UNKNOWN),
    ("ResumeComponent", LIFECYCLE, {"componentName": NOBODY}, NOBODY, UNKNOWN),
    ("StopComponent", CLI, {"componentName": NOBODY}, NOBODY, UNKNOWN),
    ("SubscribeToTopic", PUBSUB, {"topic": "a/+/#"}, "a/+/#", Answer()),
)


def _caller(operation: str, service: str, name: str, resource: str) -> Caller:
    policy = {"operations": [f"aws.greengrass#{name}"], "resources": [resource]}
    prefix = "aws.example" if operation == "PutComponentMetric" else "com.example"
    return Caller({service: {"p": policy}}, prefix=prefix)


def _cases(
    operation: str, service: str, request: Mapping[str, Any], resource: str, expect: Answer | Refusal
) -> tuple[Case, ...]:
    text = f" is not authorized to perform {service}:aws.greengrass#{operation} on resource {resource}"
    refused = Refusal("UnauthorizedError", "Principal {me}" + re.escape(text))
    other = next(name for name, of, *_ in NEEDED if of == service and name != operation) if service != METRICS else "X"
    elsewhere = PUBSUB if service != PUBSUB else CLI
    return (
        Case(operation, "a policy for just this", request, expect,
             caller=_caller(operation, service, operation, resource)),
        Case(operation, "a policy for another operation", request, refused,
             caller=_caller(operation, service, other, resource)),
        Case(operation, "a policy for another resource", request, refused,
             caller=_caller(operation, service, operation, "other")),
        Case(operation, "a policy of another service", request, refused,
             caller=_caller(operation, elsewhere, operation, resource)),
    )  # fmt: skip


CASES = tuple(case for needed in NEEDED for case in _cases(*needed))
