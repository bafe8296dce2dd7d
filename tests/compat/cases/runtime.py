"""What is about the runtime itself: tokens, passwords, metrics, its own configuration, and getting in."""

from __future__ import annotations

from typing import Any

from tests.compat.actions.world import bus
from tests.compat.case import EVERYTHING, STRANGER, Answer, C, Caller, Case, Kind, Match, Refusal

TOKEN, PASSWORD, METRIC = "ValidateAuthorizationToken", "CreateDebugPassword", "PutComponentMetric"
SYSTEM = "GetSystemConfig"
STREAM_MANAGER = Caller(name="aws.greengrass.StreamManager")
AWS = Caller(EVERYTHING, prefix="aws.example")
AWS_STRANGER = Caller(prefix="aws.example")
ONLY_ONE_METRIC = Caller(
    {"aws.greengrass.ipc.componentmetric": {"p": {"operations": ["*"], "resources": ["Allowed*"]}}},
    prefix="aws.example",
)
INVALID = Refusal("InvalidArgumentsError")
UNAUTHORIZED = Refusal("UnauthorizedError")


def _my_token(scene: Any) -> None:
    scene.names["token"] = scene.token("com.example.Holder")


TOKENS = (
    Case(TOKEN, "a valid one", {"token": "{token}"}, Answer({"isValid": True}), (_my_token,), caller=STREAM_MANAGER),
    Case(TOKEN, "an unknown one", {"token": "0123456789ABCDEF"}, Refusal("InvalidTokenError"), caller=STREAM_MANAGER),
    Case(TOKEN, "without a token", {}, Refusal("InvalidTokenError"), caller=STREAM_MANAGER, unchecked=True),
    Case(TOKEN, "a token that is no text", {"token": 5}, Refusal("InvalidTokenError"), caller=STREAM_MANAGER,
         unchecked=True),
    Case(TOKEN, "not allowed", {"token": "{token}"}, UNAUTHORIZED, (_my_token,)),
)  # fmt: skip

PASSWORDS = (
    Case(PASSWORD, "for eight hours", {}, Answer({
        "username": "debug", "password": Match("[A-Za-z0-9_-]{43}"),
        "passwordExpiration": Kind(float, lambda seconds: seconds > 1_700_000_000),
    })),
    Case(PASSWORD, "not allowed", {}, UNAUTHORIZED, caller=STRANGER),
)  # fmt: skip


def metrics(*each: dict[str, Any]) -> dict[str, Any]:
    return {"metrics": list(each)}


def metric(name: Any = "Speed", unit: Any = "COUNT", value: Any = 1.5) -> dict[str, Any]:
    return {"name": name, "unit": unit, "value": value}


UNITS = ("BYTES", "BYTES_PER_SECOND", "COUNT", "COUNT_PER_SECOND", "MEGABYTES", "SECONDS")
METRICS = (
    Case(METRIC, "every unit", metrics(*(metric(unit, unit) for unit in UNITS)), Answer(), caller=AWS,
         then=(bus("gg_telemetry", "list", "counted", namespace="{me}"), lambda scene: _has_counted(scene, UNITS))),
    Case(METRIC, "without a value", metrics({"name": "Speed", "unit": "COUNT"}), Refusal("ServiceError"),
         caller=AWS, unchecked=True),
    Case(METRIC, "a unit in another spelling", metrics(metric(unit="BytesPerSecond")), Answer(), caller=AWS),
    Case(METRIC, "a whole number, and nothing", metrics(metric(value=3), metric(value=0.0)), Answer(), caller=AWS),
    Case(METRIC, "as the stream manager", metrics(metric()), Answer(), caller=STREAM_MANAGER),
    Case(METRIC, "allowed by a pattern", metrics(metric("AllowedSpeed")), Answer(), caller=ONLY_ONE_METRIC),
    Case(METRIC, "one of two is not allowed", metrics(metric("AllowedSpeed"), metric("Other")), UNAUTHORIZED,
         caller=ONLY_ONE_METRIC),
    Case(METRIC, "without a policy", metrics(metric()), UNAUTHORIZED, caller=AWS_STRANGER),
    Case(METRIC, "not as a component of AWS", metrics(metric()), UNAUTHORIZED),
    Case(METRIC, "no metrics", metrics(), INVALID, caller=AWS),
    Case(METRIC, "without metrics", {}, INVALID, caller=AWS, unchecked=True),
    Case(METRIC, "an empty name", metrics(metric("")), INVALID, caller=AWS),
    Case(METRIC, "a long name", metrics(metric("x" * 33)), INVALID, caller=AWS),
    Case(METRIC, "a unit nobody knows", metrics(metric(unit="FURLONGS")), INVALID, caller=AWS),
    Case(METRIC, "an empty unit", metrics(metric(unit="")), INVALID, caller=AWS),
    Case(METRIC, "less than nothing", metrics(metric(value=-1.0)), INVALID, caller=AWS),
    Case(METRIC, "metrics that are no list", {"metrics": "x"}, Refusal("ServiceError"), caller=AWS, clients=(C,)),
)  # fmt: skip

SYSTEMS = (
    Case(SYSTEM, "a value", {"key": "compatProbe"}, Answer({"value": "Thing ü"}),
         (bus("gg_config", "write", key_path=["system", "compatProbe"], value="Thing ü"),), clients=(C,)),
    Case(SYSTEM, "a value that is a map", {"key": "compatMap"}, Answer({"value": {"a": [1]}}),
         (bus("gg_config", "write", key_path=["system", "compatMap"], value={"a": [1]}),), clients=(C,)),
    Case(SYSTEM, "an unknown key", {"key": "nowhere"},
         Refusal("ServiceError", "Failed to read the system configuration."), clients=(C,)),
    Case(SYSTEM, "without a key", {}, INVALID, clients=(C,)),
    Case(SYSTEM, "a key that is no text", {"key": 5}, INVALID, clients=(C,)),
)  # fmt: skip


def _has_counted(scene: Any, names: tuple[str, ...]) -> None:
    counted = scene.values["counted"]
    assert sorted(row["name"] for row in counted) == sorted(names), counted


CASES = (*TOKENS, *PASSWORDS, *METRICS, *SYSTEMS)
