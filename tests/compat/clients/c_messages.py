"""The messages of the C component SDK: made and taken apart within its buffers, no headers but integers and texts."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from zlib import crc32

from tests.compat.clients import Broken

MAX_MESSAGE = 10_000
"""Bytes of its buffers: all of a message that is sent, and what follows the first twelve bytes of one received."""
INT32, STRING = 4, 7

Headers = Mapping[str, "int | str"]


def encode(headers: Headers, payload: bytes) -> bytes:
    """Raises ``Broken`` when the message does not fit into the buffer."""
    block = b""
    for name, value in headers.items():
        block += bytes((len(name),)) + name.encode()
        if isinstance(value, int):
            block += struct.pack(">Bi", INT32, value)
        else:
            block += struct.pack(">BH", STRING, len(value.encode())) + value.encode()
    total = 16 + len(block) + len(payload)
    if total > MAX_MESSAGE:
        raise Broken(f"a message of {total} bytes does not fit into the buffer")
    front = struct.pack(">II", total, len(block))
    front += struct.pack(">I", crc32(front)) + block + payload
    return front + struct.pack(">I", crc32(front))


def decode_headers(block: bytes) -> Headers:
    headers: dict[str, int | str] = {}
    position = 0
    while position < len(block):
        name = block[position + 1 : position + 1 + block[position]]
        position += 1 + len(name)
        if position >= len(block):
            raise Broken("a header does not fit into its block")
        kind = block[position]
        if kind == INT32:
            size, start = 4, position + 1
        elif kind == STRING:
            size, start = int.from_bytes(block[position + 1 : position + 3], "big"), position + 3
        else:
            raise Broken(f"the header {name!r} is of type {kind}: unsupported header value type")
        value = block[start : start + size]
        if len(value) != size:
            raise Broken("a header does not fit into its block")
        headers[name.decode()] = struct.unpack(">i", value)[0] if kind == INT32 else value.decode()
        position = start + size
    return headers


def receive(sock: socket.socket) -> tuple[Headers, bytes]:
    prelude = _exactly(sock, 12)
    total, block_size, prelude_crc = struct.unpack(">III", prelude)
    if crc32(prelude[:8]) != prelude_crc:
        raise Broken("prelude CRC mismatch")
    if total < 16 or block_size > total - 16:
        raise Broken("the lengths of a message are not valid")
    if total - 12 > MAX_MESSAGE:
        raise Broken("EventStream packet does not fit in IPC packet buffer size")
    data = _exactly(sock, total - 12)
    if crc32(prelude + data[:-4]) != int.from_bytes(data[-4:], "big"):
        raise Broken("message CRC mismatch")
    return decode_headers(data[:block_size]), data[block_size:-4]


def _exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            raise Broken("the connection is closed")
        data += part
    return data


def common(headers: Headers) -> tuple[int, int, int]:
    """Type, flags and stream id; one that is absent is 0."""
    values = [headers.get(name, 0) for name in (":message-type", ":message-flags", ":stream-id")]
    if any(not isinstance(value, int) for value in values):
        raise Broken("a common header is not Int32")
    return values[0], values[1], values[2]  # type: ignore[return-value]
