"""Requests as they come, from SDKs and from anybody else."""

from __future__ import annotations

import pytest

from ggl.tesserverd.http import PATH, Refused, response, token_in

TOKEN = "ABCDEFGHIJ012345"
LINE = b"GET " + PATH + b" HTTP/1.1"


def test_what_an_sdk_sends() -> None:
    head = LINE + b"\r\nHost: localhost:1\r\nUser-Agent: a b:c\r\naUthorization:  " + TOKEN.encode() + b" \r\nX-Empty:"
    assert token_in(head) == TOKEN


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"", 400),
        (b"\x16\x03\x01", 400),
        (b"GET /", 400),
        (b"GET  " + PATH + b" HTTP/1.1", 400),
        (b"GET " + PATH + b" HTTP/2.0", 400),
        (b"GET / HTTP/1.1", 400),
        (b"GET " + PATH[:-1] + b" HTTP/1.1", 400),
        (b"GET " + PATH + b"?x=1 HTTP/1.1", 400),
        (b"GET http://localhost" + PATH + b" HTTP/1.1", 400),
        (b"GET /x/.." + PATH + b" HTTP/1.1", 400),
        (b"POST " + PATH + b" HTTP/1.1\r\nAuthorization: " + TOKEN.encode(), 405),
        (b"HEAD " + PATH + b" HTTP/1.1", 405),
        (LINE, 403),
        (LINE + b"\r\nX-Authorization: " + TOKEN.encode(), 403),
        (LINE + b"\r\nno header", 400),
        (LINE + b"\r\nAuthorization : " + TOKEN.encode(), 400),
        (LINE + b"\r\nAuthorization: a\r\nauthorization: b", 400),
        (LINE + b"\r\n folded: " + TOKEN.encode(), 400),
        (LINE + b"\nAuthorization: " + TOKEN.encode(), 400),
    ],
)
def test_what_is_not_served(head: bytes, status: int) -> None:
    with pytest.raises(Refused) as caught:
        token_in(head)
    assert caught.value.status == status
    assert caught.value.text


def test_a_token_is_taken_as_it_is() -> None:
    """Whether it is one, somebody else knows."""
    assert token_in(LINE + b"\r\nAuthorization: Bearer \xff") == "Bearer \ufffd"


def test_a_response_is_the_last_one() -> None:
    head, _, body = response(405, b"no").partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert (lines[0], body) == ("HTTP/1.1 405 Method Not Allowed", b"no")
    assert {"Content-Length: 2", "Connection: close", "Cache-Control: no-store", "Allow: GET"} <= set(lines)
    assert response(418, b"").startswith(b"HTTP/1.1 418 ")
