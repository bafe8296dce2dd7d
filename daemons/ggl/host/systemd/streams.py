"""Connections to the journal by which what a script prints gets its severity (systemd-journald.service(8))."""

from __future__ import annotations

import socket

JOURNAL = "/run/systemd/journal/stdout"
INFO, WARNING = 6, 4
"""What a script prints on its standard output, and on its standard error."""
OWN_IDENTIFIER = "ggl.core.hostd"
"""As whose lines the journal keeps what the steps themselves have to say: they are no words of the component."""


def open_stream(identifier: str, unit: str, severity: int) -> int:
    """A descriptor whose lines go to the journal as ``identifier``'s, with ``severity`` unless they begin with another.

    ``unit``: the name of systemd's unit that they belong to. -1 when there is no journal.
    """
    try:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    except OSError:  # a sandbox may leave it no sockets
        return -1
    try:
        sock.connect(JOURNAL)
        sock.shutdown(socket.SHUT_RD)
        name = identifier.replace("\n", " ").encode("utf-8", "replace")
        # Identifier, unit, severity, whether lines may begin with a severity; and three ways not to forward them.
        sock.sendall(b"%s\n%s\n%d\n1\n0\n0\n0\n" % (name, unit.encode(), severity))
    except OSError:
        sock.close()
        return -1
    return sock.detach()
