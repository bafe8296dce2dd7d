"""The frames of the databus: MessagePack-RPC, plus streams.

======================  ===========================================================================
frame                   meaning
======================  ===========================================================================
``[0, id, method, p]``  request; ``p`` is ``[parameters, trail]``: a map, and the trail id
``[1, id, error, r]``   response: ``error`` is nil or ``[code, message]``, ``r`` the result
``[2, method, p]``      notification: a request that gets no response
``[3, id, item]``       one item of the stream that request ``id`` opened; a list of ids: the same for each stream
``[4, id]``             the stream ends; either side may say so, the server also ``[4, id, error]``
======================  ===========================================================================

Either side of a connection may send requests; ids are the sender's own. A value is nil, bool, a 64-bit integer, a
64-bit float, str, bytes, a list, or a map with str keys. Anything else is refused where it is sent; a frame that breaks
a rule or a limit costs its sender the connection.
"""

from __future__ import annotations

from typing import Any

import msgpack

from ggl.bus.errors import BusError, ErrorCode

REQUEST, RESPONSE, NOTIFICATION, ITEM, END = range(5)

MAX_FRAME = 24 * 1024 * 1024
"""Bytes of one frame: an IPC message of 16 MiB fits with what belongs to it."""
MAX_DEPTH = 64
"""Lists and maps inside each other, in one value."""
MAX_ELEMENTS = 1 << 20
"""Elements of one list or map."""
READ_SIZE = 65536

_SCALARS = frozenset((str, int, float, bool, bytes, type(None)))


class WireError(Exception):
    """The peer broke the protocol; the text says how. The connection cannot be used any more."""


def check(value: Any, depth: int = MAX_DEPTH) -> None:
    """Raise ``BusError`` (INVALID or RANGE) unless ``value`` may cross the bus."""
    kind = type(value)
    if kind is dict:
        if depth == 0:
            raise _too_deep()
        for key, element in value.items():
            if type(key) is not str:
                raise BusError(ErrorCode.INVALID, f"a map key must be a string, not {type(key).__name__}")
            if type(element) not in _SCALARS:
                check(element, depth - 1)
    elif kind is list:
        if depth == 0:
            raise _too_deep()
        for element in value:
            if type(element) not in _SCALARS:
                check(element, depth - 1)
    elif kind not in _SCALARS:
        raise BusError(ErrorCode.INVALID, f"a value of type {kind.__name__} cannot cross the bus")


def _too_deep() -> BusError:
    return BusError(ErrorCode.RANGE, f"a value is nested deeper than {MAX_DEPTH} levels")


_pack = msgpack.Packer(strict_types=True, autoreset=True, unicode_errors="surrogatepass").pack


def pack(frame: list[Any]) -> bytes:
    """The bytes of a frame whose values have been checked. Raises ``BusError`` when it breaks a limit."""
    try:
        data: bytes = _pack(frame)
    except OverflowError:
        raise BusError(ErrorCode.RANGE, "an integer does not fit into 64 bits") from None
    if len(data) > MAX_FRAME:
        raise BusError(ErrorCode.RANGE, f"a frame of {len(data)} bytes is over the limit of {MAX_FRAME}")
    return data


_idle: list[msgpack.Unpacker] = []
_MAX_IDLE = 4


def take_unpacker() -> msgpack.Unpacker:
    """An unpacker that holds nothing. Each costs 44 KB, so a connection has one only while something is coming in."""
    return _idle.pop() if _idle else new_unpacker()


def give_back(unpacker: msgpack.Unpacker) -> None:
    """Let another connection use ``unpacker``, which must be used up; one with a large buffer is better dropped."""
    if len(_idle) < _MAX_IDLE:
        _idle.append(unpacker)


def new_unpacker() -> msgpack.Unpacker:
    return msgpack.Unpacker(
        raw=False,
        strict_map_key=True,
        unicode_errors="surrogatepass",
        ext_hook=_refuse_extension,
        read_size=4096,  # what the buffer begins with
        max_buffer_size=MAX_FRAME + READ_SIZE,
        max_str_len=MAX_FRAME,
        max_bin_len=MAX_FRAME,
        max_array_len=MAX_ELEMENTS,
        max_map_len=MAX_ELEMENTS,
    )


def _refuse_extension(code: int, _data: bytes) -> None:
    raise WireError(f"extension type {code} is not a type of the bus")


OutOfData = msgpack.exceptions.OutOfData
"""What an unpacker raises when the rest of a frame is still to come. (An ``UnpackException``: catch it first.)"""
UNPACK_ERRORS = (ValueError, msgpack.exceptions.UnpackException, WireError, TypeError, UnicodeError)
"""What iterating over an unpacker raises for bytes that are no frame (``BufferFull``, ``StackError`` among them)."""


def error_frame(error: BusError) -> list[str]:
    return [error.code.value, error.message]


def decode_error(error: Any, trail: str) -> BusError:
    """The error a peer sent, tolerant of codes this version does not know."""
    if type(error) is list and len(error) == 2 and type(error[0]) is str and type(error[1]) is str:
        try:
            return BusError(ErrorCode(error[0]), error[1], trail)
        except ValueError:
            return BusError(ErrorCode.FAILURE, f"{error[0]}: {error[1]}", trail)
    return BusError(ErrorCode.FAILURE, "the daemon answered with an error that cannot be read", trail)
