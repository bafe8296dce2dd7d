"""As much of HTTP/1.1 as the credential endpoint is: one GET of one path on each connection, then its end. Pure.

https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

PATH = b"/2016-11-01/credentialprovider/"
MAX_HEAD = 8192
"""Bytes of a request line with all headers."""
END = b"\r\n\r\n"
TEXT, JSON = "text/plain; charset=utf-8", "application/json"
"""Kinds of bodies."""
_REASONS = {
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


class Refused(Exception):
    """A request that is not served, with the status and the text of its answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def token_in(head: bytes) -> str:
    """The token that a request shows; ``head`` ends before its empty line. Raises ``Refused``."""
    line, *headers = head.split(b"\r\n")
    words = line.split(b" ")
    if len(words) != 3 or not words[0].isalpha() or not words[2].startswith(b"HTTP/1."):
        raise Refused(400, "this is no request in HTTP/1.1")
    method, path, _ = words
    if path != PATH:
        raise Refused(400, f"only {PATH.decode()} is served here")
    if method != b"GET":
        raise Refused(405, "only GET is served here")
    tokens = []
    for header in headers:
        name, colon, value = header.partition(b":")
        if not colon or not name or name != name.strip():
            raise Refused(400, "a header is not of the form 'name: value'")
        if name.lower() == b"authorization":
            tokens.append(value.strip())
    if not tokens:
        raise Refused(403, "the header Authorization with the token of a component is missing")
    if len(tokens) > 1:
        raise Refused(400, "there is more than one header Authorization")
    return tokens[0].decode("ascii", "replace")


def response(status: int, body: bytes, kind: str = TEXT) -> bytes:
    """A whole response, the last one on its connection."""
    lines = [
        f"HTTP/1.1 {status} {_REASONS.get(status, 'Other')}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Connection: close",
    ]
    if status == 405:
        lines.append("Allow: GET")
    return "\r\n".join([*lines, "", ""]).encode() + body
