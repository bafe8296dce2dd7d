"""The environment of a component's scripts."""

from __future__ import annotations

from typing import Any

import pytest

from ggl.runner.environment import component_environment
from ggl.version import NUCLEUS_VERSION


def environment(nucleus: dict[str, Any] | None = None, **options: Any) -> dict[str, str]:
    given: dict[str, Any] = {
        "token": "TOKEN",
        "ipc_socket": "/gg/gg-ipc.socket",
        "registration_socket": "/gg/run/bus/gg_registration",
        "inherited": {"PATH": "/bin", "HOME": "/root", "AWS_SECRET_ACCESS_KEY": "s", "GGL_ROOT": "/gg"},
        **options,
    }
    system = given.pop("system", {"thingName": "thing-7", "rootCaPath": "/gg/ca.pem"})
    return component_environment(system, nucleus or {}, **given)


def test_everything_a_component_may_look_for() -> None:
    assert environment({"awsRegion": "eu-west-1"}) == {
        "PATH": "/bin",
        "HOME": "/root",
        "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT": "/gg/gg-ipc.socket",
        "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH": "/gg/gg-ipc.socket",
        "GGL_REGISTRATION_SOCKET": "/gg/run/bus/gg_registration",
        "SVCUID": "TOKEN",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "TOKEN",
        "AWS_IOT_THING_NAME": "thing-7",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "GG_ROOT_CA_PATH": "/gg/ca.pem",
        "GGC_VERSION": NUCLEUS_VERSION,
        "AWS_USE_FIPS_ENDPOINT": "false",
        "AWS_GG_FIPS_MODE": "false",
    }


def test_a_runtime_without_a_path_gives_the_usual_one() -> None:
    assert environment(inherited={})["PATH"].startswith("/usr/local/sbin:")
    assert environment(inherited={"PATH": ""})["PATH"].endswith("/usr/bin:/sbin:/bin")


def test_characters_that_no_environment_can_hold_are_left_out() -> None:
    found = environment({"awsRegion": "a\0b"}, system={"thingName": "\ud800x"})
    assert (found["AWS_REGION"], found["AWS_IOT_THING_NAME"]) == ("ab", "?x")


def test_what_is_not_configured_is_empty() -> None:
    found = environment(system={})
    assert [found[name] for name in ("AWS_REGION", "AWS_IOT_THING_NAME", "GG_ROOT_CA_PATH")] == ["", "", ""]


@pytest.mark.parametrize("value", [True, "true", "TRUE"])
def test_fips_mode(value: object) -> None:
    found = environment({"fipsMode": value})
    assert (found["AWS_USE_FIPS_ENDPOINT"], found["AWS_GG_FIPS_MODE"]) == ("true", "true")


def test_the_credential_endpoint_once_it_is_there() -> None:
    found = environment(tes_port=4567)
    assert found["AWS_CONTAINER_CREDENTIALS_FULL_URI"] == "http://localhost:4567/2016-11-01/credentialprovider/"


@pytest.mark.parametrize(
    ("proxy", "url"),
    [
        ({"url": "http://proxy:3128"}, "http://proxy:3128"),
        ({"url": "http://proxy:3128", "username": "me"}, "http://me@proxy:3128"),
        ({"url": "http://proxy", "username": "me", "password": "p@ss:/"}, "http://me:p%40ss%3A%2F@proxy"),
        ({"url": "https://a:b@proxy/", "username": "me", "password": "x"}, "https://a:b@proxy/"),
        ({"url": "http://proxy/@x", "username": "me"}, "http://me@proxy/@x"),
    ],
)
def test_proxy_variables_carry_the_credentials(proxy: dict[str, str], url: str) -> None:
    found = environment({"networkProxy": {"proxy": proxy, "noProxyAddresses": "10.0.0.1,.local"}})
    names = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
    assert {found[name] for name in names} == {url}
    assert found["NO_PROXY"] == found["no_proxy"] == "localhost,127.0.0.1,10.0.0.1,.local"


def test_no_proxy_variables_without_a_proxy() -> None:
    assert not [name for name in environment({"networkProxy": {"proxy": {"url": ""}}}) if "proxy" in name.lower()]
    assert environment({"networkProxy": {"noProxyAddresses": "10.0.0.1"}})["no_proxy"] == "10.0.0.1"


def test_the_credential_endpoint_is_never_reached_through_the_proxy() -> None:
    assert environment({"networkProxy": {"proxy": {"url": "http://p"}}})["NO_PROXY"] == "localhost,127.0.0.1"
