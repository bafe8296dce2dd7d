"""What the payloads of requests look like: a grammar of the operations' requests, and all that can be wrong with JSON.

Everything is JSON text, as bytes, so that what no value can express (duplicate keys, NaN, half a surrogate pair, broken
escapes) can be said as well. Payloads are made once into a ``Corpus``, from which a client then picks quickly.
"""

from __future__ import annotations

import json
from functools import partial
from random import Random

from ggl.ipc.model import OPERATIONS

COMPONENTS = ("com.example.Fuzz0", "com.example.Fuzz1", "com.example.Fuzz2", "com.example.Fuzz3")
"""Who sends it. They may only change what is their own."""

Choices = tuple[bytes, ...]


def _texts(*values: object) -> Choices:
    return tuple(json.dumps(value).encode() for value in values)


_NAMES = _texts(*COMPONENTS, "com.example.Nobody", "aws.greengrass.Nucleus", "", "a" * 300, "../../etc", "\x00")
_TOPICS = _texts(
    "fuzz/a", "fuzz/b", "fuzz/+", "fuzz/#", "fuzz//", "", "/", "#", "a/#/b", "fuzz/" + "l/" * 200, "t" * 1100
)
_PATHS = _texts([], ["x"], ["x", "y"], ["z"], ["list"], ["accessControl"], [""], ["no", "such", "key"], ["a"] * 90)
_MAPS = _texts({}, {"x": 1}, {"x": {"y": [1, 2.5, None, True, "t"]}}, {"z": "\U0001f600"}, {"list": list(range(50))})
_IDS = _texts("b7ad5a2c-5ad1-4ec8-9c0b-0d6f5a9a7e11", "no-uuid", "", "x" * 200)
_TIMES = _texts(0, 1, 1700000000, 1700000000.25, 1700000000123, 4102444800)
_PATHNAMES = _texts("/nonexistent", "/proc/self", "relative", "", "/" + "d/" * 3000)
_BOOLS = _texts(True, False)
_BYTES = _texts("", "aGVsbG8=", "%%%", "aGVsbG8", "QUJD" * 500)
_COUNTS = _texts(0, 1, 60000, -1, 2**40)
_MESSAGES = (
    b'{"jsonMessage":{"message":{"n":1}}}',
    b'{"binaryMessage":{"message":"aGVsbG8="}}',
    b'{"jsonMessage":{"message":{"x":"' + b"y" * 3000 + b'"},"context":{"topic":"forged"}}}',
    b'{"jsonMessage":{"message":[]},"binaryMessage":{"message":""}}',
    b'{"jsonMessage":null}',
    b"{}",
)
_REPORTS = (b'{"status":"ACCEPTED","deploymentId":"no-uuid"}', b'{"status":"REJECTED","message":"no"}', b'{"status":1}')
_METRICS = (
    b'[{"name":"n","unit":"COUNT","value":1}]',
    b'[{"name":"","unit":"BYTES","value":-1e300}]',
    b'[{"name":"n"},[],null,{"name":5}]',
    b"[]",
)
_DEVICE = (b'{"clientDeviceToken":"t"}', b'{"mqttCredential":{"clientId":"c","username":"u","password":"p"}}', b"{}")

_SHADOW = {"thingName": _texts("Thing", "", "t" * 200), "shadowName": _texts("shadow", "", "s" * 200)}

_MEMBERS: dict[str, dict[str, Choices]] = {
    "AuthorizeClientDeviceAction": {
        "clientDeviceAuthToken": _IDS,
        "operation": _texts("mqtt:publish", ""),
        "resource": _texts("mqtt:topic:x", "*"),
    },
    "CancelLocalDeployment": {"deploymentId": _IDS},
    "CreateDebugPassword": {},
    "CreateLocalDeployment": {
        "groupName": _texts("g", "a:b", ""),
        "rootComponentVersionsToAdd": _texts({"com.example.Nobody": "1.0.0"}, {"": ""}, {"x": "^1"}),
        "rootComponentsToRemove": _texts([], ["com.example.Nobody"], [1]),
        "componentToConfiguration": _texts({}, {"x": {"MERGE": "{"}}, {"x": {"RESET": ["a"]}}),
        "componentToRunWithInfo": _texts({}, {"x": {"posixUser": "a:b:c"}}),
        "recipeDirectoryPath": _PATHNAMES,
        "artifactsDirectoryPath": _PATHNAMES,
        "failureHandlingPolicy": _texts("DO_NOTHING", "ROLLBACK", "PANIC"),
    },
    "DeferComponentUpdate": {"deploymentId": _IDS, "message": _NAMES, "recheckAfterMs": _COUNTS},
    "DeleteThingShadow": _SHADOW,
    "GetClientDeviceAuthToken": {"credential": _DEVICE},
    "GetComponentDetails": {"componentName": _NAMES},
    "GetConfiguration": {"componentName": _NAMES, "keyPath": _PATHS},
    "GetLocalDeploymentStatus": {"deploymentId": _IDS},
    "GetSecretValue": {"secretId": _IDS, "versionId": _IDS, "versionStage": _NAMES, "refresh": _BOOLS},
    "GetThingShadow": _SHADOW,
    "ListComponents": {},
    "ListLocalDeployments": {},
    "ListNamedShadowsForThing": {"thingName": _NAMES, "nextToken": _IDS, "pageSize": _COUNTS},
    "PauseComponent": {"componentName": _NAMES},
    "PublishToIoTCore": {"topicName": _TOPICS, "qos": _texts("0", "1", "2"), "payload": _BYTES, "retain": _BOOLS},
    "PublishToTopic": {"topic": _TOPICS, "publishMessage": _MESSAGES},
    "PutComponentMetric": {"metrics": _METRICS},
    "RestartComponent": {"componentName": _NAMES},
    "ResumeComponent": {"componentName": _NAMES},
    "SendConfigurationValidityReport": {"configurationValidityReport": _REPORTS},
    "StopComponent": {"componentName": _NAMES},
    "SubscribeToCertificateUpdates": {"certificateOptions": (b'{"certificateType":"SERVER"}', b"{}")},
    "SubscribeToComponentUpdates": {},
    "SubscribeToConfigurationUpdate": {"componentName": _NAMES, "keyPath": _PATHS},
    "SubscribeToIoTCore": {"topicName": _TOPICS, "qos": _texts("0", "1")},
    "SubscribeToIoTCoreConnectionStatus": {},
    "SubscribeToTopic": {
        "topic": _TOPICS,
        "receiveMode": _texts("RECEIVE_ALL_MESSAGES", "RECEIVE_MESSAGES_FROM_OTHERS", "SOME"),
    },
    "SubscribeToValidateConfigurationUpdates": {},
    "UpdateConfiguration": {"keyPath": _PATHS, "timestamp": _TIMES, "valueToMerge": _MAPS},
    "UpdateState": {"state": _texts("RUNNING", "ERRORED", "BROKEN", "")},
    "UpdateThingShadow": {**_SHADOW, "payload": _BYTES},
    "ValidateAuthorizationToken": {"token": _IDS},
    "VerifyClientDeviceIdentity": {"credential": _DEVICE},
}
assert {operation.short_name for operation in OPERATIONS.values()} == _MEMBERS.keys()

_WEIGHTS = {"PublishToTopic": 8.0, "GetConfiguration": 8.0, "SubscribeToTopic": 4.0, "UpdateConfiguration": 0.3}
"""How often an operation is picked, where it is not once. Each change of the configuration waits for the disk."""


def _nested(opening: bytes, closing: bytes, depth: int, inside: bytes = b"") -> bytes:
    return opening * depth + inside + closing * depth


ODD: Choices = (
    *(b"null", b"true", b"false", b"0", b"-0", b"-1", b"1.0", b"1e5", b"0.1e-300", b'""', b'"text"', b"[]", b"{}"),
    *(b"9223372036854775807", b"9223372036854775808", b"-9223372036854775809", b"18446744073709551616"),
    *(b"9" * 30, b"9" * 400, b"9" * 5000, b"1e308", b"1e999", b"-1e400", b"NaN", b"Infinity", b"-Infinity", b"1e-999"),
    *(b'"\\ud800"', b'"\\udfff\\ud800"', b'"\\ud83d\\ude00"', b'{"\\udfff":0}', b'"\\u0000"', b'"\\x"', b'"\\u12"'),
    *(b'"\xff\xfe"', b'"\xed\xa0\x80"', b'"\xc0\xaf"', b'"\x00\x01"', b'"unended', b'"' + b"l" * 20_000 + b'"'),
    *(b"[1,]", b"{,}", b'{"a"}', b'{"a":1,"a":2}', b'{"":{"":null}}', b"{1:2}", b"[[],{}]", b"nul", b"'a'", b"//", b""),
    *(_nested(b"[", b"]", depth) for depth in (50, 62, 70, 500, 990, 1010, 20_000)),
    *(_nested(b'{"a":', b"}", depth, b"1") for depth in (50, 62, 70, 500, 1010, 10_000)),
    b"[" + b"1," * 2000 + b"1]",
    b"{" + b",".join(b'"k%d":%d' % (n, n) for n in range(500)) + b"}",
    b"[" * 30_000,
)


class Corpus:
    """Payloads of every operation, made from ``rng``."""

    def __init__(self, rng: Random, each: int = 150) -> None:
        self.by_operation = {name: [payload_of(rng, name) for _ in range(each)] for name in _MEMBERS}
        self._names = list(_MEMBERS)
        weights = [_WEIGHTS.get(name, 1.0) for name in self._names]
        self._sum = sum(weights)
        self.pick_operation = partial(_pick, self._names, [sum(weights[: n + 1]) for n in range(len(weights))])

    def pick(self, rng: Random) -> tuple[str, bytes]:
        """An operation's short name and a payload for it."""
        name = self.pick_operation(rng)
        payloads = self.by_operation[name]
        return name, payloads[int(rng.random() * len(payloads))]


def _pick(names: list[str], cumulated: list[float], rng: Random) -> str:
    return rng.choices(names, cum_weights=cumulated)[0]


def payload_of(rng: Random, name: str) -> bytes:
    """A payload for the operation ``name``: as it should be, or with something wrong."""
    members = [(b'"%s"' % key.encode(), rng.choice(values)) for key, values in _MEMBERS[name].items()]
    how = rng.random()
    if how < 0.4:
        return _object(members)
    if how < 0.65 and members:
        spot = rng.randrange(len(members))
        members[spot] = members[spot][0], rng.choice(ODD)
    elif how < 0.75 and members:
        del members[rng.randrange(len(members))]
    elif how < 0.82 and members:
        key, _ = rng.choice(members)
        members.insert(rng.randrange(len(members) + 1), (key, rng.choice(ODD)))
    elif how < 0.88:
        members.insert(rng.randrange(len(members) + 1), (rng.choice(_NAMES), rng.choice(ODD)))
    elif how < 0.93:
        return rng.choice((b"", b" ", b"[%s]", b"%s%s", b'"%s"', b"\xef\xbb\xbf%s", b"%s\0")).replace(
            b"%s", _object(members)
        )
    elif how < 0.96:
        return rng.choice(ODD)
    else:
        return damaged(rng, _object(members))
    return _object(members)


def _object(members: list[tuple[bytes, bytes]]) -> bytes:
    return b"{" + b",".join(b"%s:%s" % member for member in members) + b"}"


def damaged(rng: Random, data: bytes) -> bytes:
    """``data`` with a few bytes changed, lost, put in or repeated."""
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        spot = int(rng.random() * (len(changed) + 1))
        how = rng.random()
        if how < 0.4 and spot < len(changed):
            changed[spot] = int(rng.random() * 256)
        elif how < 0.6:
            del changed[spot : spot + rng.randrange(1, 9)]
        elif how < 0.8:
            changed[spot:spot] = rng.randbytes(rng.randrange(1, 9))
        elif how < 0.9:
            changed[spot:spot] = changed[: rng.randrange(1, 40)]
        else:
            del changed[spot:]
    return bytes(changed)
