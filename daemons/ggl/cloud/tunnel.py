"""A proxy that is itself reached by TLS: the connection to the server runs inside that to the proxy.

Python's TLS sockets work on real sockets only. So a thread carries the bytes between the TLS connection to the proxy
and one end of a socket pair, and the caller gets the other end. It ends when either side does.
"""

from __future__ import annotations

import select
import socket
import ssl
from _thread import start_new_thread
from collections.abc import Callable

from ggl.cloud.connect import Unreachable
from ggl.cloud.proxy import Proxy
from ggl.cloud.settings import ProxySettings
from ggl.cloud.tls import BadCredentials, explain, server_trust

CHUNK = 16384
"""Bytes carried at a time, and kept at most in each direction."""


def encrypted(
    sock: socket.socket,
    proxy: Proxy,
    settings: ProxySettings,
    ask: Callable[[socket.socket], None],
    timeout: float,
) -> socket.socket:
    """The connection that ``ask`` obtains from the proxy at the other end of ``sock``. Raises ``Unreachable``."""
    try:
        context = server_trust(settings.root_ca)
        if settings.certificate:
            context.load_cert_chain(settings.certificate, settings.private_key or None)
        outer = context.wrap_socket(sock, server_hostname=proxy.host)
    except BadCredentials as error:
        raise Unreachable(f"cannot reach the proxy {proxy}: {error}") from None
    except OSError as error:
        raise Unreachable(f"cannot reach the proxy {proxy}: {explain(error)}") from None
    try:
        ask(outer)
    except BaseException:
        outer.close()
        raise
    ours, inner = socket.socketpair()
    ours.settimeout(timeout)
    outer.setblocking(False)
    inner.setblocking(False)
    start_new_thread(_carry, (outer, inner))
    return ours


def _carry(outer: ssl.SSLSocket, inner: socket.socket) -> None:
    poll = select.poll()
    poll.register(outer)
    poll.register(inner)
    up = down = b""
    try:
        while True:
            # What is waiting on one side is not read before the other has taken what came earlier.
            from_inner = b"" if up else _read(inner)
            from_outer = b"" if down else _read(outer)
            up_before, down_before = up + from_inner, down + from_outer
            up, down = _write(outer, up_before), _write(inner, down_before)
            if from_inner or from_outer or len(up) < len(up_before) or len(down) < len(down_before):
                continue
            poll.modify(outer, (0 if down else select.POLLIN) | (select.POLLOUT if up else 0))
            poll.modify(inner, (0 if up else select.POLLIN) | (select.POLLOUT if down else 0))
            if any(
                events & ~(select.POLLIN | select.POLLOUT) and not events & select.POLLIN for _, events in poll.poll()
            ):
                return
    except OSError:
        pass
    finally:
        outer.close()
        inner.close()


def _read(sock: socket.socket) -> bytes:
    """What has come; empty: nothing yet. Raises ``OSError`` at the end."""
    try:
        data = sock.recv(CHUNK)
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return b""
    if not data:
        raise ConnectionResetError
    return data


def _write(sock: socket.socket, data: bytes) -> bytes:
    """What of ``data`` could not be written yet."""
    if not data:
        return data
    try:
        return data[sock.send(data) :]
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return data
