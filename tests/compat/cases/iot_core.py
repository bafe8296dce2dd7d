"""AWS IoT Core, on a device that is not configured for it: whoever asks is told so, but first what is wrong with the
request."""

from __future__ import annotations

from typing import Any

from tests.compat.case import STRANGER, Answer, C, Case, Refusal, Step

PUBLISH, SUBSCRIBE, STATUS = "PublishToIoTCore", "SubscribeToIoTCore", "SubscribeToIoTCoreConnectionStatus"
REQUEST = {"topicName": "a/b", "qos": "1", "payload": "AAEC"}
INVALID = "InvalidArgumentsError"
UNCONFIGURED = (
    r"this device is not configured for AWS IoT Core \(system\.thingName, system\.certificateFilePath, "
    r"system\.privateKeyPath, system\.rootCaPath, iotDataEndpoint not set\): .+"
)


def without(member: str) -> dict[str, Any]:
    return {key: value for key, value in REQUEST.items() if key != member}


def unauthorized(operation: str, topic: str) -> Refusal:
    return Refusal(
        "UnauthorizedError",
        r"Principal {me} is not authorized to perform aws\.greengrass\.ipc\.mqttproxy:"
        rf"aws\.greengrass#{operation} on resource {topic}",
    )


CASES = (
    Case(PUBLISH, "not configured", REQUEST,
         Refusal("ServiceError", f"Publish to topic a/b failed: {UNCONFIGURED}")),
    Case(PUBLISH, "with all it can have",
         {**REQUEST, "retain": True, "userProperties": [{"key": "k", "value": "ü"}], "responseTopic": "r",
          "messageExpiryIntervalSeconds": 5, "correlationData": "/w==", "payloadFormat": "1", "contentType": "x"},
         Refusal("ServiceError", f"Publish to topic a/b failed: {UNCONFIGURED}")),
    Case(PUBLISH, "no policy", REQUEST, unauthorized(PUBLISH, "a/b"), caller=STRANGER),
    Case(PUBLISH, "no topic", without("topicName"), Refusal(INVALID, "Topic is required"), unchecked=True),
    Case(PUBLISH, "no payload", without("payload"), Refusal(INVALID, "Payload is required"), unchecked=True),
    Case(PUBLISH, "no QoS", without("qos"), Refusal(INVALID, "QoS is required"), unchecked=True),
    Case(PUBLISH, "QoS 2", {**REQUEST, "qos": "2"}, Refusal(INVALID, "Invalid QoS value: 2"), unchecked=True),
    Case(PUBLISH, "no base64", {**REQUEST, "payload": "?"},
         Refusal("ServiceError", "Received invalid parameters: 'payload' is not valid base64"), clients=(C,)),
    Case(SUBSCRIBE, "not configured", {"topicName": "a/#", "qos": "0"},
         Refusal("ServiceError", f"Subscribe to topic a/# failed with error {UNCONFIGURED}")),
    Case(SUBSCRIBE, "no policy", {"topicName": "a/#", "qos": "0"}, unauthorized(SUBSCRIBE, "a/#"), caller=STRANGER),
    Case(SUBSCRIBE, "no topic", {"qos": "0"}, Refusal(INVALID, "Topic is required"), unchecked=True),
    Case(SUBSCRIBE, "no QoS", {"topicName": "a"}, Refusal(INVALID, "QoS is required"), unchecked=True),
    Case(SUBSCRIBE, "QoS 2", {"topicName": "a", "qos": "2"}, Refusal(INVALID, "Invalid QoS value: 2"),
         unchecked=True),
    Case(STATUS, "not configured", {}, Answer(),
         then=(Step(lambda _scene: None, ({"connectionStatusEvent": {"status": "DISCONNECTED"}},)),)),
    Case(STATUS, "needs no policy", {}, Answer(),
         then=(Step(lambda _scene: None, ({"connectionStatusEvent": {"status": "DISCONNECTED"}},)),), caller=STRANGER),
)  # fmt: skip
