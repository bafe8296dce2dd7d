"""The event stream encoding: framed messages with typed headers and two checksums. Pure; knows no sockets.

A message, all integers big-endian::

    total length u32 | header block length u32 | CRC-32 of these 8 bytes
    header block | payload | CRC-32 of everything before it

A header is a name (length u8, UTF-8), a type (u8) and a value whose size follows from the type. Three headers make a
message part of the RPC protocol on top and are therefore decoded into attributes: ``:message-type``,
``:message-flags`` and ``:stream-id``, each an int32. The others stay in ``headers`` as ``(type, value)``.

A client repeats the same header block in every call of an operation, but for the four bytes of its stream id. What
a block meant is kept, keyed by the block without those four bytes, so that a repeated one costs one lookup.
The server's own blocks are made once per shape (``Template``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from struct import Struct
from struct import error as StructError
from typing import Any
from zlib import crc32

TRUE, FALSE, BYTE, INT16, INT32, INT64, BYTES, STRING, TIMESTAMP, UUID = range(10)
"""Header types. A Python value is a bool, an int, ``bytes`` (BYTES, and 16 of them for UUID) or a str."""

APPLICATION_MESSAGE, APPLICATION_ERROR, PING, PING_RESPONSE, CONNECT, CONNECT_ACK, PROTOCOL_ERROR, INTERNAL_ERROR = (
    range(8)
)
"""Message types."""

CONNECTION_ACCEPTED = 1
TERMINATE_STREAM = 2
"""Message flags."""

MAX_MESSAGE = 24 * 1024 * 1024
"""Bytes of one message, checksums included: what the AWS client libraries allow themselves."""
MAX_HEADER_BLOCK = 128 * 1024
MAX_HEADERS = 1024
MAX_HEADER_VALUE = 32767
"""Bytes of one string or byte buffer in a header."""
OVERHEAD = 16
"""Bytes of a message without headers and payload."""

Header = tuple[int, Any]

_PRELUDE = Struct(">III")
_LENGTHS = Struct(">II")
_U32 = Struct(">I")
_I32 = Struct(">i")
_U16 = Struct(">H")
_FIXED = {BYTE: Struct(">b"), INT16: Struct(">h"), INT32: _I32, INT64: Struct(">q"), TIMESTAMP: Struct(">q")}

_TYPE_HEADER = b"\x0d:message-type\x04"
_FLAGS_HEADER = b"\x0e:message-flags\x04"
_STREAM_HEADER = b"\x0a:stream-id\x04"

_SMALL = 4096
"""Bytes that are copied quicker than a view of them is made."""
_MAX_KNOWN_BLOCKS = 256
_MAX_KNOWN_BLOCK = 1024
_known: dict[bytes, tuple[int, int, int, Mapping[str, Header]]] = {}
"""Header block without its stream id -> (offset of the stream id, message type, flags, other headers)."""


class EventStreamError(Exception):
    """The bytes are no event stream message, or break a limit; the text says which. The connection is lost."""


class Message:
    """One message of the RPC protocol. ``headers`` is shared between equal messages: never change it."""

    __slots__ = ("flags", "headers", "payload", "stream_id", "type")

    def __init__(self, kind: int, flags: int, stream_id: int, headers: Mapping[str, Header], payload: bytes) -> None:
        self.type = kind
        self.flags = flags
        self.stream_id = stream_id
        self.headers = headers
        self.payload = payload

    def text(self, name: str) -> str | None:
        """The value of a string header; ``None`` when it is absent or of another type."""
        kind, value = self.headers.get(name, (STRING, None))
        return value if kind == STRING else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Message) and all(getattr(self, a) == getattr(other, a) for a in self.__slots__)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return (
            f"Message(type={self.type}, flags={self.flags}, stream_id={self.stream_id}, headers={dict(self.headers)!r},"
            f" payload={self.payload[:200]!r})"
        )


def decode_headers(block: bytes) -> list[tuple[str, int, Any]]:
    """The headers of a block in their order, each ``(name, type, value)``. Raises ``EventStreamError``."""
    headers: list[tuple[str, int, Any]] = []
    position, end = 0, len(block)
    try:
        while position < end:
            start = position + 1
            position = start + block[position]
            if position == start:
                raise EventStreamError("a header has no name")
            name = block[start:position].decode()
            kind = block[position]
            position += 1
            value: Any
            if kind in (STRING, BYTES):
                (size,) = _U16.unpack_from(block, position)
                if size > MAX_HEADER_VALUE:
                    raise EventStreamError(f"header '{name}' has {size} bytes, the limit is {MAX_HEADER_VALUE}")
                start = position + 2
                position = start + size
                value = block[start:position]
                if kind == STRING:
                    value = value.decode()
            elif kind in _FIXED:
                shape = _FIXED[kind]
                (value,) = shape.unpack_from(block, position)
                position += shape.size
            elif kind in (TRUE, FALSE):
                value = kind == TRUE
            elif kind == UUID:
                value = block[position : position + 16]
                position += 16
            else:
                raise EventStreamError(f"header '{name}' is of the unknown type {kind}")
            headers.append((name, kind, value))
            if len(headers) > MAX_HEADERS:
                raise EventStreamError(f"a message has more than {MAX_HEADERS} headers")
    except (IndexError, StructError):
        raise EventStreamError("a header does not fit into its block") from None
    except UnicodeDecodeError:
        raise EventStreamError("a header is not UTF-8") from None
    if position != end:
        raise EventStreamError("a header does not fit into its block")
    return headers


class Decoder:
    """Takes the bytes of one connection as they come and gives the messages they complete."""

    __slots__ = ("_buffer", "_needed", "limit")

    def __init__(self, limit: int = MAX_MESSAGE) -> None:
        self.limit = limit
        """Bytes of the largest message accepted; may be changed between messages."""
        self._buffer = bytearray()
        self._needed = 12

    @property
    def unfinished(self) -> int:
        """Bytes of a message that is not complete yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Message]:
        """The messages that ``data`` completes, in order. Raises ``EventStreamError``; then feed no more."""
        if self._buffer:
            self._buffer += data
            if len(self._buffer) < self._needed:
                return []
            data = bytes(self._buffer)
            self._buffer = bytearray()
        messages: list[Message] = []
        offset, end = 0, len(data)
        while end - offset >= 12:
            total, block_size, prelude_crc = _PRELUDE.unpack_from(data, offset)
            running = crc32(data[offset : offset + 8])
            if running != prelude_crc:
                raise EventStreamError("the checksum of a message's first bytes is wrong")
            if total > self.limit:
                raise EventStreamError(f"a message of {total} bytes is over the limit of {self.limit}")
            if block_size > MAX_HEADER_BLOCK or block_size + OVERHEAD > total:
                raise EventStreamError(f"a message of {total} bytes cannot have {block_size} bytes of headers")
            if end - offset < total:
                self._needed = total
                break
            stop = offset + total
            whole = data if total == end else data[offset:stop]
            rest = whole[8:-4] if total < _SMALL else memoryview(whole)[8:-4]
            if crc32(rest, running) != _U32.unpack_from(whole, total - 4)[0]:
                raise EventStreamError("the checksum of a message is wrong")
            messages.append(_message(whole[12 : 12 + block_size], whole[12 + block_size : -4]))
            offset = stop
        else:
            self._needed = 12
        if offset < end:
            self._buffer += memoryview(data)[offset:]
        return messages


def _message(block: bytes, payload: bytes) -> Message:
    position = block.find(_STREAM_HEADER) + len(_STREAM_HEADER)
    key = block[:position] + block[position + 4 :]
    known = _known.get(key)
    if known is not None and known[0] == position:
        # Equal to a decoded block everywhere but in the four bytes at ``position``, which were its stream id.
        return Message(known[1], known[2], _I32.unpack_from(block, position)[0], known[3], payload)
    return _new_message(block, payload, key, position)


def _new_message(block: bytes, payload: bytes, key: bytes, position: int) -> Message:
    headers: dict[str, Header] = {}
    protocol: dict[str, int] = {}
    for name, kind, value in decode_headers(block):
        lower = name.lower()
        if lower in (":message-type", ":message-flags", ":stream-id"):
            if kind != INT32:
                raise EventStreamError(f"header '{lower}' must be a 32-bit integer")
            if lower in protocol:
                raise EventStreamError(f"header '{lower}' is there twice")
            protocol[lower] = value
        else:
            headers["operation" if lower == "operation" else name] = (kind, value)
    if len(protocol) != 3:
        raise EventStreamError("a message lacks its type, its flags or its stream id")
    message = Message(protocol[":message-type"], protocol[":message-flags"], protocol[":stream-id"], headers, payload)
    if len(block) <= _MAX_KNOWN_BLOCK and _stream_id_offset(block) == position:
        if len(_known) >= _MAX_KNOWN_BLOCKS:
            _known.clear()
        _known[key] = (position, message.type, message.flags, headers)
    return message


def _stream_id_offset(block: bytes) -> int:
    """Where the value of the header ``:stream-id`` stands in a block that has been decoded."""
    position = 0
    while True:
        size = block[position]
        name, kind = block[position + 1 : position + 1 + size], block[position + 1 + size]
        position += size + 2
        if name.lower() == b":stream-id":
            return position
        if kind in (STRING, BYTES):
            position += 2 + _U16.unpack_from(block, position)[0]
        elif kind in _FIXED:
            position += _FIXED[kind].size
        elif kind == UUID:
            position += 16


def encode_headers(headers: Iterable[tuple[str, int, Any]]) -> bytes:
    """The header block for ``(name, type, value)`` items. Raises ``EventStreamError`` for one that cannot be sent."""
    parts = []
    for name, kind, value in headers:
        encoded = name.encode()
        if not 0 < len(encoded) <= 255:
            raise EventStreamError(f"a header name has {len(encoded)} bytes")
        parts += [bytes((len(encoded),)), encoded, bytes((kind,))]
        if kind in (STRING, BYTES):
            raw = value.encode() if kind == STRING else value
            if len(raw) > MAX_HEADER_VALUE:
                raise EventStreamError(f"header '{name}' has {len(raw)} bytes, the limit is {MAX_HEADER_VALUE}")
            parts += [_U16.pack(len(raw)), raw]
        elif kind == UUID:
            if len(value) != 16:
                raise EventStreamError(f"header '{name}': a UUID has 16 bytes")
            parts.append(value)
        elif kind in _FIXED:
            try:
                parts.append(_FIXED[kind].pack(value))
            except StructError as error:
                raise EventStreamError(f"header '{name}': {error}") from None
        elif kind not in (TRUE, FALSE):
            raise EventStreamError(f"header '{name}' is of the unknown type {kind}")
    return b"".join(parts)


def encode_raw(block: bytes, payload: bytes = b"") -> bytes:
    """A message from a finished header block. Raises ``EventStreamError`` when it is too long."""
    total = OVERHEAD + len(block) + len(payload)
    if total > MAX_MESSAGE:
        raise EventStreamError(f"a message of {total} bytes is over the limit of {MAX_MESSAGE}")
    lengths = _LENGTHS.pack(total, len(block))
    front = lengths + _U32.pack(crc32(lengths)) + block
    return b"".join((front, payload, _U32.pack(crc32(payload, crc32(front)))))


class Template:
    """Messages that differ only in stream id and payload; everything else is made once."""

    __slots__ = ("_block",)

    def __init__(self, kind: int, flags: int = 0, headers: Iterable[tuple[str, int, Any]] = ()) -> None:
        self._block = b"".join(
            (_TYPE_HEADER, _I32.pack(kind), _FLAGS_HEADER, _I32.pack(flags), encode_headers(headers), _STREAM_HEADER)
        )

    def encode(self, stream_id: int = 0, payload: bytes = b"") -> bytes:
        return encode_raw(self._block + _I32.pack(stream_id), payload)
