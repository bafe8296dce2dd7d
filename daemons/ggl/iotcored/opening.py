"""Opening the encrypted connection to a broker, which blocks, and why it cannot be opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

    from ggl.iotcored.target import Target

TLS_TIMEOUT = 10.0
"""Seconds that each step of the TLS handshake may take."""


def open_socket(target: Target) -> socket.socket:
    """A connection to the broker that does not block. Raises ``BadCredentials`` and ``OSError``; see ``why_not``."""
    from ggl.cloud.connect import connect
    from ggl.cloud.endpoints import ascii_name
    from ggl.cloud.tls import client_context

    context = client_context(target.identity, target.alpn)
    plain = connect(target.host, target.port, target.proxy, target.connect_timeout)
    try:
        plain.settimeout(max(TLS_TIMEOUT, target.connect_timeout))
        sock = context.wrap_socket(plain, server_hostname=ascii_name(target.host))
    except BaseException:
        plain.close()
        raise
    sock.setblocking(False)
    return sock


def why_not(target: Target, error: BaseException | None) -> tuple[str, bool]:
    """Why ``open_socket`` failed, in words; and whether TLS is to blame."""
    import ssl

    from ggl.cloud.connect import Unreachable
    from ggl.cloud.tls import BadCredentials, explain

    if isinstance(error, BadCredentials):
        return str(error), True
    if error is None or isinstance(error, Unreachable):
        return str(error), False
    # A server that just closes the connection may be about to stop, or to start.
    tls = isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError)
    return f"no encrypted connection to {target.address}: {explain(error)}", tls
