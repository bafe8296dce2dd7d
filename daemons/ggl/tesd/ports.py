"""Which port components are told, and that the host keeps it open. It blocks: for a process of its own (see ``child``).

Components keep the address they were given, so the ports of before stay open as long as the runtime is there. After
that nobody knows them any more; but the last one is taken again if it can be had.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ggl.bus.client import connect
from ggl.bus.errors import BusError, ErrorCode
from ggl.catalog import MAX_PORTS
from ggl.cloud.settings import TIMEOUT
from ggl.host import client as host
from ggl.log import get_logger
from ggl.loopback import ADDRESSES, is_lacking

if TYPE_CHECKING:
    from ggl.bus.client import Client
    from ggl.paths import Root

SERVER = "tesserverd"
PORT_TRIES = 20
"""Random ports that are tried until the host can open one."""
_log = get_logger("tesd")


def serve(root: Root, wanted: int, ports: list[int], instance: str) -> dict[str, Any]:
    """Have the port ``wanted`` (0: any) opened; ``ports`` were opened before, in the start ``instance`` of the runtime.

    ``ports``: what is open now, last the one for components to be told; ``instance``: this start. Raises ``BusError``.
    """
    with connect(host.INTERFACE, root, TIMEOUT) as client:
        now = client.call("info")["instance"]
        last = ports[-1] if ports else 0
        return {"ports": _open(client, wanted, ports if now == instance else [], last), "instance": now}


def _open(client: Client, wanted: int, present: list[int], last: int) -> list[int]:
    failure = None
    for choice in choices(wanted, present, last):
        try:
            host.listen(client, SERVER, choice)
        except BusError as error:
            if error.code is not ErrorCode.FAILURE:
                raise
            failure = error
            if choice[-1] == wanted:
                _log.error("the port of the configuration is not used: %s", error.message)
        else:
            return choice
    raise failure or BusError(ErrorCode.FAILURE, "no port is free")


def choices(wanted: int, present: list[int], last: int) -> Iterator[list[int]]:
    """Ports to be opened together, the best choice first. ``present``: those that are open; ``last``: what it was
    before the runtime was started anew. 0: there is none. Raises ``BusError``."""
    if wanted:
        yield [*(port for port in present if port != wanted), wanted][-MAX_PORTS:]
    if present:
        yield present
    elif last not in (0, wanted):
        yield [last]
    for _ in range(PORT_TRIES):
        try:
            yield [free_port()]
        except OSError as error:
            raise BusError(ErrorCode.FAILURE, f"no port is free: {error.strerror}") from None


def free_port() -> int:
    """One that is free at this moment on all addresses that the device has. Raises ``OSError``."""
    for number in range(1, PORT_TRIES + 1):
        try:
            return _free_on_all()
        except OSError as error:
            # A port that happened to be free for one address may be somebody's on the other.
            if error.errno != errno.EADDRINUSE or number == PORT_TRIES:
                raise
    raise AssertionError


def _free_on_all() -> int:
    port = 0
    for family, address in ADDRESSES:
        try:
            with socket.socket(family, socket.SOCK_STREAM) as sock:
                sock.bind((address, port))
                port = sock.getsockname()[1]
        except OSError as error:
            if not is_lacking(family, error):
                raise
    return port
