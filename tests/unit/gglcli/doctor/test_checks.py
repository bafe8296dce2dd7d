"""Checks that need nobody: what each says of good and of bad facts."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ggl.bus import BusError, ErrorCode
from ggl.cloud.https import Response
from ggl.cloud.settings import Identity, Settings
from ggl.cloud.tls import CertificateFacts
from ggl.paths import find_root
from gglcli.doctor import machine, services
from gglcli.doctor.certificates import DAY, certificates, period
from gglcli.doctor.configuration import configuration, endpoint_problem
from gglcli.doctor.device import Device
from gglcli.doctor.files import files
from gglcli.doctor.finding import FAILURE, OK, SKIPPED, WARNING, Finding
from gglcli.doctor.runtime import components, daemons
from gglcli.doctor.sockets import sockets
from tests.cloud.certificates import Authority

DATA = "a1-ats.iot.eu-central-1.amazonaws.com"
TOKENS = "c1.credentials.iot.eu-central-1.amazonaws.com"


@pytest.fixture
def device(tmp_path: Path) -> Device:
    root = find_root(str(tmp_path / "root"))
    root.state.mkdir(mode=0o755)
    return Device(root)


def with_settings(device: Device, **facts: Any) -> Device:
    return Device(device.root, settings=Settings(**facts), network=False)


def statuses(found: Any) -> list[str]:
    return [each.status for each in found]


# -- the machine -----------------------------------------------------------------------------------------------------


def test_a_clock_behind_the_files_of_the_runtime(device: Device) -> None:
    device.root.config_db.touch()
    found = next(iter(machine.clock(device, time.time() - 86400)))
    assert found.status == FAILURE
    assert "it is behind" in found.detail
    assert next(iter(machine.clock(device, time.time()))).status == OK


def test_a_clock_behind_the_certificate(device: Device, tmp_path: Path) -> None:
    new = Authority(tmp_path / "ca").device("Thing1", age=-2)
    found = next(iter(machine.clock(with_settings(device, identity=Identity(certificate=str(new.certificate))))))
    assert found.status == FAILURE
    assert "valid from" in found.detail


@pytest.mark.parametrize(("free", "status"), [(2**30, OK), (100 * 2**20, WARNING), (2**20, FAILURE)])
def test_space(device: Device, monkeypatch: pytest.MonkeyPatch, free: int, status: str) -> None:
    facts = SimpleNamespace(f_bavail=free, f_frsize=1, f_flag=0, f_files=100, f_favail=50)
    monkeypatch.setattr(os, "statvfs", lambda _path: facts)
    assert statuses(machine.disk(device)) == [status, OK]


@pytest.mark.parametrize(("kilobytes", "status"), [(500_000, OK), (40_000, WARNING), (4_000, FAILURE)])
def test_memory(device: Device, tmp_path: Path, kilobytes: int, status: str) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(f"MemTotal: 1000000 kB\nMemAvailable: {kilobytes} kB\n")
    assert statuses(machine.memory(device, meminfo)) == [status]


def test_control_groups_matter_to_those_who_have_limits(device: Device, tmp_path: Path) -> None:
    assert statuses(machine.cgroups(device, tmp_path)) == [SKIPPED]
    limited = Device(device.root, nucleus={"runWithDefault": {"systemResourceLimits": {"cpus": 1}}})
    assert statuses(machine.cgroups(limited, tmp_path)) == [WARNING]
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    assert statuses(machine.cgroups(limited, tmp_path)) == [OK]


# -- files, sockets, the runtime -------------------------------------------------------------------------------------


def test_a_database_that_others_may_read(device: Device) -> None:
    device.root.config_db.touch(0o600)
    assert statuses(files(device)) == [OK, OK]
    device.root.config_db.chmod(0o604)
    found = list(files(device))[1]
    assert (found.status, found.remedy) == (FAILURE, f"chmod o-r {device.root.config_db}")


def test_a_key_that_is_not_there(device: Device) -> None:
    identity = Identity(private_key="/none/key.pem", certificate="file:///none/cert.pem")
    found = [each for each in files(with_settings(device, identity=identity)) if each.status == FAILURE]
    assert [each.detail for each in found] == ["/none/key.pem does not exist", "/none/cert.pem does not exist"]


def test_a_path_that_is_too_long_for_sockets(tmp_path: Path) -> None:
    root = find_root(str(tmp_path))._replace(run=tmp_path / ("x" * 100))
    assert statuses(sockets(Device(root))) == [FAILURE]


def test_a_daemon_that_was_given_up_and_one_that_restarts(device: Device) -> None:
    units = [
        {"name": "ggl.core.configd", "active_state": "failed", "status_text": "exec failed"},
        {"name": "ggl.core.tesd", "active_state": "activating", "sub_state": "auto-restart", "result": "signal"},
        {"name": "ggl.core.ipcd", "active_state": "active"},
    ]
    found = list(daemons(Device(device.root, running=True, units=units)))
    assert statuses(found) == [FAILURE, WARNING]
    assert "ggl logs configd" in found[0].remedy


def test_a_broken_component(device: Device) -> None:
    broken = {"component": "com.example.Broken", "state": "BROKEN", "status_code": "RUN_ERROR", "reason": "exit code 3"}
    found = list(components(Device(device.root, running=True, components=[broken])))
    assert statuses(found) == [FAILURE]
    assert found[0].detail == "com.example.Broken is BROKEN: RUN_ERROR exit code 3"
    assert "ggl component restart com.example.Broken" in found[0].remedy


# -- configuration and certificates ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "credentials", "problem"),
    [
        (DATA, False, ""),
        (TOKENS, True, ""),
        ("localhost:8883", False, ""),
        (f"https://{DATA}", False, "without https://"),
        ("host:port", False, "optional port"),
        (TOKENS, False, "endpoint for credentials"),
        (DATA, True, "no credential endpoint"),
        ("a1.iot.eu-central-1.amazonaws.com", False, "old kind"),
        ("a1-ats.iot.us-east-1.amazonaws.com", False, "not in the region eu-central-1"),
    ],
)
def test_endpoints(value: str, credentials: bool, problem: str) -> None:
    found = endpoint_problem(value, "eu-central-1", credentials)
    assert problem in found
    assert bool(found) == bool(problem)


def test_what_is_missing_is_named_with_its_command(device: Device) -> None:
    found = list(configuration(with_settings(device, region="r", identity=Identity("T", "c", "k", ""))))
    assert statuses(found) == [FAILURE, WARNING]
    assert "system.rootCaPath, iotDataEndpoint" in found[0].detail
    assert "ggl config set /system/rootCaPath VALUE" in found[0].remedy
    assert "describe-endpoint --endpoint-type iot:Data-ATS" in found[0].remedy


def test_a_device_without_a_cloud_is_no_failure(device: Device) -> None:
    local = with_settings(device)
    assert statuses(configuration(local)) == [SKIPPED]
    assert statuses(certificates(local)) == [SKIPPED]
    assert statuses(services.mqtt(local)) == [SKIPPED]


@pytest.mark.parametrize(
    ("begins", "ends", "status", "words"),
    [
        (-1, 365, OK, "valid until"),
        (-1, 10, WARNING, "expires in 10 days"),
        (-3, -1, FAILURE, "expired on"),
        (1, 365, FAILURE, "not valid before"),
    ],
)
def test_periods_of_certificates(begins: int, ends: int, status: str, words: str) -> None:
    now = 1_800_000_000
    found = period(CertificateFacts("CN=T", "CN=CA", now + int(begins * DAY), now + int(ends * DAY), "1"), now)
    assert found.status == status
    assert words in found.detail
    assert bool(found.remedy) == (status != OK)


def test_a_root_ca_that_is_none(device: Device, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    files = authority.device("Thing1")
    identity = Identity("Thing1", str(files.certificate), str(files.key), str(files.certificate))
    found = {each.title: each for each in certificates(with_settings(device, identity=identity))}
    assert found["certificate"].status == OK
    assert found["root CA"].status == FAILURE
    assert "amazontrust.com" in found["root CA"].remedy


# -- services --------------------------------------------------------------------------------------------------------

SETTINGS = Settings(identity=Identity("Thing1"), role_alias="Alias")


@pytest.mark.parametrize(
    ("answer", "last_error", "status", "words"),
    [
        ("MISSING_MQTT_CONNECT_POLICY: not authorized", "", FAILURE, "iot:Connect on client/Thing1*"),
        ("TLS_HANDSHAKE_FAILURE: it is revoked", "", FAILURE, "--new-status ACTIVE"),
        ("MQTT_CONNECTION_FAILED: no answer", "", FAILURE, "ggl logs iotcored"),
        ("", "Session taken over", FAILURE, "a thing and a certificate of its own"),
        ("", "the broker closed the connection", FAILURE, "another device"),
        ("", "", WARNING, "ggl status --watch"),
    ],
)
def test_why_the_runtime_is_not_connected(
    monkeypatch: pytest.MonkeyPatch, answer: str, last_error: str, status: str, words: str
) -> None:
    def call(*_arguments: Any) -> None:
        if answer:
            raise BusError(ErrorCode.REMOTE, answer)

    monkeypatch.setattr("gglcli.client.call", call)
    found = services._trial(SETTINGS, {"last_error": last_error})
    assert found.status == status
    assert words in found.remedy


@pytest.mark.parametrize(
    ("text", "remedy"),
    [("AWS answers 403", "iot:AssumeRoleWithCertificate"), ("404", "describe-role-alias"), ("503", "ggl logs tesd")],
)
def test_what_the_credential_provider_says(text: str, remedy: str) -> None:
    assert remedy in services._role_remedy(SETTINGS, text)


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (200, b'{"thingGroups": [{"thingGroupName": "Pumps"}]}', OK),
        (200, b"<html>", FAILURE),
        (403, b'{"message": "no"}', FAILURE),
        (404, b"{}", WARNING),
        (503, b"", WARNING),
    ],
)
def test_what_the_data_plane_says(status: int, body: bytes, verdict: str) -> None:
    found = services._thing_groups(SETTINGS, Response(status, {}, body))
    assert found.status == verdict
    if status == 403:
        assert "ResolveComponentCandidates" in found.remedy
    if verdict == OK:
        assert "Pumps" in found.detail


@pytest.mark.parametrize(("wrong", "status"), [(0, OK), (3600, FAILURE), (-3600, FAILURE)])
def test_the_clock_of_aws(wrong: float, status: str) -> None:
    answer = Response(200, {"date": "Mon, 23 Nov 2026 12:00:00 GMT"})
    found: list[Finding] = list(services._clock(answer, 1_795_435_200 + wrong))
    assert statuses(found) == [status]
