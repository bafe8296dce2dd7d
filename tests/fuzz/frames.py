"""Messages of the event stream encoding, right and wrong at every level, made quickly.

A header is kept as the bytes it has on the wire, a header block as a list of such headers, so that any mistake can be
made: types that do not exist, lengths that lead nowhere, names that are no text. Where ``sealed`` puts right lengths
and checksums around a broken block, the mistake reaches the layers behind the framing.
"""

from __future__ import annotations

from random import Random
from struct import Struct
from zlib import crc32

from ggl.ipcd import eventstream as es
from tests.fuzz.payloads import damaged

_LENGTHS = Struct(">II")
_U32 = Struct(">I")
_I32 = Struct(">i")

INT32_MAX, INT32_MIN = 2**31 - 1, -(2**31)


def header(name: bytes, kind: int, body: bytes) -> bytes:
    return b"%c%s%c%s" % (len(name), name, kind, body)


def number(name: bytes, value: int) -> bytes:
    return header(name, es.INT32, _I32.pack(value))


def text(name: bytes, value: bytes) -> bytes:
    return header(name, es.STRING, len(value).to_bytes(2, "big") + value)


def sealed(block: bytes, payload: bytes = b"") -> bytes:
    """A message whose lengths and checksums are right, whatever is inside."""
    lengths = _LENGTHS.pack(16 + len(block) + len(payload), len(block))
    front = b"%s%s%s" % (lengths, _U32.pack(crc32(lengths)), block)
    return b"%s%s%s" % (front, payload, _U32.pack(crc32(payload, crc32(front))))


def block(kind: int, flags: int, stream: int, *more: bytes) -> list[bytes]:
    return [number(b":message-type", kind), number(b":message-flags", flags), number(b":stream-id", stream), *more]


JSON = text(b":content-type", b"application/json")
VERSION = text(b":version", b"0.1.0")

_FIXED = {es.BYTE: 1, es.INT16: 2, es.INT32: 4, es.INT64: 8, es.TIMESTAMP: 8, es.UUID: 16}

HARMLESS: tuple[bytes, ...] = (
    header(b"x", es.TRUE, b""),
    header(b"x", es.FALSE, b""),
    *(header(b"x%d" % kind, kind, fill * size) for kind, size in _FIXED.items() for fill in (b"\0", b"\xff", b"\x80")),
    header(b"x", es.BYTES, b"\0\0"),
    header(b"x", es.BYTES, b"\x01\0" + bytes(256)),
    header(b"bait", es.BYTES, b"\0\x10" + b"\x0a:stream-id\x04\0\0\0\x07"),
    text(b"bait", b"\x0a:stream-id\x04\0\0\0\x07"),
    text(b"y" * 255, b""),
    text(b"long", b"z" * 32_767),
    text("é".encode(), "\U0001f600".encode()),
    text(b"service-model-type", b"aws.greengrass#NoSuchRequest"),
    text(b":content-type", b"text/html"),
    JSON,
    header(b"operation2", es.TRUE, b""),
    b"".join(header(b"h%d" % n, es.TRUE, b"") for n in range(200)),
)
"""Headers that may stand in any message."""

BROKEN: tuple[bytes, ...] = (
    *(header(b"x", kind, bytes(4)) for kind in (10, 11, 127, 255)),
    header(b"", es.TRUE, b""),
    header(b"", es.STRING, b"\0\0"),
    header(b"x", es.STRING, b"\x80\0" + bytes(32_768)),
    header(b"x", es.STRING, b"\xff\xff"),
    header(b"x", es.BYTES, b"\0"),
    header(b"x", es.STRING, b"\0\x02\xff\xfe"),
    header(b"\xff\xfe", es.TRUE, b""),
    header(b"x", es.UUID, bytes(3)),
    b"\xff",
    b"\x05a",
    number(b":stream-id", 1),
    number(b":Stream-Id", 1),
    number(b":MESSAGE-TYPE", 0),
    header(b":message-flags", es.INT64, bytes(8)),
    text(b":message-type", b"0"),
    b"".join(header(b"h%d" % n, es.TRUE, b"") for n in range(1100)),
    bytes(130_000),
)
"""Headers that make nonsense of a message, when put into one."""

_PROVIDED = b"com.example.fuzz#Call", b"com.example.fuzz#Watch", b"com.example.fuzz#Other"
ODD_OPERATIONS: tuple[bytes, ...] = (
    *(
        text(b"operation", value)
        for value in (b"", b"aws.greengrass#", b"aws.greengrass#Nonsense", b"GetConfiguration")
    ),
    *(text(b"operation", value) for value in (b"../../gg_config", b"o" * 256, "ü".encode(), b"%s%n{}")),
    text(b"operation", b"aws.greengrass#getconfiguration"),
    text(b"operation", b"aws.greengrass.private#GetSystemConfig"),
    text(b"operation", b"aws.greengrass#GetConfiguration "),
    text(b"Operation", b"aws.greengrass#GetConfiguration"),
    text(b"OPERATION", b"aws.greengrass#ListComponents"),
    *(
        text(b"operation", name)
        for name in (b"com.example.fuzz#Call", b"com.example.fuzz#Watch", b"com.example.fuzz#Other")
        for _ in range(8)
    ),
)
"""Names that nobody serves, that somebody serves in a header that looks odd, and, often, those of the bad provider."""

IMPOSSIBLE_OPERATIONS: tuple[bytes, ...] = tuple(
    text(b"operation", value) for value in (b"o" * 257, b"o" * 32_767, b"\0", b"a\nb", b"\x1b[2J", "\u202e".encode())
)
"""Names that no operation can have, which end the connection."""

ODD_NUMBERS = (0, 1, -1, 2, 3, 4, 7, 8, 255, 256, 65536, INT32_MAX, INT32_MIN)


def broken_block(rng: Random, parts: list[bytes]) -> list[bytes]:
    """``parts`` as a receiver should not like them."""
    how = rng.random()
    spot = int(rng.random() * len(parts))
    if how < 0.2:
        del parts[spot]
    elif how < 0.35:
        parts.append(parts[spot])
    elif how < 0.65:
        parts.insert(spot, rng.choice(BROKEN))
    elif how < 0.8:
        parts[spot] = damaged(rng, parts[spot])
    elif how < 0.9:
        name = (b":message-type", b":message-flags", b":stream-id")[spot % 3]
        parts[rng.randrange(3)] = number(name, rng.choice(ODD_NUMBERS))
    else:
        parts[spot] = parts[spot].swapcase()
    return parts


def broken_frame(rng: Random, message: bytes) -> bytes:
    """``message`` with its framing broken."""
    how = rng.random()
    if how < 0.3:
        return damaged(rng, message)
    total, size = _LENGTHS.unpack_from(message)
    if how < 0.6:
        wrong = rng.choice((0, 1, 12, 15, 16, total - 1, total + 1, 65536, 65537, es.MAX_MESSAGE + 1, 2**31, 2**32 - 1))
        if rng.random() < 0.5:
            total = wrong
        else:
            size = wrong
        lengths = _LENGTHS.pack(total, size)
        front = lengths + _U32.pack(crc32(lengths)) + message[12:-4]
        return front + _U32.pack(crc32(front))
    if how < 0.7:
        return message[:-4] + rng.randbytes(4)
    if how < 0.8:
        return message[:8] + rng.randbytes(4) + message[12:]
    if how < 0.9:
        return rng.randbytes(rng.randrange(1, 200))
    return rng.choice(
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\0" * 100, b"\xff" * 1000, b"\x16\x03\x01\x02\0\x01", b"{}\n")
    )
