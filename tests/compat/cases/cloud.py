"""Operations that nobody serves yet: each is answered, with an error that says so; and answered as the model has it by
whoever registers it."""

from __future__ import annotations

from typing import Any

from tests.compat.actions.serving import event_from_server, serve
from tests.compat.case import Answer, Case, NotServed, Refusal, Step

PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
DOCUMENT = "eyJzdGF0ZSI6eyJkZXNpcmVkIjp7fX19"
REGISTERED = "Operations of a registered daemon"

REQUESTS: dict[str, dict[str, Any]] = {
    "AuthorizeClientDeviceAction": {
        "clientDeviceAuthToken": "t", "operation": "mqtt:publish", "resource": "mqtt:topic:a",
    },
    "DeleteThingShadow": {"thingName": "Thing", "shadowName": "s"},
    "GetClientDeviceAuthToken": {"credential": {"mqttCredential": {"clientId": "c", "certificatePem": PEM}}},
    "GetSecretValue": {"secretId": "arn:aws:secretsmanager:x", "versionStage": "AWSCURRENT"},
    "GetThingShadow": {"thingName": "Thing"},
    "ListNamedShadowsForThing": {"thingName": "Thing", "pageSize": 5},
    "SubscribeToCertificateUpdates": {"certificateOptions": {"certificateType": "SERVER"}},
    "UpdateThingShadow": {"thingName": "Thing", "payload": DOCUMENT},
    "VerifyClientDeviceIdentity": {"credential": {"clientDeviceCertificate": PEM}},
}  # fmt: skip

ANSWERS: dict[str, dict[str, Any]] = {
    "AuthorizeClientDeviceAction": {"isAuthorized": False},
    "DeleteThingShadow": {"payload": ""},
    "GetClientDeviceAuthToken": {"clientDeviceAuthToken": "token"},
    "GetSecretValue": {
        "secretId": "arn", "versionId": "v", "versionStage": ["AWSCURRENT"], "secretValue": {"secretBinary": "AAEC"},
    },
    "GetThingShadow": {"payload": DOCUMENT},
    "ListNamedShadowsForThing": {"results": ["a", "b"], "timestamp": 1_700_000_000.0, "nextToken": "n"},
    "SubscribeToCertificateUpdates": {},
    "UpdateThingShadow": {"payload": DOCUMENT},
    "VerifyClientDeviceIdentity": {"isValidClientDevice": True},
}  # fmt: skip

EVENTS: dict[str, dict[str, Any]] = {
    "SubscribeToCertificateUpdates": {
        "certificateUpdate": {"privateKey": PEM, "publicKey": PEM, "certificate": PEM, "caCertificates": [PEM, PEM]}
    },
}  # fmt: skip

ERRORS = {
    "AuthorizeClientDeviceAction": "InvalidClientDeviceAuthTokenError",
    "GetClientDeviceAuthToken": "InvalidCredentialError",
    "UpdateThingShadow": "ConflictError",
    "GetSecretValue": "ResourceNotFoundError",
}


def _then(operation: str) -> tuple[Step, ...]:
    event = EVENTS.get(operation)
    return () if event is None else (Step(event_from_server(event), (event,)),)


UNSERVED = tuple(Case(operation, "not served", request, NotServed()) for operation, request in REQUESTS.items())
SERVED = tuple(
    Case(operation, f"{operation}, served", request, Answer(ANSWERS[operation]),
         (serve(operation, {"response": ANSWERS[operation]}),),
         then=_then(operation),
         row=REGISTERED)
    for operation, request in REQUESTS.items()
)  # fmt: skip
FAILING = tuple(
    Case(operation, f"{operation}, refused", REQUESTS[operation], Refusal(shape, "No, ü.", {"resourceType": "secret"}
         if shape == "ResourceNotFoundError" else {}),
         (serve(operation, {"error": {"shape": shape, "message": "No, ü.", "resourceType": "secret"}}),),
         row=REGISTERED)
    for operation, shape in ERRORS.items()
)  # fmt: skip

CASES = (*UNSERVED, *SERVED, *FAILING)
