"""``ggl doctor`` on a device of the stand-in: what is wrong with it is found, named, and has a remedy."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from gglcli.errors import BROKEN, OK, WARNING
from tests.cli_result import Result
from tests.cloud.aws import NUCLEUS, Cloud
from tests.cloud.certificates import Authority
from tests.integration.conftest import Runtime, running, wait_until

pytestmark = pytest.mark.process_host
ENDPOINT = "localhost"


class Doctor:
    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def __call__(self, *words: str) -> Result:
        done = subprocess.run(
            [sys.executable, "-m", "gglcli", "doctor", "--json", "--root", str(self.runtime.root.state), *words],
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def is_connected(self) -> bool:
        """By what the device itself knows, and tells the command."""
        connected: bool = self.runtime.call("aws_iot_mqtt", "status")["connected"]
        return connected

    def wait_for_connection(self) -> None:
        wait_until(self.is_connected, seconds=180)

    def finding(self, check: str, title: str, status: str = "failure") -> dict[str, str]:
        """The one finding of ``check`` that has this status, and a title that begins so."""
        findings = self(check).json
        found = [each for each in findings if each["status"] == status and each["title"].startswith(title)]
        assert len(found) == 1, findings
        one: dict[str, str] = found[0]
        return one


Examined = Callable[..., AbstractContextManager[Doctor]]


@pytest.fixture
def examined(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> Examined:
    """A running device of the stand-in, some of whose configuration may be other than it should."""
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)

    @contextmanager
    def prepared(system: dict[str, Any] | None = None, **nucleus: Any) -> Iterator[Doctor]:
        configuration = aws.configuration()
        configuration["system"] |= {key: str(value) for key, value in (system or {}).items()}
        user = pwd.getpwuid(os.geteuid()).pw_name
        section = configuration["services"][NUCLEUS]["configuration"]
        section |= {"runWithDefault": {"posixUser": user}, **nucleus}

        def write(root: Any) -> None:
            folder = root.config / "config.d"
            folder.mkdir(parents=True)
            (folder / "aws.yaml").write_text(yaml.safe_dump(configuration))

        with running(write) as runtime:
            yield Doctor(runtime)

    return prepared


def test_a_healthy_device_has_no_finding(aws: Cloud, examined: Examined) -> None:
    with examined() as doctor:
        doctor.wait_for_connection()
        result = doctor()
        assert [each for each in result.json if each["status"] in ("failure", "warning")] == []
        assert result.code == OK
        fine = {each["title"] for each in result.json if each["status"] == "ok"}
        assert {"AWS IoT Core", "jobs", "shadow deployments", "AWS credentials", "Greengrass data plane"} <= fine


def test_an_expired_certificate(aws: Cloud, examined: Examined) -> None:
    expired = aws.authority.device("Thing1", file="expired", days=1, age=3)
    with examined({"certificateFilePath": expired.certificate, "privateKeyPath": expired.key}) as doctor:
        finding = doctor.finding("certificates", "certificate")
        assert "expired on" in finding["detail"]
        assert "new certificate" in finding["remedy"]
        assert doctor.finding("mqtt", "")["remedy"]
        assert doctor("certificates").code == BROKEN


def test_the_ca_of_somebody_else(tmp_path: Path, examined: Examined) -> None:
    other = Authority(tmp_path / "other", "Other Root CA")
    with examined({"rootCaPath": other.certificate}) as doctor:
        finding = doctor.finding("mqtt", "TLS")
        assert "issued by CN=Stand-in Root CA, is not trusted" in finding["detail"]
        assert "rootCaPath" in finding["remedy"]


def test_a_key_of_another_certificate(aws: Cloud, examined: Examined) -> None:
    other = aws.authority.device("Thing1", file="other")
    with examined({"privateKeyPath": other.key}) as doctor:
        finding = doctor.finding("certificates", "private key")
        assert "does not belong to the certificate" in finding["detail"]
        assert "made together" in finding["remedy"]


def test_a_key_that_everybody_may_read(aws: Cloud, examined: Examined) -> None:
    key = aws.device("Thing1").key
    key.chmod(0o644)
    with examined() as doctor:
        finding = doctor.finding("files", "private key")
        assert finding["remedy"] == f"chmod o-r {key}"
        key.chmod(0o600)
        assert all(each["status"] == "ok" for each in doctor("files").json)


def test_an_endpoint_that_nobody_has(examined: Examined) -> None:
    with examined(iotDataEndpoint="no-such-endpoint.invalid") as doctor:
        finding = doctor.finding("mqtt", "name no-such-endpoint.invalid")
        assert "/etc/resolv.conf" in finding["remedy"]


def test_a_port_that_is_closed(aws: Cloud, examined: Examined) -> None:
    with examined() as doctor:
        doctor.wait_for_connection()
        aws.network.cut("mqtt", "data-plane")
        wait_until(doctor.is_connected, lambda connected: not connected)
        finding = doctor.finding("mqtt", "TCP")
        assert "refused" in finding["detail"]
        assert "firewall" in finding["remedy"]
        assert "TCP" in doctor.finding("data-plane", "TCP")["title"]


def test_a_device_that_has_no_role_alias(examined: Examined) -> None:
    with examined(iotRoleAlias="") as doctor:
        finding = doctor.finding("configuration", "credentials", "warning")
        assert "iotRoleAlias" in finding["detail"]
        assert "config set aws.greengrass.NucleusLite/iotRoleAlias" in finding["remedy"]
        assert doctor("configuration").code == WARNING
        assert doctor("credentials").code == OK  # skipped


def test_a_role_alias_that_does_not_exist(examined: Examined) -> None:
    with examined(iotRoleAlias="Other") as doctor:
        finding = doctor.finding("credentials", "AWS credentials")
        assert "404" in finding["detail"]
        assert "describe-role-alias --role-alias Other" in finding["remedy"]


def test_a_policy_that_allows_no_credentials(aws: Cloud, examined: Examined) -> None:
    with examined() as doctor:
        aws.credentials.fail(403, times=None, message="Access Denied")
        finding = doctor.finding("credentials", "AWS credentials")
        assert "iot:AssumeRoleWithCertificate" in finding["remedy"]


def test_a_policy_that_allows_no_connection(aws: Cloud, examined: Examined) -> None:
    aws.refuse_connections()
    with examined() as doctor:
        finding = doctor.finding("mqtt", "AWS IoT Core")
        assert "iot:Connect on client/Thing1*" in finding["remedy"]


def test_a_policy_that_allows_no_jobs(aws: Cloud, examined: Examined) -> None:
    aws.mqtt.deny("$aws/things/Thing1/jobs/#", subscribe=True)
    with examined() as doctor:
        doctor.wait_for_connection()
        finding = doctor.finding("mqtt", "jobs")
        assert "iot:Subscribe" in finding["remedy"]
        assert "iot:Receive" in finding["remedy"]


def test_a_device_without_a_cloud_is_healthy() -> None:
    with running() as runtime:
        result = Doctor(runtime)("configuration", "certificates", "proxy", "mqtt", "credentials", "data-plane")
        assert {each["status"] for each in result.json} == {"skipped"}
        assert result.code == OK


def test_a_runtime_that_is_down_is_looked_at_too(aws: Cloud, examined: Examined) -> None:
    with examined() as doctor:
        doctor.wait_for_connection()
        doctor.runtime.down()
        findings = doctor().json
        assert [each["title"] for each in findings if each["status"] == "failure"] == ["runtime"]
        assert "Greengrass data plane" in {each["title"] for each in findings if each["status"] == "ok"}
        doctor.runtime.up()
