"""TCP ports of the loopback interface, opened for a daemon that is not there yet."""

from __future__ import annotations

import socket

from ggl.loopback import ADDRESSES, is_lacking

BACKLOG = 128


def open_port(port: int) -> dict[str, socket.socket]:
    """Listening sockets for ``port`` on IPv4 and, where the device has it, on IPv6. Raises ``OSError``."""
    sockets: dict[str, socket.socket] = {}
    try:
        for family, address in ADDRESSES:
            try:
                sockets[family.name] = _listen(family, address, port)
            except OSError as error:
                if not is_lacking(family, error):
                    raise
    except OSError:
        close(sockets)
        raise
    return sockets


def close(sockets: dict[str, socket.socket]) -> None:
    """From now on nobody can connect, although a daemon that is about to end may still have the sockets."""
    for sock in sockets.values():
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # its daemon did that
        sock.close()


def _listen(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    # Without blocking: who has connected may be gone when the connection is accepted.
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        # Connections of before that are about to end do not hold the port.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address, port))
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock
