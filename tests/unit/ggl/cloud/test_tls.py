"""The device's certificate, key and CA: what is wrong with them is said in one line."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ggl.cloud.settings import Identity
from ggl.cloud.tls import BadCredentials, certificate_facts, client_context, explain, provider_pem
from tests.unit.ggl.cloud.conftest import NOT_AFTER, NOT_BEFORE, Certificates, write_key


def test_only_the_given_ca_is_trusted_and_names_are_checked(certificates: Certificates) -> None:
    context = client_context(certificates.device)

    assert [dict(part[0] for part in ca["subject"]) for ca in context.get_ca_certs()] == [{"commonName": "Test CA"}]
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_files_may_be_urls(certificates: Certificates) -> None:
    device = certificates.device
    client_context(
        replace(device, certificate=f"file://{device.certificate}", private_key=f"file:{device.private_key}")
    )


def refused(identity: Identity) -> str:
    with pytest.raises(BadCredentials) as caught:
        client_context(identity)
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("certificate", "system.certificateFilePath"),
        ("private_key", "system.privateKeyPath"),
        ("root_ca", "system.rootCaPath"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    certificates: Certificates, tmp_path: Path, name: str, setting: str
) -> None:
    other = tmp_path / "other"
    assert refused(replace(certificates.device, **{name: ""})) == f"{setting} is not set"
    missing = refused(replace(certificates.device, **{name: str(other)}))
    assert missing == f"{setting} ({other}) cannot be read: No such file or directory"
    other.write_bytes(b"\x30\x82 not PEM")
    assert f"{setting} ({other}) is not a" in refused(replace(certificates.device, **{name: str(other)}))
    words = "EC PRIVATE KEY" if name == "private_key" else "CERTIFICATE"
    other.write_text(f"-----BEGIN {words}-----\nAAAA\n-----END {words}-----\n")
    damaged = refused(replace(certificates.device, **{name: str(other)}))
    assert "is damaged" in damaged
    assert str(other) in damaged


def test_a_key_of_another_certificate(certificates: Certificates) -> None:
    _, key = certificates.sign("other")
    text = refused(replace(certificates.device, private_key=str(key)))
    assert f"{key} does not belong to the certificate" in text


def test_a_key_of_another_kind(certificates: Certificates, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = write_key(tmp_path / "rsa.key", rsa.generate_private_key(65537, 2048))
    text = refused(replace(certificates.device, private_key=str(key)))
    assert f"{key} does not belong to the certificate" in text


def test_an_encrypted_key_is_refused_and_nobody_is_asked(certificates: Certificates, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    path = write_key(tmp_path / "secret.key", key, serialization.BestAvailableEncryption(b"secret"))
    assert "is encrypted" in refused(replace(certificates.device, private_key=str(path)))


def test_a_key_in_a_token_needs_a_provider(certificates: Certificates) -> None:
    uri = "pkcs11:token=t;object=o?pin-value=1234"
    text = refused(replace(certificates.device, private_key=uri))
    assert "pkcs11:token=t;object=o:" in text
    assert "OPENSSL_CONF" in text
    assert "1234" not in text
    # SEQUENCE { VisibleString, UTF8String }
    body = base64.b64decode(b"".join(provider_pem(uri).split(b"\n")[1:-2]))
    assert body == b"\x30\x43\x1a\x19PKCS#11 Provider URI v1.0\x0c\x26" + uri.encode()


def test_no_message_tells_the_pin_of_a_token(certificates: Certificates) -> None:
    uri = "pkcs11:token=t;pin-value=1234;object=o?pin-value=1234&module-name=m"
    text = refused(replace(certificates.device, private_key=uri))
    assert "pkcs11:token=t;object=o:" in text
    assert "1234" not in text


def test_a_key_named_by_the_handle_of_a_tpm(certificates: Certificates) -> None:
    assert "pkcs11: URI" in refused(replace(certificates.device, private_key="handle:0x81000002"))


def test_what_a_certificate_says(certificates: Certificates) -> None:
    facts = certificate_facts(certificates.device.certificate)

    assert (facts.subject, facts.issuer) == ("CN=device, O=Example", "CN=Test CA")
    assert (facts.not_before, facts.not_after) == (int(NOT_BEFORE.timestamp()), int(NOT_AFTER.timestamp()))
    with pytest.raises(BadCredentials, match="is not a certificate"):
        certificate_facts(certificates.device.private_key)


def why(certificates: Certificates, context: ssl.SSLContext, server: ssl.SSLContext | None, name: str) -> str:
    """What is said when a connection to ``server`` fails; ``None``: one that does not speak TLS."""

    def serve() -> None:
        peer, _ = listener.accept()
        with peer:
            try:
                if server is None:
                    peer.recv(1)
                    peer.sendall(b"220 hello\r\n")
                else:
                    with server.wrap_socket(peer, server_side=True) as wrapped:
                        wrapped.sendall(b"x")
            except OSError:
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with (
                socket.create_connection(listener.getsockname()) as sock,
                context.wrap_socket(sock, server_hostname=name) as wrapped,
            ):
                # Nothing is sent: what a server does not read before it closes may cost us its last words.
                wrapped.recv(1)
        except OSError as error:
            return explain(error)
        finally:
            thread.join()
    return ""


def test_why_a_connection_failed(certificates: Certificates) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*certificates.server)
    device = client_context(certificates.device)

    assert "another name" in why(certificates, device, server, "example.com")
    assert "does not speak TLS" in why(certificates, device, None, "localhost")
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    assert "system.rootCaPath" in why(certificates, stranger, server, "localhost")
    server.verify_mode = ssl.CERT_REQUIRED
    assert "refuses the device's certificate" in why(certificates, device, server, "localhost")
    server.load_verify_locations(certificates.device.root_ca)
    assert why(certificates, device, server, "localhost") == ""
