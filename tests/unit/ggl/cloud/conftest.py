"""Certificates of a made-up CA, and servers that show them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ggl.cloud.settings import Identity

NOT_BEFORE = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
NOT_AFTER = NOT_BEFORE + timedelta(days=36500)


@dataclass(frozen=True)
class Certificates:
    """The files of a CA, of a server called localhost, and of a device; ``sign`` makes more."""

    directory: Path
    sign: Callable[..., tuple[Path, Path]]

    @property
    def device(self) -> Identity:
        certificate, key = self.directory / "device.pem", self.directory / "device.key"
        return Identity("Thing1", str(certificate), str(key), str(self.directory / "ca.pem"))

    @property
    def server(self) -> tuple[str, str]:
        return str(self.directory / "localhost.pem"), str(self.directory / "localhost.key")


def write_key(path: Path, key: Any, encryption: Any = None) -> Path:
    private = serialization.PrivateFormat.PKCS8
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, private, encryption or serialization.NoEncryption()))
    return path


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    directory = tmp_path_factory.mktemp("certificates")
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])

    def build(name: x509.Name, key: Any, is_ca: bool, names: list[str]) -> x509.Certificate:
        alternatives: list[x509.GeneralName] = [
            x509.IPAddress(ip_address(each)) if each[0].isdigit() else x509.DNSName(each) for each in names
        ]
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(ca_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOT_BEFORE)
            .not_valid_after(NOT_AFTER)
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        )
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        return builder.sign(ca_key, hashes.SHA256())

    def sign(name: str, *names: str) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, name),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example"),
            ]
        )
        path = directory / f"{name}.pem"
        path.write_bytes(build(subject, key, False, list(names)).public_bytes(serialization.Encoding.PEM))
        return path, write_key(directory / f"{name}.key", key)

    (directory / "ca.pem").write_bytes(build(ca_name, ca_key, True, []).public_bytes(serialization.Encoding.PEM))
    sign("localhost", "localhost", "127.0.0.1")
    sign("device")
    return Certificates(directory, sign)
