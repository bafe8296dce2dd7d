"""HTTPS for device daemons: one request with an answer in memory, or a download into a file that can be resumed.

A server is not trusted: what it may send, and how long it may take, is limited. It costs some megabytes (``ssl``,
``http.client``): for processes that leave soon.
"""

from __future__ import annotations

import http.client
import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ggl.cloud.connect import connect
from ggl.cloud.endpoints import split_host_port
from ggl.cloud.settings import ProxySettings
from ggl.cloud.tls import explain
from ggl.values import InvalidValue
from ggl.version import VERSION

MAX_BODY = 4 * 1024 * 1024
"""Bytes of an answer that is kept in memory, unless the caller says otherwise."""
MAX_ERROR = 65536
"""Bytes that are read of what a server says about a failed download."""
MAX_REDIRECTS = 5
CHUNK = 65536
_LOOK = 1.0
"""Seconds after which a wait for more looks whether it should go on."""
_REDIRECTS = (301, 302, 303, 307, 308)
_PORTS = {"https": 443, "http": 80}
_DIRECT = ProxySettings()
_NO_HEADERS: Mapping[str, str] = {}


class NoAnswer(Exception):
    """There was no complete answer: name, network, TLS or protocol failed. The text says what, and names the host."""


class TooLarge(NoAnswer):
    """The answer is larger than it may be."""


@dataclass(frozen=True)
class Response:
    """``headers``: names in lower case; of several with one name, the last. ``body``: empty after a download that
    succeeded."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


def request(
    method: str,
    url: str,
    context: ssl.SSLContext | None,
    proxy: ProxySettings = _DIRECT,
    headers: Mapping[str, str] = _NO_HEADERS,
    body: bytes | None = None,
    timeout: float = 30.0,
    limit: int = MAX_BODY,
) -> Response:
    """Ask, and wait for the answer, whatever its status is. Redirects are not followed.

    ``context``: from ``ggl.cloud.tls``; only ``http:`` goes without. ``timeout``: seconds for the connection, for each
    wait, and for the body as a whole. ``limit``: bytes of the body. Raises ``NoAnswer``.
    """
    with Exchange(method, url, context, proxy, headers, body, timeout) as exchange:
        return Response(exchange.status, exchange.headers, exchange.read(limit, timeout))


def download(
    url: str,
    target: Path,
    context: ssl.SSLContext | None,
    proxy: ProxySettings = _DIRECT,
    headers: Mapping[str, str] = _NO_HEADERS,
    offset: int = 0,
    on_size: Callable[[int], object] | None = None,
    on_data: Callable[[int], object] | None = None,
    timeout: float = 60.0,
    limit: int = 2**40,
) -> Response:
    """Fetch ``url`` into the file ``target``, whose first ``offset`` bytes are there already. Redirects are followed.

    ``on_size`` is called with the size of the whole file before anything is written, if the server tells it; it may
    raise to refuse; ``on_data`` with the bytes of the file that are there, after each piece, and may raise to stop. A
    server that does not resume sends everything: then the file begins anew. Any status but 200 and
    206 leaves the file as it is, and ``body`` says why. With status 416 there is nothing after ``offset``.
    ``timeout``: seconds for each wait; ``limit``: bytes of the whole file. Raises ``NoAnswer`` (what has come is in the
    file, to be resumed) and ``OSError`` of the file.
    """
    asked = {**headers, "Range": f"bytes={offset}-"} if offset else dict(headers)
    for _ in range(MAX_REDIRECTS):
        with Exchange("GET", url, context, proxy, asked, None, timeout) as exchange:
            if exchange.status in _REDIRECTS and exchange.headers.get("location", "").startswith(("https:", "http:")):
                url = _redirected(url, exchange.headers["location"])
                # What else there is was for the first server alone.
                asked = {name: value for name, value in asked.items() if name.lower() in ("range", "if-range")}
                continue
            if exchange.status not in (200, 206):
                return Response(exchange.status, exchange.headers, exchange.read(MAX_ERROR, timeout, cut=True))
            start, size = exchange.range(offset)
            if size is not None:
                if size > limit:
                    raise TooLarge(f"{exchange.host} sends {size} bytes: more than {limit}")
                if on_size is not None:
                    on_size(size)
            exchange.save(target, start, size, limit, on_data)
            return Response(exchange.status, exchange.headers)
    raise NoAnswer(f"{url.partition('?')[0]} redirects too often")


def _redirected(url: str, location: str) -> str:
    if url.startswith("https:") and not location.startswith("https:"):
        raise NoAnswer(f"{url.partition('?')[0]} redirects to what is not encrypted")
    return location


@contextmanager
def _at_most(seconds: float, sock: socket.socket) -> Iterator[None]:
    """End the connection ``sock`` after so long, however little the other side lets each wait last. Then raises
    ``TimeoutError``, also if what has come looks like an answer."""
    late = False

    def cut() -> None:
        nonlocal late
        late = True
        with suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)  # not TLS's own, which is in use by the other thread

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if late:
            raise TimeoutError(f"no answer in {seconds:g} s") from None


class Exchange:
    """One request and its answer, with the connection: for a body that is taken in pieces. A context manager.

    ``status`` and ``headers`` as in ``Response``. Whatever fails raises ``NoAnswer``.
    """

    def __init__(
        self,
        method: str,
        url: str,
        context: ssl.SSLContext | None,
        proxy: ProxySettings,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout: float,
    ) -> None:
        scheme, _, rest = url.partition("://")
        try:
            if scheme not in _PORTS or (scheme == "https" and context is None):
                raise InvalidValue(f"{url.partition('?')[0][:200]!r} is no URL of HTTPS")
            self.host, port = split_host_port(url, _PORTS[scheme])
        except InvalidValue as error:
            raise NoAnswer(str(error)) from None
        slash = rest.find("/")
        path = rest[slash:].partition("#")[0] if slash >= 0 else "/"
        self._timeout = timeout
        self._reading = False
        self._connection = http.client.HTTPConnection(self.host, port, timeout=timeout)
        self._connection.default_port = _PORTS[scheme]  # which is not named in the Host header: signatures cover that
        try:
            sock = connect(self.host, port, proxy, timeout)
            if context is not None and scheme == "https":
                try:
                    sock = context.wrap_socket(sock, server_hostname=self.host)
                except BaseException:
                    sock.close()
                    raise
            self._connection.sock = sock
            self._sock = sock
            with _at_most(timeout, sock):
                self._connection.request(method, path, body, {"User-Agent": f"ggl/{VERSION}", **headers})
                self._answer = self._connection.getresponse()
        except BaseException as error:
            self._connection.close()
            raise self._explained(error) from None
        self.status = self._answer.status
        self.headers = {name.lower(): value for name, value in self._answer.getheaders()}

    def __enter__(self) -> Exchange:
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        self._connection.close()

    def read(self, limit: int, timeout: float, cut: bool = False) -> bytes:
        """The whole body. One larger than ``limit`` is cut off, or ``TooLarge``."""
        deadline = time.monotonic() + timeout
        parts: list[bytes] = []
        size = 0
        while data := self.piece():
            parts.append(data)
            size += len(data)
            if size > limit:
                if cut:
                    break
                raise TooLarge(f"the answer of {self.host} is larger than {limit} bytes")
            if time.monotonic() > deadline:
                raise NoAnswer(f"{self.host} did not send its answer in {timeout:g} s")
        return b"".join(parts)[:limit]

    def range(self, offset: int) -> tuple[int, int | None]:
        """Where in the file the body begins, and the size of the whole file, if the server says so."""
        length = self.headers.get("content-length", "")
        size = int(length) if length.isdecimal() else None
        if self.status == 200:
            return 0, size
        # bytes <first>-<last>/<size or *>
        unit, _, rest = self.headers.get("content-range", "").partition(" ")
        span, _, total = rest.partition("/")
        first = span.partition("-")[0]
        if unit != "bytes" or not first.isdecimal() or int(first) != offset:
            raise NoAnswer(f"{self.host} did not send the part of the file that was asked for")
        if total.isdecimal():
            return offset, int(total)
        return offset, None if size is None else offset + size

    def save(
        self, target: Path, start: int, size: int | None, limit: int, on_data: Callable[[int], object] | None
    ) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        with open(os.open(target, flags, 0o600), "wb", buffering=0) as file:
            file.truncate(start)
            file.seek(start)
            written = start
            idle = None if on_data is None else lambda: on_data(file.tell())
            while data := self.piece(idle):
                written += len(data)
                if written > limit:
                    raise TooLarge(f"{self.host} sends more than {limit} bytes")
                rest = memoryview(data)
                while rest:
                    rest = rest[file.write(rest) :]
                if on_data is not None:
                    on_data(written)
        if size is not None and written != size:
            raise NoAnswer(f"the connection to {self.host} ended after {written} of {size} bytes")

    def piece(self, idle: Callable[[], object] | None = None) -> bytes:
        """What comes next of the body, at most ``CHUNK`` bytes; empty at its end.

        ``idle`` is called about once a second while nothing comes, and may raise.
        """
        if idle is not None:
            self._wait(idle)
        try:
            data = self._answer.read1(CHUNK)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._explained(error) from None
        if not data and self._answer.length:
            raise NoAnswer(f"the connection to {self.host} ended in the middle of the answer")
        return data

    def _wait(self, idle: Callable[[], object]) -> None:
        """Until there is something to read, or time is up."""
        # Some of the body may have come with the headers; whatever is read later is not kept in between, if the length
        # of the body is known.
        if not self._reading or self._answer.length is None:
            self._reading = True
            return
        deadline = time.monotonic() + self._timeout
        while self._answer.length and not (isinstance(self._sock, ssl.SSLSocket) and self._sock.pending()):
            if select.select([self._sock], [], [], _LOOK)[0]:
                return
            idle()
            if time.monotonic() > deadline:
                raise NoAnswer(f"{self.host} has sent nothing for {self._timeout:g} s")

    def _explained(self, error: BaseException) -> BaseException:
        if isinstance(error, http.client.RemoteDisconnected):
            return NoAnswer(f"{self.host} closed the connection without an answer")
        if isinstance(error, http.client.HTTPException):
            return NoAnswer(f"{self.host} does not answer in HTTP ({type(error).__name__}: {str(error)[:100]})")
        if isinstance(error, (OSError, ValueError)):
            reason = explain(error)
            return NoAnswer(reason if self.host in reason else f"{self.host}: {reason}")
        return error
