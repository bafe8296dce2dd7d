"""The ways on which a device reaches AWS where the usual ones are closed: proxies, and port 443."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.aws import Cloud, cloud
from tests.cloud.broker import require_mosquitto
from tests.cloud.front import HTTP, MQTT
from tests.integration.conftest import Runtime, running

pytestmark = pytest.mark.process_host

USER, PASSWORD = "device", "pass:word"


@contextmanager
def thing(aws: Cloud, monkeypatch: pytest.MonkeyPatch, **nucleus: Any) -> Iterator[Runtime]:
    """A runtime that is Thing1, with this in its configuration."""
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    user = {"posixUser": pwd.getpwuid(os.geteuid()).pw_name}
    with running(lambda root: aws.write_boot_file(root, runWithDefault=user, **nucleus)) as runtime:
        yield runtime


def deploys(aws: Cloud) -> None:
    """Everything is used: MQTT, the data plane, credentials, S3, and files behind pre-signed URLs."""
    aws.components.put("com.example.A", artifacts={"a": b"from a bucket"}, store="s3")
    aws.components.put("com.example.B", artifacts={"b": b"from the service"}, depends={"com.example.A": "^1.0.0"})
    execution = aws.jobs.wait(aws.jobs.deploy({"com.example.B": "1.0.0"}))
    assert execution["status"] == "SUCCEEDED", execution["statusDetails"]


@pytest.fixture
def far_away(tmp_path: Path) -> Iterator[Cloud]:
    """An AWS whose name only the proxies know."""
    require_mosquitto()
    with cloud(tmp_path / "aws", host="aws.stand-in.test") as found:
        yield found


@pytest.mark.parametrize("kind", ["http", "https", "socks5"])
def test_a_device_behind_a_proxy(far_away: Cloud, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    aws, proxies = far_away, far_away.proxies
    url = proxies.socks5(USER, PASSWORD) if kind == "socks5" else proxies.http(USER, PASSWORD, tls=kind == "https")
    proxy = {"proxy": {"url": url, "username": USER, "password": PASSWORD}}
    with thing(aws, monkeypatch, networkProxy=proxy):
        deploys(aws)
    destinations = {f"{aws.host}:{gate.port}" for gate in aws.network.gates.values()}
    assert set(proxies.used) == destinations
    assert proxies.refused == 0


def test_what_needs_no_proxy_goes_past_it(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = {"proxy": {"url": aws.proxies.http()}, "noProxyAddresses": "localhost,127.0.0.1"}
    with thing(aws, monkeypatch, networkProxy=proxy):
        deploys(aws)
    assert aws.proxies.used == []


def test_port_443(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        nucleus = aws.on_443()
    except PermissionError:
        pytest.skip("port 443 is root's here")
    with thing(aws, monkeypatch, **nucleus):
        deploys(aws)
    assert set(aws.front.agreed) == {MQTT, HTTP}
    assert aws.network.accepted("mqtt", "data-plane") == 0
