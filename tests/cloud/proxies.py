"""Proxies by which a device reaches AWS: HTTP CONNECT, the same over TLS, and SOCKS 5; with a password if wanted."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import ssl
import struct
from collections.abc import Awaitable, Callable
from typing import NoReturn

from tests.cloud.gates import Loop, Streams, join, reset, serve

_PASSWORD, _NO_PASSWORD, _NOTHING_FITS = 2, 0, 0xFF
_BY_ADDRESS, _BY_NAME, _BY_ADDRESS_6 = 1, 3, 4


class Proxies:
    """They know names below ``.test`` that nobody else knows: all of them are this machine.

    ``used``: every destination that was asked for, as ``host:port``; ``refused``: how many had no password.
    """

    def __init__(self, loop: Loop, tls: ssl.SSLContext) -> None:
        self.used: list[str] = []
        self.refused = 0
        self._loop = loop
        self._tls = tls
        self._servers: list[asyncio.Server] = []

    def http(self, username: str = "", password: str = "", *, tls: bool = False) -> str:
        """Start one; returns its URL, which does not name the user. ``tls``: the way to the proxy is encrypted."""
        wanted = base64.b64encode(f"{username}:{password}".encode()).decode() if username else ""

        async def handle(device: Streams) -> None:
            host, port = await self._connect_request(device, wanted)
            await self._pass_on(device, host, port, b"HTTP/1.1 200 Connection established\r\n\r\n")

        return self._start("https" if tls else "http", handle, self._tls if tls else None)

    def socks5(self, username: str = "", password: str = "") -> str:
        """The same for SOCKS 5."""

        async def handle(device: Streams) -> None:
            host, port = await self._socks_request(device, username, password)
            await self._pass_on(device, host, port, b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")

        return self._start("socks5", handle, None)

    def close(self) -> None:
        for server in self._servers:
            self._loop.loop.call_soon_threadsafe(server.close)

    def _start(self, scheme: str, handle: Callable[[Streams], Awaitable[None]], tls: ssl.SSLContext | None) -> str:
        async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await handle((reader, writer))
            except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
                pass
            finally:
                reset(writer)

        server, port = serve(self._loop, "127.0.0.1", 0, serve_one, tls)
        self._servers.append(server)
        return f"{scheme}://localhost:{port}"

    async def _pass_on(self, device: Streams, host: str, port: int, welcome: bytes) -> None:
        self.used.append(f"{host}:{port}")
        server = await asyncio.open_connection("127.0.0.1" if host.endswith(".test") else host, port)
        device[1].write(welcome)
        await join(device, server)

    async def _connect_request(self, device: Streams, wanted: str) -> tuple[str, int]:
        head = (await device[0].readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split()
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        scheme, _, word = headers.get("proxy-authorization", "").partition(" ")
        if wanted and (scheme.lower(), word) != ("basic", wanted):
            self.refused += 1
            await _refuse(
                device, _status(b"407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=stand-in")
            )
        if method != "CONNECT":
            await _refuse(device, _status(b"405 Method Not Allowed"))
        host, _, port = target.rpartition(":")
        return host.strip("[]"), int(port)

    async def _socks_request(self, device: Streams, username: str, password: str) -> tuple[str, int]:
        reader, writer = device
        _, count = await reader.readexactly(2)
        offered = await reader.readexactly(count)
        method = _PASSWORD if username else _NO_PASSWORD
        if method not in offered:
            self.refused += 1
            await _refuse(device, bytes((5, _NOTHING_FITS)))
        writer.write(bytes((5, method)))
        if username:
            _, size = await reader.readexactly(2)
            name = await reader.readexactly(size)
            word = await reader.readexactly((await reader.readexactly(1))[0])
            right = (name.decode(), word.decode()) == (username, password)
            if not right:
                self.refused += 1
                await _refuse(device, b"\x01\x01")
            writer.write(b"\x01\x00")
        _, _, _, kind = await reader.readexactly(4)
        if kind == _BY_NAME:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        else:
            size = {_BY_ADDRESS: 4, _BY_ADDRESS_6: 16}[kind]
            host = str(ipaddress.ip_address(await reader.readexactly(size)))
        (port,) = struct.unpack(">H", await reader.readexactly(2))
        return host, port


async def _refuse(device: Streams, answer: bytes) -> NoReturn:
    device[1].write(answer)
    await device[1].drain()
    device[1].close()
    await device[1].wait_closed()
    raise ConnectionRefusedError


def _status(line: bytes) -> bytes:
    return b"HTTP/1.1 " + line + b"\r\nContent-Length: 0\r\n\r\n"
