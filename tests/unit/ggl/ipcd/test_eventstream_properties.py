"""Properties of the event stream decoder that hold for whatever comes: see also ``test_eventstream``.

What is compared against is a second decoder, written here from the format alone, without any of the shortcuts.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ggl.ipcd import eventstream as es

_unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
_thorough = settings(_unhurried, max_examples=300)
"""Neither judges by time."""

PROTOCOL = (":message-type", ":message-flags", ":stream-id")

_int32 = st.integers(-(2**31), 2**31 - 1)
_names = st.text(min_size=1, max_size=40)
_values = st.one_of(
    st.just((es.TRUE, True)),
    st.just((es.FALSE, False)),
    st.tuples(st.just(es.BYTE), st.integers(-128, 127)),
    st.tuples(st.just(es.INT16), st.integers(-(2**15), 2**15 - 1)),
    st.tuples(st.just(es.INT32), _int32),
    st.tuples(st.just(es.INT64), st.integers(-(2**63), 2**63 - 1)),
    st.tuples(st.just(es.BYTES), st.binary(max_size=60)),
    st.tuples(st.just(es.STRING), st.text(max_size=60)),
    st.tuples(st.just(es.TIMESTAMP), st.integers(-(2**63), 2**63 - 1)),
    st.tuples(st.just(es.UUID), st.binary(min_size=16, max_size=16)),
)
_bait = st.integers(-(2**31), 2**31 - 1).map(lambda number: b"\x0a:stream-id\x04" + struct.pack(">i", number))
_odd_values = st.one_of(
    _values, st.tuples(st.just(es.BYTES), _bait), st.just((es.STRING, "\x0a:stream-id\x04\0\0\0\1"))
)
_odd_names = st.sampled_from(
    (*PROTOCOL, ":Stream-Id", ":MESSAGE-TYPE", ":stream-i", "operation", "Operation", ":version", "x", "é", "y" * 255)
)
_headers = st.lists(st.tuples(_odd_names, _odd_values).map(lambda item: (item[0], *item[1])), max_size=5)
_protocol_headers = st.tuples(_int32, _int32, _int32).flatmap(
    lambda values: st.permutations([(name, es.INT32, value) for name, value in zip(PROTOCOL, values, strict=True)])
)


@st.composite
def _blocks(draw: st.DrawFn) -> bytes:
    """Header blocks that are right, nearly right, or wrong: the three headers of the protocol among others."""
    items = [*draw(_headers), *draw(_protocol_headers)]
    if draw(st.booleans()):
        items = draw(st.permutations(items))
    block = es.encode_headers(items)
    if draw(st.integers(0, 9)) == 0:
        block += b"\0\0"  # a header without a name
    if draw(st.integers(0, 3)) == 0:
        block = _mutated(draw, block)
    return block


def _mutated(draw: st.DrawFn, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        position = draw(st.integers(0, len(changed)))
        how = draw(st.integers(0, 3))
        if how == 0:
            changed[position : position + 1] = bytes((draw(st.integers(0, 255)),))
        elif how == 1:
            changed[position:position] = draw(st.binary(max_size=8))
        elif how == 2:
            del changed[position : position + draw(st.integers(1, 8))]
        else:
            changed[position:position] = changed[draw(st.integers(0, len(changed))) :][:20]
    return bytes(changed)


def repaired(block: bytes, payload: bytes = b"") -> bytes:
    """A message whose lengths and checksums are right, whatever its header block is."""
    front = struct.pack(">II", 16 + len(block) + len(payload), len(block))
    body = front + struct.pack(">I", zlib.crc32(front)) + block + payload
    return body + struct.pack(">I", zlib.crc32(body))


def plainly(block: bytes, payload: bytes) -> es.Message | None:
    """What a message means; ``None`` when it means nothing."""
    try:
        headers = list(_plain_headers(block))
    except (IndexError, struct.error, UnicodeDecodeError, ValueError):
        return None
    protocol = [(name.lower(), kind, value) for name, kind, value in headers if name.lower() in PROTOCOL]
    if sorted(name for name, _, _ in protocol) != sorted(PROTOCOL) or any(kind != es.INT32 for _, kind, _ in protocol):
        return None
    numbers = {name: value for name, _, value in protocol}
    others: dict[str, tuple[int, Any]] = {}
    for name, kind, value in headers:
        if name.lower() not in PROTOCOL:
            others["operation" if name.lower() == "operation" else name] = (kind, value)
    return es.Message(numbers[PROTOCOL[0]], numbers[PROTOCOL[1]], numbers[PROTOCOL[2]], others, payload)


def _plain_headers(block: bytes) -> Iterator[tuple[str, int, Any]]:
    rest = block
    while rest:
        size, rest = rest[0], rest[1:]
        name, kind, rest = _exactly(rest, size).decode(), rest[size], rest[size + 1 :]
        if not name or kind > es.UUID:
            raise ValueError("no header")
        value: Any
        if kind <= es.FALSE:
            value, used = kind == es.TRUE, 0
        elif kind in (es.BYTES, es.STRING):
            (length,) = struct.unpack(">H", rest[:2])
            value, used = _exactly(rest[2:], length), 2 + length
            value = value.decode() if kind == es.STRING else value
        elif kind == es.UUID:
            value, used = _exactly(rest, 16), 16
        else:
            used = {es.BYTE: 1, es.INT16: 2, es.INT32: 4, es.INT64: 8, es.TIMESTAMP: 8}[kind]
            value = int.from_bytes(_exactly(rest, used), "big", signed=True)
        rest = rest[used:]
        yield name, kind, value


def _exactly(data: bytes, size: int) -> bytes:
    if len(data) < size:
        raise ValueError("cut short")
    return data[:size]


def decoded(data: bytes) -> es.Message | None:
    """What our decoder makes of one whole message; nothing but its own error may come out of it."""
    try:
        (message,) = es.Decoder().feed(data)
    except es.EventStreamError:
        return None
    return message


@_unhurried
@given(
    st.lists(st.tuples(st.text(min_size=1, max_size=40), _values).map(lambda item: (item[0], *item[1])), max_size=12)
)
def test_headers_of_every_type_come_back_as_they_were(headers: list[tuple[str, int, Any]]) -> None:
    assert es.decode_headers(es.encode_headers(headers)) == headers


@pytest.mark.parametrize("kind", range(10))
def test_a_header_of_every_type_is_what_the_format_says(kind: int) -> None:
    bodies = [b"", b"", b"\x80", b"\x80\0", b"\x80\0\0\0", b"\x80" + bytes(7), b"\0\2ab", b"\0\2ab", b"\x80" + bytes(7)]
    values = [True, False, -(2**7), -(2**15), -(2**31), -(2**63), b"ab", "ab", -(2**63), bytes(range(16))]
    block = b"\x01n" + bytes((kind,)) + [*bodies, bytes(range(16))][kind]
    assert es.decode_headers(block) == [("n", kind, values[kind])]
    assert es.encode_headers([("n", kind, values[kind])]) == block


@_thorough
@given(_blocks(), st.binary(max_size=60))
def test_any_header_block_means_what_the_plain_decoder_says(block: bytes, payload: bytes) -> None:
    assert decoded(repaired(block, payload)) == plainly(block, payload)


@_thorough
@given(st.lists(_blocks(), min_size=1, max_size=4), st.data())
def test_what_was_seen_before_never_changes_a_meaning(blocks: list[bytes], data: st.DataObject) -> None:
    """Each block comes again in variants that differ in a few bytes: what is known of one is tried on the others."""
    for block in blocks:
        decoded(repaired(block))
        for _ in range(4):
            changed = bytearray(block)
            spot = block.find(b":stream-id") + 10 if data.draw(st.booleans()) else 0
            for _ in range(data.draw(st.integers(0, 3))):
                if changed:
                    changed[min(spot + data.draw(st.integers(0, 8)), len(changed) - 1)] = data.draw(st.integers(0, 255))
            variant = bytes(changed)
            warm = decoded(repaired(variant))
            es._known.clear()
            cold = decoded(repaired(variant))
            assert warm == cold == plainly(variant, b"")
            decoded(repaired(block))


@_unhurried
@given(st.lists(_blocks(), max_size=4), st.binary(max_size=300), st.data())
def test_however_it_is_cut_it_means_the_same(blocks: list[bytes], payload: bytes, data: st.DataObject) -> None:
    meant = [plainly(block, payload) for block in blocks]
    stream = b"".join(repaired(block, payload) for block in blocks)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    decoder, received, failed = es.Decoder(), [], False
    try:
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            received += decoder.feed(stream[start:end])
    except es.EventStreamError:
        failed = True
    good = meant.index(None) if None in meant else len(meant)
    assert failed == (None in meant)
    assert received == meant[: len(received)]
    assert len(received) == good or (failed and len(received) <= good)


@_thorough
@given(_blocks(), st.binary(max_size=100), st.data())
def test_any_mutation_is_an_error_or_a_message(block: bytes, payload: bytes, data: st.DataObject) -> None:
    """The error is our own, whatever was done to the bytes, and be the checksums right or wrong."""
    message = _mutated(data.draw, repaired(block, payload))
    if len(message) >= 16 and data.draw(st.booleans()):
        total, size = struct.unpack(">II", message[:8])
        front = struct.pack(">II", len(message) if data.draw(st.booleans()) else total, size)
        body = front + struct.pack(">I", zlib.crc32(front)) + message[12:-4]
        message = body + struct.pack(">I", zlib.crc32(body))
    try:
        messages = es.Decoder().feed(message)
    except es.EventStreamError:
        return
    assert all(isinstance(each, es.Message) for each in messages)
