"""The way to an endpoint: what went wrong with TLS is told apart, by a server that does it wrong."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ggl.cloud.settings import Identity, ProxySettings, Settings
from gglcli.doctor import network
from gglcli.doctor.device import Device
from gglcli.doctor.finding import FAILURE, OK, SKIPPED, Finding
from gglcli.doctor.network import Endpoint, proxy, reach
from tests.cloud.certificates import Authority, Files

AWS = "a1-ats.iot.eu-central-1.amazonaws.com"


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "STEP_TIMEOUT", 60.0)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "aws", "Amazon Root CA of this test")


@contextmanager
def serving(files: Files, clients: Path | None = None) -> Iterator[int]:
    """A TLS server on a port of this machine, which wants a certificate of the CA ``clients`` if there is one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # a refused certificate is a failed handshake
    if clients:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(connection, server_side=True) as secure:
                    secure.recv(1)
            except OSError:
                connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def settings(authority: Authority, device: Files | None = None, root_ca: Path | None = None) -> Settings:
    files = device or authority.device("Thing1")
    return Settings(Identity("Thing1", str(files.certificate), str(files.key), str(root_ca or authority.certificate)))


def steps(found: Settings, port: int, host: str = "localhost") -> list[Finding]:
    return list(reach(Device(Path("/nowhere"), settings=found), found, Endpoint("iotDataEndpoint", host, port, "look")))  # type: ignore[arg-type]


@pytest.fixture
def anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name is this machine."""

    def connect(_host: str, port: int, _proxy: ProxySettings, timeout: float) -> socket.socket:
        sock = socket.socket()
        sock.settimeout(timeout)
        sock.connect(("127.0.0.1", port))
        return sock

    monkeypatch.setattr(network, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: [(2, 1, 6, "", ("127.0.0.1", 0))])


def test_all_is_well(authority: Authority) -> None:
    with serving(authority.server(["localhost"]), authority.certificate) as port:
        found = steps(settings(authority), port)
    assert [each.status for each in found] == [OK, OK, OK]
    assert "with the device's certificate" in found[-1].detail


def test_nobody_listens(authority: Authority) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # nobody else gets the port as long as we have it
        port = silent.getsockname()[1]
        found = steps(settings(authority), port)
    assert [each.status for each in found] == [OK, FAILURE]
    assert f"TCP port {port}" in found[-1].remedy


@pytest.mark.usefixtures("anywhere")
def test_a_server_of_another_name(authority: Authority) -> None:
    with serving(authority.server(["localhost"])) as port:
        last = steps(settings(authority), port, "b.example.com")[-1]
    assert last.status == FAILURE
    assert "is not for b.example.com, but for CN=localhost" in last.detail
    assert last.remedy == "check iotDataEndpoint: look"


def test_a_server_whose_certificate_has_expired(authority: Authority) -> None:
    expired = authority._issue("old", "localhost", ["localhost"], 1, 3, rsa_key=False, server=True)
    with serving(expired) as port:
        last = steps(settings(authority), port)[-1]
    assert last.status == FAILURE
    assert "the device's clock says" in last.detail
    assert "set the clock" in last.remedy


@pytest.mark.usefixtures("anywhere")
def test_somebody_between_the_device_and_aws(authority: Authority, tmp_path: Path) -> None:
    between = Authority(tmp_path / "between", "Firewall of Example Ltd")
    with serving(between.server([AWS])) as port:
        last = steps(settings(authority), port, AWS)[-1]
    assert last.status == FAILURE
    assert "something on the way" in last.detail
    assert "Firewall of Example Ltd" in last.detail
    assert last.remedy.startswith(f"exempt {AWS} from inspection")


def test_a_root_ca_that_is_not_that_of_the_server(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other", "Other CA")
    with serving(authority.server(["localhost"])) as port:
        last = steps(settings(authority, root_ca=other.certificate), port)[-1]
    assert "issued by CN=Amazon Root CA of this test, is not trusted" in last.detail
    assert "/system/rootCaPath" in last.remedy


def test_a_device_that_the_server_does_not_know(authority: Authority, tmp_path: Path) -> None:
    stranger = Authority(tmp_path / "other", "Other CA").device("Thing1")
    with serving(authority.server(["localhost"]), authority.certificate) as port:
        last = steps(settings(authority, stranger), port)[-1]
    assert last.status == FAILURE
    assert last.detail.startswith("with the device's certificate: ")
    assert "update-certificate" in last.remedy


def test_a_server_that_speaks_no_tls(authority: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        last = steps(settings(authority), listener.getsockname()[1])[-1]
        thread.join()
    assert last.status == FAILURE
    assert last.remedy == "check host and port of iotDataEndpoint: look"


def test_the_server_is_looked_at_without_the_key_that_may_not_be_read(authority: Authority, tmp_path: Path) -> None:
    files = Files(authority.device("Thing1").certificate, tmp_path / "missing.pem")
    with serving(authority.server(["localhost"])) as port:
        last = steps(settings(authority, files), port)[-1]
    assert last.status == OK
    assert "without the device's certificate" in last.detail


@pytest.mark.parametrize(
    ("url", "network_allowed", "status"),
    [
        ("", True, OK),
        ("ftp://p:1", True, FAILURE),
        ("http://localhost:1", True, FAILURE),
        ("http://p:1", False, SKIPPED),
    ],
)
def test_proxies(authority: Authority, url: str, network_allowed: bool, status: str) -> None:
    base = settings(authority)
    found = Settings(identity=base.identity, data_endpoint="e", proxy=ProxySettings(url=url))
    device = Device(Path("/nowhere"), settings=found, network=network_allowed)  # type: ignore[arg-type]
    assert [each.status for each in proxy(device)] == [status]
