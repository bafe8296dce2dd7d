"""TLS with the device's own certificate: what is needed for a connection, what is wrong with it, when it ends.

A private key may be in a PKCS#11 token: then it is named by its URI, and OpenSSL needs a provider for such keys, which
its own configuration file (``OPENSSL_CONF``) activates. Python passes keys to OpenSSL as PEM only, so the URI is put
into the PEM object that such a provider stands behind.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from ggl.cloud.settings import Identity

MAX_FILE = 1024 * 1024
"""Bytes of a file with a certificate or a key."""
PKCS11 = "pkcs11:"
HANDLE = "handle:"
"""How other nuclei name keys in a TPM."""
_PROVIDER_LABEL = "PKCS#11 PROVIDER URI"
_PROVIDER_DESCRIPTION = b"PKCS#11 Provider URI v1.0"
_OTHER_KEY = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")
"""What OpenSSL calls it when key and certificate have nothing to do with each other."""
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CAS = "system.rootCaPath (for S3 and ECR: the CAs of this system, or AWS_CA_BUNDLE)"


class BadCredentials(Exception):
    """The device's certificate, key or CA cannot be used; the text says which, why, and what to do."""


@dataclass(frozen=True)
class CertificateFacts:
    """What a certificate says. Times are seconds since the epoch; names as ``CN=..., O=...``."""

    subject: str
    issuer: str
    not_before: int
    not_after: int
    serial: str


def client_context(identity: Identity, alpn: Sequence[str] = ()) -> ssl.SSLContext:
    """What a TLS connection of the device needs: its certificate and key, and trust in ``identity.root_ca`` alone.

    ``alpn``: protocols to offer. Raises ``BadCredentials``.
    """
    context = server_trust(identity.root_ca)
    certificate = _local(identity.certificate, "system.certificateFilePath")
    key = _local(identity.private_key, "system.privateKeyPath")
    _check_pem(certificate, "system.certificateFilePath", "CERTIFICATE-----", "a certificate")
    if key.startswith(PKCS11):
        _load_token_key(context, certificate, key)
    elif key.startswith(HANDLE):
        raise BadCredentials(
            f"system.privateKeyPath ({key}): keys cannot be named by the handle of a TPM here; use a PKCS#11 module "
            "for it, and a pkcs11: URI"
        )
    else:
        _check_pem(key, "system.privateKeyPath", "PRIVATE KEY-----", "a private key")
        _load(context, certificate, key, key)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def server_trust(root_ca: str, setting: str = "system.rootCaPath") -> ssl.SSLContext:
    """A context without a certificate of our own, which trusts the CAs in the file ``root_ca`` and no others."""
    path = _local(root_ca, setting)
    if path.startswith(PKCS11):
        raise BadCredentials(f"{setting} must be a file: certificates of CAs are not looked for in a PKCS#11 token")
    _check_pem(path, setting, "CERTIFICATE-----", "a certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(path)
    except (OSError, ValueError) as error:
        raise BadCredentials(f"{setting} ({path}) is damaged: {_reason(error)}") from None
    return context


def certificate_facts(path: str) -> CertificateFacts:
    """The facts of the first certificate in the PEM file ``path``. Raises ``BadCredentials``."""
    import _ssl

    path = _local(path, "the certificate")
    if path.startswith(PKCS11):
        raise BadCredentials(
            f"the certificate is in a PKCS#11 token ({path.partition('?')[0]}) and cannot be looked at"
        )
    _check_pem(path, "the certificate", "CERTIFICATE-----", "a certificate")
    try:
        found = _ssl._test_decode_cert(path)  # type: ignore[attr-defined]
    except (OSError, ValueError):
        raise BadCredentials(f"the certificate ({path}) is damaged") from None
    return CertificateFacts(
        _name(found.get("subject")),
        _name(found.get("issuer")),
        _time(str(found["notBefore"])),
        _time(str(found["notAfter"])),
        str(found.get("serialNumber", "")),
    )


def explain(error: BaseException) -> str:
    """Why a TLS connection failed, in words that say what to do; for other errors, what the system says."""
    if isinstance(error, ssl.SSLCertVerificationError):
        message = (error.verify_message or "").rstrip(".")
        if "ostname mismatch" in message or "IP address mismatch" in message:
            return f"the server's certificate is for another name ({message}): check the endpoint"
        if "expired" in message or "not yet valid" in message:
            return f"the server's certificate is not valid now ({message}): check the clock of the device"
        return f"the server's certificate is not trusted ({message}): check {_CAS}"
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "").upper()
        if "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason or "ACCESS_DENIED" in reason):
            return (
                f"the server refuses the device's certificate ({_words(reason)}): it must be registered and active in "
                "AWS IoT, and not expired"
            )
        if isinstance(error, ssl.SSLEOFError) or "EOF" in reason:
            return "the server closed the connection during TLS: does the endpoint speak TLS on this port?"
        if "WRONG_VERSION_NUMBER" in reason:
            return "the server does not speak TLS on this port: check the endpoint and its port"
        return f"TLS failed: {_words(reason) or error}"
    if isinstance(error, TimeoutError):
        # What Python itself says of an operation of TLS names its own source.
        ours = error.errno is None and str(error) and "timed out" not in str(error)
        return str(error) if ours else "no answer in time"
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return str(error) or type(error).__name__


def _load(context: ssl.SSLContext, certificate: str, path: str, key: str) -> None:
    """``path`` is what OpenSSL reads, ``key`` what the configuration calls it."""

    def encrypted() -> NoReturn:
        if key.startswith(PKCS11):
            raise BadCredentials(f"the private key {key} needs a PIN: add '?pin-source=file:PATH' to its URI")
        raise BadCredentials(f"the private key {key} is encrypted: the device needs one without a passphrase")

    try:
        context.load_cert_chain(certificate, path, encrypted)
    except (OSError, ValueError) as error:
        if (getattr(error, "reason", "") or "") in _OTHER_KEY:
            raise BadCredentials(
                f"the private key {key} does not belong to the certificate {certificate}: check "
                "system.privateKeyPath and system.certificateFilePath"
            ) from None
        if key.startswith(PKCS11):
            raise BadCredentials(
                f"OpenSSL cannot use the private key {key}: its provider for PKCS#11 must be active "
                f"(OPENSSL_CONF), and the token must have the key ({_reason(error)})"
            ) from None
        raise BadCredentials(
            f"the certificate {certificate} or the private key {key} is damaged ({_reason(error)})"
        ) from None


def _load_token_key(context: ssl.SSLContext, certificate: str, uri: str) -> None:
    fd = os.memfd_create("key", os.MFD_CLOEXEC)
    try:
        os.write(fd, provider_pem(uri))
        _load(context, certificate, f"/proc/self/fd/{fd}", without_pin(uri))
    finally:
        os.close(fd)


def without_pin(uri: str) -> str:
    """The URI of a token's object, as it may be shown."""
    parts = uri.partition("?")[0].split(";")
    return ";".join(part for part in parts if not part.startswith("pin-"))


def provider_pem(uri: str) -> bytes:
    """The PEM object by which OpenSSL's provider for PKCS#11 is given the URI of a key."""
    from base64 import encodebytes

    content = _der(0x1A, _PROVIDER_DESCRIPTION) + _der(0x0C, uri.encode())
    body = encodebytes(_der(0x30, content)).decode()
    return f"-----BEGIN {_PROVIDER_LABEL}-----\n{body}-----END {_PROVIDER_LABEL}-----\n".encode()


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(digits))) + digits + content


def _local(text: str, setting: str) -> str:
    """A path, also where it is written as an URL; or the URI of a token's object."""
    if not text:
        raise BadCredentials(f"{setting} is not set")
    if text.startswith("file:"):
        path = text.removeprefix("file:")
        return "/" + path.lstrip("/") if path.startswith("/") else path
    return text


def _check_pem(path: str, setting: str, mark: str, what: str) -> None:
    """OpenSSL says of a file that it cannot use hardly more than that: look before it does."""
    if path.startswith(PKCS11):
        raise BadCredentials(f"{setting} must be a file: Python reads certificates from PEM files only")
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_FILE + 1)
    except (OSError, ValueError) as error:
        text = error.strerror if isinstance(error, OSError) else str(error)
        raise BadCredentials(f"{setting} ({path}) cannot be read: {text}") from None
    if len(content) > MAX_FILE or mark.encode() not in content:
        raise BadCredentials(f"{setting} ({path}) is not {what} in PEM format")


def _reason(error: Exception) -> str:
    return _words(getattr(error, "reason", None) or "") or getattr(error, "strerror", None) or str(error)


def _words(reason: str) -> str:
    return reason.replace("_", " ").lower()


def _name(parts: object) -> str:
    short = {"commonName": "CN", "organizationName": "O", "organizationalUnitName": "OU", "countryName": "C"}
    if not isinstance(parts, tuple):
        return ""
    return ", ".join(f"{short.get(key, key)}={value}" for part in parts for key, value in part)


def _time(text: str) -> int:
    """The seconds since the epoch of a time like ``Jan  5 09:34:43 2018 GMT``."""
    from datetime import UTC, datetime

    month, day, clock, year = text.split()[:4]
    hour, minute, second = (int(part) for part in clock.split(":"))
    return int(datetime(int(year), _MONTHS.index(month) + 1, int(day), hour, minute, second, tzinfo=UTC).timestamp())
