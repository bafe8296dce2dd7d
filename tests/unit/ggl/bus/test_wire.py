"""The codec: every value of the bus survives the wire, every other one is refused where it is sent."""

from __future__ import annotations

import datetime
import math
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ggl.bus.errors import BusError, ErrorCode
from ggl.bus.wire import MAX_DEPTH, UNPACK_ERRORS, check, new_unpacker, pack

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters())  # lone surrogates too: JSON from a component may hold them
    | st.binary()
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner), max_leaves=40
)


def unpack(data: bytes) -> list[Any]:
    unpacker = new_unpacker()
    unpacker.feed(data)
    return list(unpacker)


@given(values)
def test_a_value_arrives_as_it_was_sent(value: Any) -> None:
    check(value)
    assert unpack(pack([0, 1, "echo", [{"value": value}, ""]])) == [[0, 1, "echo", [{"value": value}, ""]]]


@given(st.lists(values, min_size=1, max_size=5), st.integers(1, 7))
def test_frames_are_found_wherever_the_stream_is_cut(items: list[Any], size: int) -> None:
    data = b"".join(pack([3, 1, item]) for item in items)
    unpacker = new_unpacker()
    found = []
    for start in range(0, len(data), size):
        unpacker.feed(data[start : start + size])
        found.extend(unpacker)
    assert found == [[3, 1, item] for item in items]


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_decoded_or_refused_but_never_anything_else(data: bytes) -> None:
    try:
        unpack(data)
    except UNPACK_ERRORS:
        pass


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (2**64, ErrorCode.RANGE),
        (-(2**63) - 1, ErrorCode.RANGE),
        ({1: 2}, ErrorCode.INVALID),
        ((1, 2), ErrorCode.INVALID),
        ({"a": {1, 2}}, ErrorCode.INVALID),
        (datetime.datetime(2026, 1, 1), ErrorCode.INVALID),
        ([msgpack.ExtType(1, b"")], ErrorCode.INVALID),
        ([msgpack.Timestamp(0)], ErrorCode.INVALID),
        (bytearray(b"x"), ErrorCode.INVALID),
    ],
)
def test_other_values_are_an_error_at_the_sender(value: Any, code: ErrorCode) -> None:
    def send() -> None:
        check(value)
        pack([3, 1, value])

    with pytest.raises(BusError) as error:
        send()
    assert error.value.code is code


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_depth_is_limited() -> None:
    check(nested(MAX_DEPTH))
    with pytest.raises(BusError):
        check(nested(MAX_DEPTH + 1))


def test_extension_types_of_a_peer_are_refused() -> None:
    with pytest.raises(UNPACK_ERRORS):
        unpack(msgpack.packb([3, 1, msgpack.ExtType(5, b"data")]))


def test_floats_keep_their_type() -> None:
    (frame,) = unpack(pack([3, 1, [1.0, 1, math.inf]]))
    assert [type(item) for item in frame[2]] == [float, int, float]
