from typing import Any

import pytest

from ggl.cloud.settings import decode
from ggl.iotcored.target import Target, target_of
from ggl.values import InvalidValue


def target(endpoint: str = "x-ats.iot.eu-west-1.amazonaws.com", **mqtt: Any) -> Target:
    return target_of(decode({"thingName": "T"}, {"iotDataEndpoint": endpoint, "mqtt": mqtt}))


def test_what_holds_unless_it_is_said_otherwise() -> None:
    found = target()
    assert (found.port, found.alpn, found.mqtt5) == (8883, (), True)
    assert (found.keep_alive, found.ping_timeout, found.operation_timeout, found.socket_timeout) == (60, 30, 30, 3)
    assert (found.in_flight, found.max_message, found.max_retries) == (5, 131072, 100)
    assert (found.first_delay, found.last_delay, found.stable_after) == (1, 120, 30)
    assert (found.receive_maximum, found.session_expiry, found.standalone_timeout) == (100, 604800, 60)
    assert (found.spool.disk, found.spool.limit, found.spool.keep_qos0) == (False, 2621440, False)


def test_what_is_said() -> None:
    found = target(
        version="mqtt3",
        port="443",
        maxInFlightPublishes=1000,
        spooler={"storageType": "Disk", "maxSizeInBytes": "100", "keepQos0WhenOffline": "true"},
    )
    assert (found.mqtt5, found.port, found.alpn, found.in_flight) == (False, 443, ("x-amzn-mqtt-ca",), 100)
    assert (found.spool.disk, found.spool.limit, found.spool.keep_qos0) == (True, 100, True)


def test_a_port_at_the_endpoint_comes_first() -> None:
    assert target("localhost:1234", port=8883).address == "localhost:1234"
    assert target("localhost", port=1234).elsewhere("other:77", None).address == "other:77"
    assert target("localhost", port=1234).elsewhere("other", None).address == "other:1234"


@pytest.mark.parametrize(
    ("mqtt", "why"),
    [
        ({"keepAliveTimeoutMs": 1000, "pingTimeoutMs": 1000}, "greater than 'mqtt.pingTimeoutMs'"),
        ({"port": 0}, "'mqtt.port' must be from 1"),
        ({"spooler": {"storageType": "Cloud"}}, "Memory or Disk"),
        ({"spooler": "Disk"}, "'mqtt.spooler' must be a map"),
        ({"spooler": {"maxSizeInBytes": 0}}, "'mqtt.spooler.maxSizeInBytes' must be from 1"),
        ({"spooler": {"keepQos0WhenOffline": "yes"}}, "'mqtt.spooler.keepQos0WhenOffline' must be true or false"),
        ({"operationTimeoutMs": 0}, "'mqtt.operationTimeoutMs' must be from 1"),
        ({"socketTimeoutMs": 0}, "'mqtt.socketTimeoutMs' must be from 1"),
        ({"maxPublishRetry": -2}, "'mqtt.maxPublishRetry' must be from -1"),
        ({"maxInFlightPublishes": "many"}, "'mqtt.maxInFlightPublishes' must be a whole number"),
    ],
)
def test_mistakes_name_the_key(mqtt: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidValue, match=why):
        target(**mqtt)


def test_no_keep_alive_needs_no_ping() -> None:
    assert target(keepAliveTimeoutMs=0).keep_alive == 0


def test_a_short_keep_alive_is_not_none() -> None:
    assert target(keepAliveTimeoutMs=400, pingTimeoutMs=100).keep_alive == 1


def test_there_is_a_pause_between_attempts_in_any_case() -> None:
    found = target(minimumReconnectDelaySeconds=0, maximumReconnectDelaySeconds=0)
    assert (found.first_delay, found.last_delay) == (1, 120)


def test_any_other_version_is_the_old_one() -> None:
    assert [target(version=each).mqtt5 for each in ("mqtt5", "", "mqtt4", 5)] == [True, True, False, False]
