"""The event stream encoding: every message survives the wire, however it is cut; damage never passes."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ggl.ipcd import eventstream as es

# What the device SDK for Python sends, byte for byte.
SDK_CONNECT = bytes.fromhex(
    "0000007900000048e9e79475"
    "083a76657273696f6e070005302e312e30"
    "0d3a6d6573736167652d747970650400000004"
    "0e3a6d6573736167652d666c6167730400000000"
    "0a3a73747265616d2d69640400000000"
    "7b2261757468546f6b656e223a202230313233343536373839414243444546227d"
    "4b8397bd"
)
SDK_REQUEST = bytes.fromhex(
    "000000e2000000c0ac5289660d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e"
    "12736572766963652d6d6f64656c2d747970650700266177732e677265656e677261737323"
    "476574436f6e66696775726174696f6e52657175657374"
    "0d3a6d6573736167652d7479706504000000000e3a6d6573736167652d666c61677304000000000a3a73747265616d2d69640400000001"
    "096f7065726174696f6e07001f6177732e677265656e677261737323476574436f6e66696775726174696f6e"
    "7b226b657950617468223a205b2261225d7dfbfd057c"
)

_names = st.text(min_size=1, max_size=40).filter(
    lambda name: name.lower() not in (":message-type", ":message-flags", ":stream-id", "operation")
)
_values = st.one_of(
    st.just((es.TRUE, True)),
    st.just((es.FALSE, False)),
    st.tuples(st.just(es.BYTE), st.integers(-128, 127)),
    st.tuples(st.just(es.INT16), st.integers(-(2**15), 2**15 - 1)),
    st.tuples(st.just(es.INT32), st.integers(-(2**31), 2**31 - 1)),
    st.tuples(st.just(es.INT64), st.integers(-(2**63), 2**63 - 1)),
    st.tuples(st.just(es.BYTES), st.binary(max_size=300)),
    st.tuples(st.just(es.STRING), st.text(max_size=100)),
    st.tuples(st.just(es.TIMESTAMP), st.integers(-(2**63), 2**63 - 1)),
    st.tuples(st.just(es.UUID), st.binary(min_size=16, max_size=16)),
)
_int32 = st.integers(-(2**31), 2**31 - 1)
_messages = st.builds(
    es.Message, _int32, _int32, _int32, st.dictionaries(_names, _values, max_size=8), st.binary(max_size=2000)
)


def encode(message: es.Message) -> bytes:
    items: list[tuple[str, int, Any]] = [
        (":stream-id", es.INT32, message.stream_id),
        *((name, kind, value) for name, (kind, value) in message.headers.items()),
        (":message-type", es.INT32, message.type),
        (":message-flags", es.INT32, message.flags),
    ]
    return es.encode_raw(es.encode_headers(items), message.payload)


def raw(block: bytes, payload: bytes = b"") -> bytes:
    """A message whose checksums are right, whatever its header block is."""
    front = struct.pack(">II", 16 + len(block) + len(payload), len(block))
    body = front + struct.pack(">I", zlib.crc32(front)) + block + payload
    return body + struct.pack(">I", zlib.crc32(body))


def test_what_the_sdk_sends_to_connect() -> None:
    (message,) = es.Decoder().feed(SDK_CONNECT)
    assert (message.type, message.flags, message.stream_id) == (es.CONNECT, 0, 0)
    assert message.text(":version") == "0.1.0"
    assert message.payload == b'{"authToken": "0123456789ABCDEF"}'


def test_what_the_sdk_sends_to_call_an_operation() -> None:
    (message,) = es.Decoder().feed(SDK_REQUEST)
    assert (message.type, message.flags, message.stream_id) == (es.APPLICATION_MESSAGE, 0, 1)
    assert message.text("operation") == "aws.greengrass#GetConfiguration"
    assert message.text(":content-type") == "application/json"
    assert message.text("service-model-type") == "aws.greengrass#GetConfigurationRequest"


def test_a_template_makes_the_bytes_that_a_single_message_would_have() -> None:
    template = es.Template(es.CONNECT, 0, [(":version", es.STRING, "0.1.0")])
    (message,) = es.Decoder().feed(template.encode(7, b"{}"))
    assert message == es.Message(es.CONNECT, 0, 7, {":version": (es.STRING, "0.1.0")}, b"{}")


@given(st.lists(_messages, max_size=5), st.data())
def test_messages_survive_the_wire_however_it_is_cut(messages: list[es.Message], data: st.DataObject) -> None:
    stream = b"".join(map(encode, messages))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    decoder = es.Decoder()
    received = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        received += decoder.feed(stream[start:end])
    assert received == messages


@given(_messages, _int32, st.binary(max_size=50))
def test_a_repeated_header_block_means_the_same_but_for_its_stream_id(
    message: es.Message, stream_id: int, payload: bytes
) -> None:
    decoder = es.Decoder()
    decoder.feed(encode(message))
    again = es.Message(message.type, message.flags, stream_id, message.headers, payload)
    assert decoder.feed(encode(again)) == [again]


@given(_int32, _int32, _int32)
def test_a_value_that_looks_like_a_stream_id_is_not_taken_for_one(first: int, second: int, third: int) -> None:
    bait = b"\x0a:stream-id\x04"
    for inside, real in ((first, second), (second, third), (third, first)):
        items = [
            ("x", es.BYTES, bait + struct.pack(">i", inside)),
            (":message-type", es.INT32, 0),
            (":message-flags", es.INT32, 0),
            (":stream-id", es.INT32, real),
        ]
        (message,) = es.Decoder().feed(es.encode_raw(es.encode_headers(items)))
        assert message.stream_id == real
        assert message.headers["x"][1][-4:] == struct.pack(">i", inside)


@given(_messages, st.data())
def test_one_damaged_byte_never_passes(message: es.Message, data: st.DataObject) -> None:
    encoded = bytearray(encode(message))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(es.EventStreamError):
        es.Decoder().feed(bytes(encoded))


@given(st.binary(min_size=12))
def test_garbage_is_an_error_or_an_unfinished_message_and_nothing_else(garbage: bytes) -> None:
    try:
        assert es.Decoder().feed(garbage) == []
    except es.EventStreamError:
        pass


@given(st.binary(max_size=80))
def test_a_header_block_of_garbage_is_an_error_or_makes_sense(block: bytes) -> None:
    try:
        headers = es.decode_headers(block)
    except es.EventStreamError:
        return
    if all(name for name, _kind, _value in headers):
        assert es.encode_headers(headers) == block


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (raw(b""), "lacks its type"),
        (raw(es.encode_headers([(":message-type", es.INT32, 0), (":stream-id", es.INT32, 0)])), "lacks its type"),
        (raw(es.encode_headers([(":message-type", es.INT64, 0)])), "must be a 32-bit integer"),
        (raw(es.encode_headers([(":stream-id", es.INT32, 1), (":Stream-Id", es.INT32, 1)])), "is there twice"),
        (raw(b"\x01a\x0a"), "unknown type 10"),
        (raw(b"\x01a\x07\x00\x05abc"), "does not fit"),
        (raw(b"\x05a"), "does not fit"),
        (raw(b"\x01a\x09123"), "does not fit"),
        (raw(b"\x01a\x07\xff\xff" + bytes(65535)), "the limit is 32767"),
        (raw(b"\x01\xff\x00"), "not UTF-8"),
        (raw(b"\x01a\x00" * 1025), "more than 1024 headers"),
        (raw(bytes(128 * 1024 + 1)), "of headers"),
    ],
)
def test_what_is_no_message_is_refused_with_a_reason(message: bytes, reason: str) -> None:
    with pytest.raises(es.EventStreamError, match=reason):
        es.Decoder().feed(message)


def test_a_message_may_have_24_mib_and_no_more() -> None:
    template = es.Template(es.APPLICATION_MESSAGE)
    room = es.MAX_MESSAGE - len(template.encode())
    (message,) = es.Decoder().feed(template.encode(1, bytes(room)))
    assert len(message.payload) == room
    with pytest.raises(es.EventStreamError, match="over the limit"):
        template.encode(1, bytes(room + 1))


def test_a_length_over_the_limit_is_refused_before_the_message_has_come() -> None:
    lengths = struct.pack(">II", es.MAX_MESSAGE + 1, 0)
    with pytest.raises(es.EventStreamError, match="over the limit"):
        es.Decoder().feed(lengths + struct.pack(">I", zlib.crc32(lengths)))


@pytest.mark.parametrize("total", [0, 12, 15])
def test_a_length_too_small_for_a_message_is_refused(total: int) -> None:
    lengths = struct.pack(">II", total, 0)
    with pytest.raises(es.EventStreamError):
        es.Decoder().feed(lengths + struct.pack(">I", zlib.crc32(lengths)))


@pytest.mark.parametrize(
    "header", [("", es.TRUE, True), ("a" * 256, es.TRUE, True), ("a", es.INT32, 2**31), ("a", 11, 0), ("a", 9, b"")]
)
def test_a_header_that_cannot_be_sent_is_refused(header: tuple[str, int, Any]) -> None:
    with pytest.raises(es.EventStreamError):
        es.encode_headers([header])
