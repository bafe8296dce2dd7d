"""The way to one endpoint, step by step: proxy, name, TCP, TLS. Each step explains why the later ones cannot work."""

from __future__ import annotations

import os
import socket
import ssl
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass

from ggl.cloud.connect import Unreachable, connect
from ggl.cloud.endpoints import host_port
from ggl.cloud.proxy import proxy_for
from ggl.cloud.settings import Settings
from ggl.cloud.tls import BadCredentials, CertificateFacts, certificate_facts, client_context, explain, server_trust
from ggl.values import InvalidValue
from gglcli.client import command
from gglcli.doctor.certificates import AMAZON, ROOT_CA_URL
from gglcli.doctor.configuration import set_nucleus
from gglcli.doctor.device import Device
from gglcli.doctor.files import local
from gglcli.doctor.finding import OK, Finding, failure, ok, skipped

STEP_TIMEOUT = 10.0
"""Seconds for a TCP connection or a TLS handshake; answers from the other end of the world come in two."""
_EXPIRED, _NOT_YET, _HOSTNAME, _ADDRESS = 10, 9, 62, 64
"""Verdicts of OpenSSL about a certificate (``X509_V_ERR_...``)."""


@dataclass(frozen=True)
class Endpoint:
    """``key``: where it is configured; ``describe``: the command that says what it should be."""

    key: str
    host: str
    port: int
    describe: str
    alpn: tuple[str, ...] = ()


def proxy(device: Device) -> Iterator[Finding]:
    settings = device.settings
    if settings is None or device.local:
        yield skipped("proxy", device.why_no_cloud())
        return
    if not settings.proxy.url:
        named = [name for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY") if os.environ.get(name)]
        text = f"none is configured; {named[0]} is for other programs" if named else "none"
        yield ok("proxy", text)
        return
    try:
        found = proxy_for("proxy.is.asked.for.invalid", settings.proxy)
    except InvalidValue as error:
        yield failure("proxy", str(error), set_nucleus("networkProxy/proxy/url", "http://HOST:PORT"))
        return
    if found is None:
        yield ok("proxy", f"{', '.join(settings.proxy.direct)} need none")
    elif not device.network:
        yield skipped("proxy", f"{found}; not tried (--offline)")
    else:
        yield _open_proxy(found.host, found.port, str(found))


def _open_proxy(host: str, port: int, shown: str) -> Finding:
    remedy = f"correct it: {set_nucleus('networkProxy/proxy/url', 'http://HOST:PORT')}; or ask who runs the proxy"
    try:
        socket.create_connection((host, port), STEP_TIMEOUT).close()
    except socket.gaierror as error:
        return failure("proxy", f"{shown}: the name {host} is not found ({error.strerror})", remedy)
    except OSError as error:
        return failure("proxy", f"{shown} cannot be reached: {error.strerror or 'no answer'}", remedy)
    return ok("proxy", f"{shown} answers")


def reach(device: Device, settings: Settings, to: Endpoint) -> Iterator[Finding]:
    """The steps up to a TLS connection; the last finding is ok when there can be one, or when that was not tried."""
    where = host_port(to.host, to.port)
    try:
        through = proxy_for(to.host, settings.proxy)
    except InvalidValue:
        yield skipped(f"TCP {where}", "the proxy is not usable (see proxy)")
        return
    if through is None:  # else it is the proxy that looks the name up
        found = _name(to)
        yield found
        if found.status != OK:
            return
    try:
        sock = connect(to.host, to.port, settings.proxy, STEP_TIMEOUT)
    except Unreachable as error:
        yield failure(f"TCP {where}", str(error), _tcp_remedy(to, str(error), through is not None))
        return
    with sock:
        yield ok(f"TCP {where}", f"connected{f' through {through}' if through else ''}")
        yield _handshake(settings, to, sock)


def _name(to: Endpoint) -> Finding:
    title = f"name {to.host}"
    try:
        found = socket.getaddrinfo(to.host, to.port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            return failure(
                title, "no name server answers", "check the network, and the name servers in /etc/resolv.conf"
            )
        remedy = f"check {to.key}: {to.describe}; and the name servers in /etc/resolv.conf"
        return failure(title, f"it is not found ({error.strerror})", remedy)
    except UnicodeError:
        return failure(title, "that is no name of a host", f"check {to.key}: {to.describe}")
    addresses = sorted({str(entry[4][0]) for entry in found})
    return ok(title, ", ".join(addresses[:3]) + (", ..." if len(addresses) > 3 else ""))


def _tcp_remedy(to: Endpoint, text: str, by_proxy: bool) -> str:
    if by_proxy:
        return f"let the proxy allow {host_port(to.host, to.port)}, or exempt the host: networkProxy/noProxyAddresses"
    if "refused" in text:
        keys = "mqtt.port, or that of iotDataEndpoint" if to.key == "iotDataEndpoint" else f"that of {to.key}"
        return f"check the port ({keys}), and firewalls: they must let the device connect to TCP port {to.port}"
    other = f"; or use port 443: {set_nucleus('mqtt/port', '443')}" if to.port == 8883 else ""
    return f"let firewalls pass outgoing connections to TCP port {to.port}{other}"


def _handshake(settings: Settings, to: Endpoint, sock: socket.socket) -> Finding:
    title = f"TLS {host_port(to.host, to.port)}"
    try:
        context = client_context(settings.identity, to.alpn)
    except BadCredentials as error:
        return _without_certificate(settings, to, sock, title, str(error))
    try:
        with context.wrap_socket(sock, server_hostname=to.host) as secure:
            return ok(title, f"{secure.version()}, with the device's certificate")
    except ssl.SSLCertVerificationError as error:
        return _untrusted(settings, to, title, error)
    except OSError as error:
        return _refused(settings, to, title, error)


def _without_certificate(settings: Settings, to: Endpoint, sock: socket.socket, title: str, why: str) -> Finding:
    """Where the device's key cannot be used, by this user at least, the server can be looked at all the same."""
    try:
        with server_trust(settings.identity.root_ca).wrap_socket(sock, server_hostname=to.host) as secure:
            return ok(title, f"{secure.version()}; without the device's certificate, because {why}")
    except BadCredentials as error:
        return skipped(title, f"{error} (see certificates)")
    except ssl.SSLCertVerificationError as error:
        return _untrusted(settings, to, title, error)
    except OSError:
        # Asked for a certificate there is no other answer; the server's own was trusted before.
        return skipped(title, f"not tried with the device's certificate, because {why}", "run it as root")


def _refused(settings: Settings, to: Endpoint, title: str, error: OSError) -> Finding:
    """The handshake failed, and not for the server's certificate. Does it without ours?"""
    if isinstance(error, TimeoutError):
        return failure(title, f"no answer in {STEP_TIMEOUT:g} s", _tcp_remedy(to, "", bool(settings.proxy.url)))
    try:
        sock = connect(to.host, to.port, settings.proxy, STEP_TIMEOUT)
        with sock, server_trust(settings.identity.root_ca).wrap_socket(sock, server_hostname=to.host):
            pass
    except OSError:
        if "ALERT" not in str(getattr(error, "reason", "")).upper():
            return failure(title, explain(error), f"check host and port of {to.key}: {to.describe}")
    return failure(title, f"with the device's certificate: {explain(error)}", activate(settings))


def activate(settings: Settings) -> str:
    """What to do when AWS does not accept the device's certificate."""
    thing = settings.identity.thing_name
    return (
        f"aws iot list-thing-principals --thing-name {thing}; aws iot update-certificate --certificate-id ID "
        "--new-status ACTIVE; the account and region must be those of the endpoint"
    )


def _untrusted(settings: Settings, to: Endpoint, title: str, error: ssl.SSLCertVerificationError) -> Finding:
    shown = presented(settings, to)
    issuer = shown.issuer if shown else "unknown"
    if error.verify_code in (_EXPIRED, _NOT_YET) and shown is not None:
        now = time.strftime("%Y-%m-%d", time.gmtime())
        period = " to ".join(time.strftime("%Y-%m-%d", time.gmtime(at)) for at in (shown.not_before, shown.not_after))
        detail = f"the server's certificate is valid from {period}, and the device's clock says {now}"
        return failure(title, detail, "set the clock: timedatectl set-ntp true; if it is right, the server is not AWS")
    if error.verify_code in (_HOSTNAME, _ADDRESS):
        subject = shown.subject if shown else "another name"
        detail = f"the server's certificate is not for {to.host}, but for {subject}, issued by {issuer}"
        return failure(title, detail, f"check {to.key}: {to.describe}")
    root_ca = local(settings.identity.root_ca)
    detail = f"the server's certificate, issued by {issuer}, is not trusted by {root_ca} ({error.verify_message})"
    if any(name in issuer for name in AMAZON):
        return failure(title, detail, f"curl -o {root_ca} {ROOT_CA_URL}")
    if to.host.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        detail = f"{detail}; that is not Amazon's, so something on the way (proxy, firewall) opens the connection"
        return failure(title, detail, f"exempt {to.host} from inspection of TLS: the device's certificate needs it")
    return failure(title, detail, f"{command('config set /system/rootCaPath FILE')} with the CA of {issuer}")


def presented(settings: Settings, to: Endpoint) -> CertificateFacts | None:
    """The certificate that the server shows, which is believed nothing; ``None``: it shows none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        sock = connect(to.host, to.port, settings.proxy, STEP_TIMEOUT)
        with sock, context.wrap_socket(sock, server_hostname=to.host) as secure:
            shown = secure.getpeercert(binary_form=True)
        if shown is None:
            return None
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(ssl.DER_cert_to_PEM_cert(shown))
            file.flush()
            return certificate_facts(file.name)
    except (OSError, BadCredentials):
        return None
