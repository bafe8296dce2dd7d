"""Which deployments send the device elsewhere, and where it may be sent."""

from __future__ import annotations

from typing import Any

import pytest

from ggl.bus.errors import BusError, ErrorCode
from ggl.deploymentd.configuration import Stamped
from ggl.deploymentd.current import Current
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.switch import Switch, confirm, find_switch, try_out
from ggl.version import NUCLEUS, NUCLEUS_ALIAS

HERE: dict[str, Any] = {
    "awsRegion": "eu-west-1",
    "iotDataEndpoint": "a-ats.iot.eu-west-1.amazonaws.com",
    "iotCredEndpoint": "a.credentials.iot.eu-west-1.amazonaws.com",
    "iotRoleAlias": "Alias",
    "mqtt": {"port": 443},
}
THERE = {
    **HERE,
    "awsRegion": "us-gov-west-1",
    "iotDataEndpoint": "b-ats.iot.us-gov-west-1.amazonaws.com",
    "iotCredEndpoint": "b.credentials.iot.us-gov-west-1.amazonaws.com",
}


def stamped(data: dict[str, Any]) -> Stamped:
    return {key: stamped(value) if isinstance(value, dict) else {"v": value, "t": 1} for key, value in data.items()}


def switch(before: dict[str, Any], after: dict[str, Any], name: str = NUCLEUS) -> Switch | None:
    return find_switch(Current({NUCLEUS: {"configuration": stamped(before)}}), {name: after})


class FakeRuntime:
    def __init__(self, error: BusError | None = None) -> None:
        self.error = error
        self.tried: list[tuple[str, dict[str, Any]]] = []
        self.statuses: list[dict[str, Any]] = []
        self.configuration = Current()

    def current(self) -> Current:
        return self.configuration

    def connection(self) -> dict[str, Any]:
        return self.statuses[0]

    def try_endpoint(self, interface: str, params: dict[str, Any], timeout: float) -> None:
        self.tried.append((interface, params))
        if self.error is not None:
            raise self.error


def trial(runtime: FakeRuntime, found: Switch | None) -> None:
    assert found is not None
    try_out(runtime, found)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [NUCLEUS, NUCLEUS_ALIAS])
def test_other_endpoints_are_a_switch_and_both_are_tried(name: str) -> None:
    found = switch(HERE, THERE, name)
    assert found is not None
    assert found.source_endpoint == "a-ats.iot.eu-west-1.amazonaws.com:443"
    runtime = FakeRuntime()
    trial(runtime, found)
    assert runtime.tried == [
        ("aws_iot_mqtt", {"endpoint": THERE["iotDataEndpoint"], "port": 443, "timeout_ms": 60_000}),
        ("aws_iot_tes", {"endpoint": THERE["iotCredEndpoint"], "role_alias": "Alias"}),
    ]


def test_anything_else_is_none() -> None:
    assert switch(HERE, {**HERE, "logging": {"level": "DEBUG"}, "mqtt": {"port": 8883}}) is None
    assert find_switch(Current(), {"App": {"iotDataEndpoint": "x"}}) is None


def test_another_role_is_tried_where_the_device_stays() -> None:
    runtime = FakeRuntime()
    found = switch(HERE, {**HERE, "iotRoleAlias": "Other"})
    trial(runtime, found)
    assert [interface for interface, _ in runtime.tried] == ["aws_iot_tes"]
    assert found is not None
    assert found.source_endpoint == ""


def test_a_device_without_endpoints_leaves_none() -> None:
    found = switch({}, {**HERE, "mqtt": {}})
    runtime = FakeRuntime()
    trial(runtime, found)
    assert runtime.tried == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"iotDataEndpoint": ""}, "IOT_DATA_ENDPOINT_FORMAT_NOT_VALID"),
        ({"iotDataEndpoint": "mqtts://host"}, "IOT_DATA_ENDPOINT_FORMAT_NOT_VALID"),
        ({"iotDataEndpoint": "two words"}, "IOT_DATA_ENDPOINT_FORMAT_NOT_VALID"),
        ({"iotDataEndpoint": "host:0"}, "IOT_DATA_ENDPOINT_FORMAT_NOT_VALID"),
        ({"iotDataEndpoint": "user@host"}, "IOT_DATA_ENDPOINT_FORMAT_NOT_VALID"),
        ({"awsRegion": "us-east-1"}, "IOT_DATA_ENDPOINT_FORMAT_NOT_VALID"),
        ({"iotCredEndpoint": "b.iot.eu-west-1.amazonaws.com"}, "IOT_CRED_ENDPOINT_FORMAT_NOT_VALID"),
        ({"awsRegion": "europe"}, "UNSUPPORTED_REGION"),
    ],
)
def test_what_can_be_no_endpoint_is_refused(change: dict[str, Any], code: str) -> None:
    with pytest.raises(DeploymentError) as caught:
        switch(HERE, {**HERE, **change})
    assert caught.value.codes == (code,)


def test_names_that_are_not_amazons_may_be_anything() -> None:
    for name in ("iot.example.org", "localhost:9883", "[::1]:8883", "10.0.0.1"):
        found = switch(HERE, {**HERE, "iotDataEndpoint": name})
        assert found is not None
        assert found.after.data == name


@pytest.mark.parametrize(
    ("text", "code", "reason"),
    [
        ("TLS_HANDSHAKE_FAILURE: the certificate is not trusted", "TLS_HANDSHAKE_FAILURE", "the certificate is"),
        ("MISSING_MQTT_CONNECT_POLICY: refused", "MISSING_MQTT_CONNECT_POLICY", "refused"),
        ("something: else", "MQTT_CONNECTION_FAILED", "something: else"),
    ],
)
def test_an_endpoint_that_cannot_be_used_fails_with_what_is_wrong(text: str, code: str, reason: str) -> None:
    with pytest.raises(DeploymentError) as caught:
        trial(FakeRuntime(BusError(ErrorCode.REMOTE, text)), switch(HERE, THERE))
    assert caught.value.codes == (code,)
    assert reason in caught.value.message


def test_nobody_to_try_it_is_no_verdict() -> None:
    with pytest.raises(BusError):
        trial(FakeRuntime(BusError(ErrorCode.NOCONN, "away")), switch(HERE, THERE))


class FakeJournal:
    """``sleep`` gets the runtime to its next status."""

    def __init__(self, runtime: FakeRuntime) -> None:
        self.runtime = runtime
        self.slept = 0

    def note(self, **_changes: Any) -> None:
        pass

    def sleep(self, _seconds: float) -> None:
        self.slept += 1
        self.runtime.statuses.append(self.runtime.statuses.pop(0))


def confirmation(timeout_ms: int, *statuses: dict[str, Any]) -> int:
    """How often was slept before the connection was seen."""
    there = {**THERE, "mqtt": {"standaloneMqttTimeoutMs": timeout_ms}}
    runtime = FakeRuntime()
    runtime.configuration = Current({NUCLEUS: {"configuration": stamped(there)}})
    runtime.statuses = list(statuses)
    journal = FakeJournal(runtime)
    confirm(runtime, journal)  # type: ignore[arg-type]
    return journal.slept


def test_the_deployment_waits_until_the_device_is_connected_at_the_new_endpoint() -> None:
    old = {"connected": True, "endpoint": HERE["iotDataEndpoint"], "port": 8883}
    new = {"connected": True, "endpoint": THERE["iotDataEndpoint"], "port": 8883}
    assert confirmation(60_000, {}, old, {**new, "connected": False}, {**new, "port": 443}, new) == 4


def test_the_deployment_fails_when_there_is_no_connection_in_time() -> None:
    away = {"connected": False, "endpoint": THERE["iotDataEndpoint"], "last_error": "nobody answers"}
    with pytest.raises(DeploymentError, match="nobody answers") as caught:
        confirmation(1, away)
    assert caught.value.codes == ("MQTT_CONNECTION_FAILED",)
