"""The loopback interface: on which addresses of it a port is served, and what it means that one cannot be had."""

from __future__ import annotations

import errno
import socket

ADDRESSES = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
_NO_SUCH_ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def is_lacking(family: socket.AddressFamily, error: OSError) -> bool:
    """Whether ``error`` says that this device has no IPv6, which it may do without."""
    return family == socket.AF_INET6 and error.errno in _NO_SUCH_ADDRESS
