"""Other ways to the broker: port 443, where the protocol is agreed upon by ALPN, and a broker that lets nobody in."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping

from tests.cloud.certificates import Files
from tests.cloud.gates import Gate, Loop, Streams, join, reset, serve

MQTT, HTTP = "x-amzn-mqtt-ca", "x-amzn-http-ca"
_CONNACK = 0x20


class Front(Gate):
    """Port 443 of an address of its own. Whoever does not name a protocol, or an unknown one, is not served.

    Behind it, the device is known by the same certificate as in front, whose key the stand-in has.
    """

    def __init__(
        self,
        loop: Loop,
        host: str,
        tls: ssl.SSLContext,
        ports: Mapping[str, Callable[[], int]],
        devices: Mapping[str, Files],
    ) -> None:
        self.agreed: list[str | None] = []
        """The protocol of each connection so far."""
        self._ports = ports
        self._devices = devices
        tls.set_alpn_protocols(list(ports))
        super().__init__(loop, "alpn", lambda: (host, 0), host=host, port=443, tls=tls)

    async def _pass_on(self, device: Streams) -> None:
        connection: ssl.SSLObject = device[1].get_extra_info("ssl_object")
        protocol = connection.selected_alpn_protocol()
        self.agreed.append(protocol)
        if protocol is None:
            raise ConnectionAbortedError
        subject = dict(part[0] for part in connection.getpeercert()["subject"])  # type: ignore[index, misc]
        files = self._devices[str(subject["commonName"])]
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.load_cert_chain(str(files.certificate), str(files.key))
        await join(
            device, await asyncio.open_connection("127.0.0.1", self._ports[protocol](), ssl=context), self.weather
        )


class Refuser:
    """A broker that answers each CONNECT with a refusal. ``clients``: who has asked."""

    def __init__(self, loop: Loop, tls: ssl.SSLContext) -> None:
        self.code = 0x87
        """Of MQTT 5; in MQTT 3.1.1, everybody is refused as not authorized."""
        self.clients: list[str] = []
        self._loop = loop
        self._server, self.port = serve(loop, "127.0.0.1", 0, self._refuse, tls)

    def close(self) -> None:
        self._loop.loop.call_soon_threadsafe(self._server.close)

    async def _refuse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            packet = await _packet(reader)
            is_version_5 = packet[6] == 5
            begin = 10 + (1 + packet[10] if is_version_5 else 0)
            size = int.from_bytes(packet[begin : begin + 2], "big")
            self.clients.append(packet[begin + 2 : begin + 2 + size].decode())
            writer.write(bytes((_CONNACK, 3, 0, self.code, 0) if is_version_5 else (_CONNACK, 2, 0, 5)))
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        except (OSError, asyncio.IncompleteReadError, IndexError, ValueError):
            reset(writer)


async def _packet(reader: asyncio.StreamReader) -> bytes:
    """The rest of an MQTT packet after its fixed header."""
    await reader.readexactly(1)
    size, shift = 0, 0
    while True:
        (byte,) = await reader.readexactly(1)
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return await reader.readexactly(size)
