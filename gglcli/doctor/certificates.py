"""The device's certificate, its private key, and the root CA: without asking anybody."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator

from ggl.cloud.settings import Settings
from ggl.cloud.tls import PKCS11, BadCredentials, CertificateFacts, certificate_facts, client_context, server_trust
from gglcli.client import command
from gglcli.doctor.device import Device
from gglcli.doctor.files import local
from gglcli.doctor.finding import Finding, failure, ok, skipped, warning

DAY = 86400.0
SOON = 30 * DAY
"""Seconds before its end from which on a certificate is to be replaced."""
AMAZON = ("O=Amazon", "O=Starfield Technologies, Inc.")
ROOT_CA_URL = "https://www.amazontrust.com/repository/AmazonRootCA1.pem"


def certificates(device: Device) -> Iterator[Finding]:
    settings = device.settings
    if settings is None or device.local:
        yield skipped("certificates", device.why_no_cloud())
        return
    identity = settings.identity
    if identity.certificate:
        yield from _certificate(identity.certificate)
    if identity.root_ca:
        yield from _root_ca(settings)
    if identity.certificate and identity.private_key and identity.root_ca:
        yield from _pair(settings, bool(device.mqtt.get("connected")))


def _certificate(path: str) -> Iterator[Finding]:
    try:
        facts = certificate_facts(path)
    except BadCredentials as error:
        yield failure("certificate", str(error), command("config set /system/certificateFilePath PATH"))
        return
    yield period(facts, time.time())


def period(facts: CertificateFacts, now: float) -> Finding:
    """Whether the device's certificate is valid ``now`` (seconds since the epoch), and for how long."""
    ends = time.strftime("%Y-%m-%d", time.gmtime(facts.not_after))
    renew = "make a new certificate for the thing, put it in place, and attach it (docs/cloud.md)"
    if now >= facts.not_after:
        return failure("certificate", f"it expired on {ends} ({facts.subject})", f"{renew}; if not, set the clock")
    if now < facts.not_before:
        begins = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(facts.not_before))
        return failure("certificate", f"it is not valid before {begins}", "set the clock: timedatectl set-ntp true")
    if facts.not_after - now < SOON:
        days = int((facts.not_after - now) / DAY)
        return warning("certificate", f"it expires in {days} days, on {ends} ({facts.subject})", renew)
    return ok("certificate", f"{facts.subject}, valid until {ends}")


def _root_ca(settings: Settings) -> Iterator[Finding]:
    path = settings.identity.root_ca
    fetch = f"curl -o {local(path)} {ROOT_CA_URL}"
    try:
        found = server_trust(path).get_ca_certs()
        facts = certificate_facts(path)
    except BadCredentials as error:
        yield failure("root CA", str(error), fetch)
        return
    is_aws = "amazonaws.com" in settings.data_endpoint
    if not found:
        yield failure("root CA", f"{path} has no certificate of a CA ({facts.subject})", fetch)
    elif not any(each.get("subject") == each.get("issuer") for each in found):
        yield failure("root CA", f"{path} has no root: {facts.subject} was issued by {facts.issuer}", fetch)
    elif time.time() >= facts.not_after:
        yield failure("root CA", f"{facts.subject} has expired", fetch)
    elif is_aws and not any(name in facts.subject for name in AMAZON):
        detail = (
            f"{facts.subject} is not Amazon's: right only if a proxy terminates TLS, which mutual TLS does not survive"
        )
        yield warning("root CA", detail, fetch)
    else:
        yield ok("root CA", facts.subject)


def _pair(settings: Settings, in_use: bool) -> Iterator[Finding]:
    """``in_use``: the runtime is connected with it, in an environment that may be another than this command's."""
    identity = settings.identity
    try:
        client_context(identity)
    except BadCredentials as error:
        text = str(error)
        if "does not belong" in text:
            remedy = "use the two files that were made together (docs/cloud.md)"
        elif "ermission denied" in text:
            yield skipped("private key", text, "run it as root or as the runtime's user")
            return
        elif identity.private_key.startswith(PKCS11):
            if in_use:
                yield ok("private key", "the runtime uses it from its token")
                return
            remedy = "start the runtime, and this command, with OPENSSL_CONF set (docs/cloud.md, keys in hardware)"
        elif "rootCaPath" in text or "certificateFilePath" in text:
            return  # said above
        else:
            remedy = command("config set /system/privateKeyPath PATH")
        yield failure("private key", text, remedy)
        return
    except ssl.SSLError as error:
        yield failure(
            "private key", f"OpenSSL cannot use it: {error}", command("config set /system/privateKeyPath PATH")
        )
        return
    yield ok("private key", "it belongs to the certificate")
