"""A gate in front of every endpoint of AWS, which can be shut, slowed and stalled.

All gates live in one event loop on a thread of its own. A gate keeps its port for as long as the stand-in lives.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.cloud.processes import bound

T = TypeVar("T")
CHUNK = 65536
Target = Callable[[], tuple[str, int]]
"""Where a gate leads, found out anew for each connection; it may take its time."""
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

# A server may have to be started first (moto), for which connections wait here.
_targets = ThreadPoolExecutor(4, thread_name_prefix="stand-in-target")


class Loop:
    """An event loop on a thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="stand-in-network", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T], seconds: float = 120.0) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(seconds)

    def close(self) -> None:
        async def cancel() -> None:
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self.run(cancel())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10.0)
        self.loop.close()


@dataclass
class Weather:
    """What a gate does to what passes."""

    delay: float = 0.0
    """Seconds that each piece waits, each way."""
    bytes_per_second: float = 0.0
    """Of one connection and direction; 0: no limit."""
    cut_after: int | None = None
    """Bytes toward the device after which a connection is reset."""
    passing: asyncio.Event = field(default_factory=asyncio.Event)
    """Not set: nothing passes, and nobody is told."""


class Gate:
    """One endpoint as the device sees it: ``host``, ``port``. ``tls``: it speaks TLS itself, plain text behind it."""

    def __init__(
        self,
        loop: Loop,
        name: str,
        target: Target,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.name = name
        self.host = host
        self.weather = Weather()
        self.weather.passing.set()
        self.accepted = 0
        """Connections so far, also those that came to nothing."""
        self._loop = loop
        self._target = target
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        # This one is never listened on: it keeps the port while the gate is shut.
        self._holder = bound(host, port)
        self.port: int = self._holder.getsockname()[1]
        self.open()

    @property
    def is_open(self) -> bool:
        """Whether there is somebody who takes connections, were it only to let them wait."""
        return self._server is not None

    def open(self) -> None:
        """Let everything pass again."""

        async def listen() -> None:
            self.weather.passing.set()
            if self._server is None:
                listener = bound(self.host, self.port)
                self._server = await asyncio.start_server(self._serve, sock=listener, ssl=self._tls, backlog=128)

        self._loop.run(listen())

    def shut(self) -> None:
        """Reset every connection and refuse new ones."""

        async def end() -> None:
            await self._unlisten()
            await self._reset()

        self._loop.run(end())

    def stall(self) -> None:
        """Let nothing pass, without a word to anybody, as when a cable is pulled far away. ``open`` ends it."""

        async def end() -> None:
            self.weather.passing.clear()

        self._loop.run(end())

    def reset_connections(self) -> None:
        """Reset the connections there are; new ones are welcome."""
        self._loop.run(self._reset())

    def connections(self) -> int:
        return len(self._tasks)

    def close(self) -> None:
        self.shut()
        self._holder.close()

    async def _unlisten(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _reset(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.accepted += 1
        try:
            if self._server is not None:  # else it was accepted just before the gate was shut, and comes to light now
                await self._pass_on((reader, writer))
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError, EOFError):
            pass
        finally:
            self._tasks.discard(task)
            reset(writer)

    async def _pass_on(self, device: Streams) -> None:
        await self.weather.passing.wait()
        host, port = await asyncio.get_running_loop().run_in_executor(_targets, self._target)
        server = await asyncio.open_connection(host, port)
        await join(device, server, self.weather)


async def join(device: Streams, server: Streams, weather: Weather | None = None) -> None:
    """Pass bytes both ways until both ends have said that this was all, or one of them is gone."""
    try:
        await asyncio.gather(
            _pump(server[0], device[1], weather, toward_device=True),
            _pump(device[0], server[1], weather, toward_device=False),
        )
    finally:
        reset(server[1])


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, weather: Weather | None, *, toward_device: bool
) -> None:
    passed = 0
    while data := await reader.read(CHUNK):
        if weather is not None:
            if weather.delay:
                await asyncio.sleep(weather.delay)
            if weather.bytes_per_second:
                await asyncio.sleep(len(data) / weather.bytes_per_second)
            await weather.passing.wait()
            passed += len(data)
            if toward_device and weather.cut_after is not None and passed > weather.cut_after:
                raise ConnectionResetError
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        with contextlib.suppress(OSError):
            writer.write_eof()
    elif not writer.is_closing():
        writer.close()  # TLS knows no half of a connection


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection. What is at its other end reads a reset if anything was on its way."""
    connection = writer.get_extra_info("socket")
    if connection is not None and not writer.is_closing():
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def serve(
    loop: Loop,
    host: str,
    port: int,
    handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    tls: ssl.SSLContext | None = None,
) -> tuple[asyncio.Server, int]:
    """A small server on the loop: the server, and its port."""

    async def start() -> asyncio.Server:
        return await asyncio.start_server(handle, host, port, ssl=tls)

    server = loop.run(start())
    return server, server.sockets[0].getsockname()[1]
