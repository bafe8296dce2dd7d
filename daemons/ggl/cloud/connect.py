"""A TCP connection to a host of the cloud, through the proxy that the configuration names. It blocks."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from ggl.cloud.endpoints import ascii_name, host_port
from ggl.cloud.proxy import Proxy, proxy_for
from ggl.values import InvalidValue

if TYPE_CHECKING:
    from ggl.cloud.settings import ProxySettings

MAX_ANSWER = 16384
"""Bytes of a proxy's answer."""


class Unreachable(OSError):
    """There is no connection; the text names the host, and the proxy if there is one."""

    def __str__(self) -> str:
        return str(self.args[0])


def connect(host: str, port: int, proxy: ProxySettings, timeout: float) -> socket.socket:
    """A connection to ``host``. ``timeout``: seconds for each step; the socket keeps it. Raises ``Unreachable``.

    How long a name server may take is the resolver's affair.
    """
    try:
        through = proxy_for(host, proxy)
    except InvalidValue as error:
        raise Unreachable(str(error)) from None
    if through is None:
        return _tcp(host, port, timeout, host_port(host, port))
    where = f"{host_port(host, port)} through the proxy {through}"
    if through.scheme == "socks5":
        return _socks(host, port, through, timeout, where)
    sock = _tcp(through.host, through.port, timeout, f"the proxy {through}")
    try:
        if through.scheme == "https":
            from ggl.cloud.tunnel import encrypted

            return encrypted(sock, through, proxy, lambda inner: _ask(inner, host, port, through, where), timeout)
        _ask(sock, host, port, through, where)
    except BaseException:
        sock.close()
        raise
    return sock


def _tcp(host: str, port: int, timeout: float, what: str) -> socket.socket:
    try:
        sock = socket.create_connection((ascii_name(host), port), timeout)  # type: ignore[arg-type]
    except socket.gaierror as error:
        raise Unreachable(f"cannot reach {what}: the name {host} is not found ({error.strerror})") from None
    except TimeoutError:
        raise Unreachable(f"cannot reach {what}: no answer in {timeout:g} s") from None
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "that is no name of a host"
        raise Unreachable(f"cannot reach {what}: {reason or error}") from None
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _ask(sock: socket.socket, host: str, port: int, proxy: Proxy, where: str) -> None:
    """Ask an HTTP proxy to connect us. Raises ``Unreachable``."""
    name = host_port(host, port)
    lines = [f"CONNECT {name} HTTP/1.1", f"Host: {name}"]
    if proxy.username or proxy.password:
        from base64 import b64encode

        user = b64encode(f"{proxy.username}:{proxy.password}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {user}")
    try:
        sock.sendall("\r\n".join([*lines, "", ""]).encode())
        status, text = _answer(sock, where)
    except TimeoutError:
        raise Unreachable(f"cannot reach {where}: it does not answer") from None
    except OSError as error:
        if isinstance(error, Unreachable):
            raise
        raise Unreachable(f"cannot reach {where}: {error.strerror or error}") from None
    if status == 407:
        raise Unreachable(
            f"cannot reach {where}: it wants other credentials (407): check networkProxy.proxy.username and password"
        )
    if not 200 <= status < 300:
        raise Unreachable(f"cannot reach {where}: it refuses ({status} {text})")


def _answer(sock: socket.socket, where: str) -> tuple[int, str]:
    """Status and reason of the proxy's answer. Reads not a byte more: what follows belongs to the server."""
    answer = b""
    deadline = time.monotonic() + (sock.gettimeout() or 0.0)
    while not answer.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        if not byte:
            raise Unreachable(f"cannot reach {where}: it closed the connection")
        answer += byte
        if len(answer) > MAX_ANSWER:
            raise Unreachable(f"cannot reach {where}: its answer is too long")
        if time.monotonic() > deadline:
            raise TimeoutError
    words = answer.partition(b"\r\n")[0].decode("latin-1").split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdecimal():
        raise Unreachable(f"cannot reach {where}: it is no HTTP proxy")
    return int(words[1]), words[2][:100] if len(words) > 2 else ""


def _socks(host: str, port: int, proxy: Proxy, timeout: float, where: str) -> socket.socket:
    import socks

    try:
        # The proxy looks up the name: a device behind it may know no names of the world outside.
        sock: socket.socket = socks.create_connection(
            (host, port),
            timeout,
            proxy_type=socks.SOCKS5,
            proxy_addr=proxy.host,
            proxy_port=proxy.port,
            proxy_rdns=True,
            proxy_username=proxy.username or None,
            proxy_password=proxy.password or None,
        )
    except (socks.ProxyError, OSError) as error:
        reason = getattr(error, "socket_err", None) or error
        raise Unreachable(f"cannot reach {where}: {getattr(reason, 'strerror', None) or reason}") from None
    return sock
