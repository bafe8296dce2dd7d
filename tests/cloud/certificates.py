"""Certificates of the stand-in: an authority of its own, and what it signs for servers and devices."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


@dataclass(frozen=True)
class Files:
    """A certificate and its private key, as PEM files."""

    certificate: Path
    key: Path


class Authority:
    """Signs with a key that is made anew for every stand-in."""

    def __init__(self, folder: Path, name: str = "Stand-in Root CA") -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = _name(name)
        self.certificate = folder / "ca.pem"
        builder = (
            _builder(self._subject, self._subject, self._key.public_key(), _now() - timedelta(days=1), 3650)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(sign_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
        )
        self._certificate = builder.sign(self._key, hashes.SHA256())
        self.certificate.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def server(self, hosts: Iterable[str], file: str = "server") -> Files:
        """For a server that is reached by these names and addresses."""
        return self._issue(file, "localhost", hosts, 365, 1, rsa_key=False, server=True)

    def device(self, name: str, *, file: str = "", days: int = 365, age: int = 1, rsa_key: bool = False) -> Files:
        """For the thing ``name``: valid for ``days`` from ``age`` days ago on; expired where ``age`` > ``days``."""
        return self._issue(file or name, name, (), days, age, rsa_key=rsa_key, server=False)

    def sign(self, name: str, public_key: PublicKeyTypes, days: int = 365) -> bytes:
        """A device certificate in PEM for a key that is kept elsewhere, in a TPM for example."""
        return self._sign(name, public_key, (), days, 1, server=False).public_bytes(serialization.Encoding.PEM)

    def _issue(
        self, file: str, name: str, hosts: Iterable[str], days: int, age: int, *, rsa_key: bool, server: bool
    ) -> Files:
        key: PrivateKeyTypes = rsa.generate_private_key(65537, 2048) if rsa_key else ec.generate_private_key(_CURVE)
        files = Files(self.folder / f"{file}.cert.pem", self.folder / f"{file}.key.pem")
        certificate = self._sign(name, key.public_key(), hosts, days, age, server=server)
        files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        text = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        with os.fdopen(os.open(files.key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as target:
            target.write(text)
        return files

    def _sign(
        self, name: str, public_key: PublicKeyTypes, hosts: Iterable[str], days: int, age: int, *, server: bool
    ) -> x509.Certificate:
        use = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = (
            _builder(_name(name), self._subject, public_key, _now() - timedelta(days=age), days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(sign_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        names = [_general_name(host) for host in hosts]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())


_CURVE = ec.SECP256R1()


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PublicKeyTypes, begin: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)  # type: ignore[arg-type]
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=days))
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _now() -> datetime:
    return datetime.now(UTC)
