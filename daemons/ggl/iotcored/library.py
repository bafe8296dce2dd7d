"""The MQTT library, without what it brings along for other ways to use it.

``paho.mqtt.client`` imports the whole of HTTP, e-mail and logging, for websockets and proxies that are not used here:
many times the memory of the library itself, in a process that stays. Import it from here, and nowhere else.
"""

from __future__ import annotations

import sys
from _thread import RLock, allocate_lock
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ggl.lazy import defer

_NEVER = ("socks", "dns.resolver")
"""Imported by the library if they are there. Its sockets are made by others."""


class _NobodyWaits:
    """Stands for the condition that each message has, by which threads would be told that it has been sent."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def notify(self) -> None:
        pass


def _load(name: str) -> ModuleType:
    defer("base64", "hashlib", "logging", "platform", "string", "threading", "urllib.request", "uuid")
    _give("logging", DEBUG=10, INFO=20, WARNING=30, ERROR=40)
    _give("platform", system=lambda: "Linux")
    _give("string", ascii_letters="abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", digits="0123456789")
    _give("threading", Condition=_NobodyWaits, Lock=allocate_lock, RLock=RLock)
    absent = [each for each in _NEVER if each not in sys.modules]
    for each in absent:
        sys.modules[each] = None  # type: ignore[assignment]
    try:
        return import_module(name)
    finally:
        for each in absent:
            del sys.modules[each]


def _give(name: str, **attributes: Any) -> None:
    """What the library looks at while it is imported must not load the module it is from."""
    module = sys.modules[name]
    for attribute, value in attributes.items():
        if attribute not in vars(module):
            setattr(module, attribute, value)


if not TYPE_CHECKING:
    _load("paho.mqtt.client")

from paho.mqtt.client import Client as LibraryClient  # noqa: E402
from paho.mqtt.client import MQTTMessage, MQTTv5, MQTTv311  # noqa: E402
from paho.mqtt.enums import CallbackAPIVersion  # noqa: E402
from paho.mqtt.exception import MalformedPacket  # noqa: E402
from paho.mqtt.packettypes import PacketTypes  # noqa: E402
from paho.mqtt.properties import Properties  # noqa: E402
from paho.mqtt.subscribeoptions import SubscribeOptions  # noqa: E402

CONNECT, PUBLISH, DISCONNECT = PacketTypes.CONNECT, PacketTypes.PUBLISH, PacketTypes.DISCONNECT
VERSION2 = CallbackAPIVersion.VERSION2


def properties_for(kind: int) -> Properties:
    """No properties yet, for a packet of ``kind``."""
    return Properties(kind)  # type: ignore[no-untyped-call]


__all__ = [
    "CONNECT",
    "DISCONNECT",
    "PUBLISH",
    "VERSION2",
    "LibraryClient",
    "MQTTMessage",
    "MQTTv5",
    "MQTTv311",
    "MalformedPacket",
    "Properties",
    "SubscribeOptions",
    "properties_for",
]
