"""What the device knows of the cloud, from a configuration that people wrote in many ways."""

from __future__ import annotations

from typing import Any

import pytest

from ggl.cloud.settings import Identity, ProxySettings, Settings, decode
from ggl.values import InvalidValue

SYSTEM = {
    "thingName": "Thing1",
    "certificateFilePath": "/c.pem",
    "privateKeyPath": "/k.pem",
    "rootCaPath": " /ca.pem\n",
}


def test_what_is_there_is_taken_and_the_rest_has_defaults() -> None:
    found = decode(SYSTEM, {"awsRegion": "eu-west-1", "iotDataEndpoint": "data", "mqtt": {"port": 443}})

    assert found.identity == Identity("Thing1", "/c.pem", "/k.pem", "/ca.pem")
    assert (found.region, found.data_endpoint, found.data_plane_port) == ("eu-west-1", "data", 8443)
    assert (found.s3_endpoint_type, found.fips, found.credential_timeout) == ("GLOBAL", False, 60.0)
    assert found.mqtt == {"port": 443}
    assert found.missing_for_mqtt() == []
    assert found.missing_for_credentials() == ["iotCredEndpoint", "iotRoleAlias"]


def test_nothing_at_all_is_a_device_that_is_not_provisioned() -> None:
    assert decode({}, {}) == Settings()
    assert len(decode({}, {}).missing_for_mqtt()) == 5


def test_numbers_and_truth_may_be_texts() -> None:
    found = decode({}, {"greengrassDataPlanePort": "443", "fipsMode": "True", "credentialEndpointTimeoutMs": 1500.0})

    assert (found.data_plane_port, found.fips, found.credential_timeout) == (443, True, 1.5)


@pytest.mark.parametrize("port", [True, "x", 0, 65536, 1.5, float("inf"), float("nan"), [443]])
def test_a_port_that_is_none_is_refused_by_name(port: Any) -> None:
    with pytest.raises(InvalidValue, match="greengrassDataPlanePort"):
        decode({}, {"greengrassDataPlanePort": port})


@pytest.mark.parametrize(
    ("key", "value"),
    [("iotDataEndpoint", ["x"]), ("awsRegion", True), ("mqtt", "x"), ("networkProxy", 1), ("fipsMode", "perhaps")],
)
def test_what_has_the_wrong_type_is_refused_by_name(key: str, value: Any) -> None:
    with pytest.raises(InvalidValue, match=key):
        decode({}, {key: value})


def test_the_proxy_trusts_the_ca_of_the_device() -> None:
    proxy = {"url": "https://p:1", "username": "u", "password": "s"}
    found = decode(SYSTEM, {"networkProxy": {"proxy": proxy, "noProxyAddresses": "a, .b ,,10.0.0.0/8"}})

    assert found.proxy == ProxySettings("https://p:1", "u", "s", "", "", ("a", ".b", "10.0.0.0/8"), "/ca.pem")
