"""JSON as it goes over IPC: compact, UTF-8, no values that JSON does not have.

Every request passes here twice, so the standard library's C scanner and encoder are used without the layers above them,
which set both up anew for each call; they cost more than a small message itself.
"""

from __future__ import annotations

import json
from json import encoder as _implementation
from typing import Any


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if value - value != 0:
        raise ValueError(f"the number {text[:20]} is too large")
    return value


def _no_type(value: object) -> Any:
    raise TypeError(f"a value of type {type(value).__name__} is not JSON")


_decoder = json.JSONDecoder(parse_float=_finite, parse_constant=_no_constant)
_scan: Any = _decoder.scan_once  # type: ignore[attr-defined]
_slow_encode = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":"), default=_no_type
).encode


def decode(data: bytes) -> Any:
    """Raises ``ValueError`` (of which ``UnicodeDecodeError`` is one), or ``RecursionError`` when nested too deeply.

    What cannot be sent on is refused here, where the sender can be told: it must not become the receiver's trouble.
    """
    text = data.decode()
    value = _parse(text)
    if "\\ud" in text or "\\uD" in text:
        _encode(value).encode()  # fails for half of a surrogate pair
    return value


def _parse(text: str) -> Any:
    if text[:1] == "{":
        try:
            value, end = _scan(text, 0)
        except StopIteration:
            pass  # the slow way knows what to say about it
        else:
            if end == len(text):
                return value
    return _decoder.decode(text)


def _make_encode() -> Any:
    make = getattr(_implementation, "c_make_encoder", None)
    if make is None:
        return _slow_encode
    chunks = make(None, _no_type, _implementation.encode_basestring, None, ":", ",", False, False, False)
    join = "".join
    return lambda value: join(chunks(value, 0))


_encode = _make_encode()


def encode(value: dict[str, Any]) -> bytes:
    """Raises ``ValueError`` or ``TypeError`` for what JSON cannot say, or ``RecursionError``."""
    data: bytes = _encode(value).encode()
    return data
