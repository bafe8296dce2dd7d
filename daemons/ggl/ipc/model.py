"""The operations of Greengrass IPC that components may call, as one table.

A line says what a server has to know about an operation: its name, the shape of its stream events when it is a
subscription, and the access control that applies: the service id whose policies are searched and the texts in a request
that a policy's ``resources`` are compared with. Request and response shapes follow from the name. What the members of a
request mean is known only to the daemon that serves the operation.

The table is the published service model (35 operations); who serves one of them, if anybody, is another matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ggl.ipc.errors import invalid_arguments, service_error
from ggl.ipc.metrics import NO_METRICS, UNFIT_METRIC, is_fit
from ggl.values import InvalidValue, get_list, get_str

PREFIX = "aws.greengrass#"
SERVICE = PREFIX + "GreengrassCoreIPC"

PUBSUB = "aws.greengrass.ipc.pubsub"
MQTT = "aws.greengrass.ipc.mqttproxy"
LIFECYCLE = "aws.greengrass.ipc.lifecycle"
METRICS = "aws.greengrass.ipc.componentmetric"
CLI = "aws.greengrass.Cli"
SECRETS = "aws.greengrass.SecretManager"
SHADOWS = "aws.greengrass.ShadowManager"
CLIENT_DEVICES = "aws.greengrass.clientdevices.Auth"

DEFAULT_TIMEOUT = 10.0
COPY_TIMEOUT = 600.0
"""Seconds that copying the folders of a local deployment may take."""

Resources = Callable[[Mapping[str, Any]], "list[str]"]
"""Every resource a request touches; empty when the request lacks the member that names it. Raises ``InvalidValue``,
or the ``IpcError`` that ends the request."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. ``service`` is ``None`` when every component may call it."""

    short_name: str
    event: str | None = None
    service: str | None = None
    resources: Resources | None = None
    missing: str = ""
    """What is wrong with a request that names no resource: the text of its InvalidArgumentsError."""
    timeout: float = DEFAULT_TIMEOUT
    """Seconds that the daemon which serves it may take for its answer."""
    callers: str = ""
    """What the name of a component must begin with: others are refused whatever their policies say."""
    exempt: frozenset[str] = frozenset()
    """Components that need no policy."""
    prefix: str = PREFIX

    @property
    def name(self) -> str:
        return self.prefix + self.short_name

    @property
    def request_shape(self) -> str:
        return f"{self.name}Request"

    @property
    def response_shape(self) -> str:
        return f"{self.name}Response"

    @property
    def event_shape(self) -> str | None:
        return self.prefix + self.event if self.event else None

    @property
    def streaming(self) -> bool:
        return self.event is not None


def _anything(_request: Mapping[str, Any]) -> list[str]:
    """For operations that act on no nameable thing: the resource is the text ``*``."""
    return ["*"]


def _member(key: str, empty_is_missing: bool = False) -> Resources:
    def resources(request: Mapping[str, Any]) -> list[str]:
        value = get_str(request, key, None)
        return [] if value is None or (empty_is_missing and not value) else [value]

    return resources


def _secret(request: Mapping[str, Any]) -> list[str]:
    """The id as it is written. A request without one is a ServiceError, for which alone the clients are prepared."""
    secret = get_str(request, "secretId", "")
    if not secret:
        raise service_error("'secretId' is required")
    return [secret]


def _shadow(request: Mapping[str, Any]) -> list[str]:
    thing, shadow = get_str(request, "thingName", ""), get_str(request, "shadowName", "")
    if not thing:
        return []
    return [f"$aws/things/{thing}/shadow" + (f"/name/{shadow}" if shadow else "")]


def _metric_names(request: Mapping[str, Any]) -> list[str]:
    """The names up to the first metric that is not fit: what is wrong with it is said to who may put those before."""
    metrics = get_list(request, "metrics", [])
    if not metrics:
        raise invalid_arguments(NO_METRICS)
    names = []
    for metric in metrics:
        if not isinstance(metric, dict):
            raise InvalidValue("'metrics' must be a list of maps")
        if not is_fit(metric):
            break
        names.append(metric["name"])
    if not names:
        raise invalid_arguments(UNFIT_METRIC)
    return names


def _cli(name: str, member: str | None = None, missing: str = "", timeout: float = DEFAULT_TIMEOUT) -> Operation:
    return Operation(name, None, CLI, _member(member, empty_is_missing=True) if member else _anything, missing, timeout)


def _named_shadow(name: str) -> Operation:
    return Operation(name, None, SHADOWS, _shadow, "'thingName' is required")


def custom(name: str, event: str = "") -> Operation:
    """The operation ``name`` (in full) outside the published model; ``event`` is the full shape of its stream events.

    Callers need a policy of the service id that is the text before the ``#``, for the resource ``*``.
    """
    return Operation(name, event or None, name.partition("#")[0], _anything, prefix="")


_NO_COMPONENT = "Component name cannot be empty"

OPERATIONS: dict[str, Operation] = {
    operation.name: operation
    for operation in (
        Operation("AuthorizeClientDeviceAction", None, CLIENT_DEVICES, _anything),
        _cli("CancelLocalDeployment"),
        _cli("CreateDebugPassword"),
        _cli("CreateLocalDeployment", timeout=COPY_TIMEOUT),
        Operation("DeferComponentUpdate"),
        _named_shadow("DeleteThingShadow"),
        Operation("GetClientDeviceAuthToken", None, CLIENT_DEVICES, _anything),
        _cli("GetComponentDetails", "componentName", _NO_COMPONENT),
        Operation("GetConfiguration"),
        _cli("GetLocalDeploymentStatus", "deploymentId", "'deploymentId' is required"),
        Operation("GetSecretValue", None, SECRETS, _secret),
        _named_shadow("GetThingShadow"),
        _cli("ListComponents"),
        _cli("ListLocalDeployments"),
        Operation("ListNamedShadowsForThing", None, SHADOWS, _member("thingName", True), "'thingName' is required"),
        Operation("PauseComponent", None, LIFECYCLE, _member("componentName", True), "Component name is required."),
        Operation("PublishToIoTCore", None, MQTT, _member("topicName"), "Topic is required"),
        Operation("PublishToTopic", None, PUBSUB, _member("topic"), "Publish topic must not be empty"),
        Operation(
            "PutComponentMetric",
            None,
            METRICS,
            _metric_names,
            callers="aws.",
            exempt=frozenset(("aws.greengrass.StreamManager",)),
        ),
        _cli("RestartComponent", "componentName", _NO_COMPONENT),
        Operation("ResumeComponent", None, LIFECYCLE, _member("componentName", True), "Component name is required."),
        Operation("SendConfigurationValidityReport"),
        _cli("StopComponent", "componentName", _NO_COMPONENT),
        Operation("SubscribeToCertificateUpdates", "CertificateUpdateEvent", CLIENT_DEVICES, _anything),
        Operation("SubscribeToComponentUpdates", "ComponentUpdatePolicyEvents"),
        Operation("SubscribeToConfigurationUpdate", "ConfigurationUpdateEvents"),
        Operation("SubscribeToIoTCore", "IoTCoreMessage", MQTT, _member("topicName"), "Topic is required"),
        Operation("SubscribeToIoTCoreConnectionStatus", "IoTCoreConnectionStatusEvent"),
        Operation(
            "SubscribeToTopic",
            "SubscriptionResponseMessage",
            PUBSUB,
            _member("topic"),
            "Subscribe topic must not be empty",
        ),
        Operation("SubscribeToValidateConfigurationUpdates", "ValidateConfigurationUpdateEvents"),
        Operation("UpdateConfiguration"),
        Operation("UpdateState"),
        _named_shadow("UpdateThingShadow"),
        Operation("ValidateAuthorizationToken"),
        Operation("VerifyClientDeviceIdentity", None, CLIENT_DEVICES, _anything),
    )
}
