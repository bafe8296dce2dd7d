"""Where AWS is."""

from __future__ import annotations

import pytest

from ggl.cloud.endpoints import data_plane_url, dns_suffix, host_port, https_alpn, split_host_port
from ggl.cloud.settings import Settings
from ggl.values import InvalidValue


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("host", ("host", 443)),
        ("host:8443", ("host", 8443)),
        ("https://host:1/path", ("host", 1)),
        ("https://host", ("host", 443)),
        ("[::1]:5", ("::1", 5)),
        ("[::1]", ("::1", 443)),
        ("fe80::1", ("fe80::1", 443)),
    ],
)
def test_host_and_port(text: str, found: tuple[str, int]) -> None:
    assert split_host_port(text, 443) == found
    assert split_host_port(host_port(*found), 1) == found


@pytest.mark.parametrize("text", ["", ":1", "host:", "host:x", "host:0", "host:65536", "https://", "[::1]x"])
def test_what_is_no_host(text: str) -> None:
    with pytest.raises(InvalidValue):
        split_host_port(text, 443)


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        (Settings(region="eu-west-1"), "https://greengrass-ats.iot.eu-west-1.amazonaws.com:8443"),
        (Settings(region="cn-north-1"), "https://greengrass.ats.iot.cn-north-1.amazonaws.com.cn:8443"),
        (
            Settings(region="cn-northwest-1", data_plane_port=443),
            "https://greengrass-ats.iot.cn-northwest-1.amazonaws.com.cn:443",
        ),
        (Settings(data_plane_endpoint="iotData", data_endpoint="d:8883"), "https://d:8443"),
        (Settings(data_plane_endpoint="https://g:5"), "https://g:5"),
        (Settings(data_plane_endpoint="g", data_plane_port=443), "https://g:443"),
    ],
)
def test_the_data_plane(settings: Settings, url: str) -> None:
    assert data_plane_url(settings) == url


@pytest.mark.parametrize("settings", [Settings(), Settings(data_plane_endpoint="iotdata")])
def test_without_a_region_or_an_endpoint_there_is_no_data_plane(settings: Settings) -> None:
    with pytest.raises(InvalidValue, match="not set"):
        data_plane_url(settings)


def test_alpn_is_for_443_alone() -> None:
    assert (https_alpn(443), https_alpn(8443)) == (("x-amzn-http-ca",), ())


def test_partitions_have_their_own_suffixes() -> None:
    assert dns_suffix("us-gov-west-1") == "amazonaws.com"
    assert dns_suffix("us-iso-east-1") == "c2s.ic.gov"
    assert dns_suffix("us-isob-east-1") == "sc2s.sgov.gov"
