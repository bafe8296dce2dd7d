"""The databus: how the daemons and the command line talk to each other.

Point to point over UNIX stream sockets, one socket an interface, in MessagePack-RPC with streams (see ``wire``).

* ``connect(interface)`` gives a blocking ``Client`` with ``call``, ``notify``, ``subscribe``, ``close``;
* ``Remote`` is the same for code that lives on a ``Loop``, with callbacks;
* ``Server`` serves a table of ``Method`` on a ``Loop``.

A subscription is a long-running call by default. The two other ways of the architecture need nothing more: polling is
a call in a timer, and a reverse channel is a call in the other direction on the same connection, or to an interface
whose name the subscriber passed.

The names are loaded when first used: a blocking client does not pay for the server side, and the other way round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ggl.bus.client import Client, connect
    from ggl.bus.errors import BusError, ErrorCode
    from ggl.bus.loop import Loop, Timer
    from ggl.bus.peer import Peer
    from ggl.bus.remote import Remote
    from ggl.bus.request import DEFERRED, Method, Methods, Request, Stream
    from ggl.bus.server import Server

__all__ = [
    "DEFERRED",
    "BusError",
    "Client",
    "ErrorCode",
    "Loop",
    "Method",
    "Methods",
    "Peer",
    "Remote",
    "Request",
    "Server",
    "Stream",
    "Timer",
    "connect",
]

_HOME = {
    "BusError": "errors",
    "Client": "client",
    "DEFERRED": "request",
    "ErrorCode": "errors",
    "Loop": "loop",
    "Method": "request",
    "Methods": "request",
    "Peer": "peer",
    "Remote": "remote",
    "Request": "request",
    "Server": "server",
    "Stream": "request",
    "Timer": "loop",
    "connect": "client",
}


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'ggl.bus' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"ggl.bus.{home}"), name)
    globals()[name] = value
    return value
