"""HTTP servers of the stand-in: over TLS, each with a table of what answers, a log, and faults that are put in."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.cloud.faults import Fault, Faults, Request, Response

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
IDLE_SECONDS = 120.0


Answer = Callable[[Request, re.Match[str]], Response]


class HttpError(Exception):
    """A request is refused."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def as_json(content: Any, status: int = 200) -> Response:
    return Response(status, json.dumps(content).encode(), {"Content-Type": "application/json"})


def ranged(request: Request, body: bytes, headers: Mapping[str, str] | None = None) -> Response:
    """``body``, or the part of it that was asked for."""
    asked = _RANGE.fullmatch(request.headers.get("range", ""))
    always = {"Accept-Ranges": "bytes", **(headers or {})}
    if asked is None:
        return Response(200, body, always)
    begin, end = int(asked[1]), min(int(asked[2] or len(body) - 1), len(body) - 1)
    if begin >= len(body):
        return Response(416, b"", {**always, "Content-Range": f"bytes */{len(body)}"})
    return Response(206, body[begin : end + 1], {**always, "Content-Range": f"bytes {begin}-{end}/{len(body)}"})


class Server:
    """A server on the loopback device. Routes are asked in the order in which they were added."""

    def __init__(self, name: str, tls: ssl.SSLContext | None, faults: Faults) -> None:
        self.requests: list[Request] = []
        """All so far."""
        self._routes: list[tuple[str, re.Pattern[str], Answer]] = []
        self._faults = faults
        outer = self

        class Handler(_Handler):
            server_of_stand_in = outer

        self._http = _Http(("127.0.0.1", 0), Handler, tls)
        self.port: int = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, args=(0.05,), name=f"stand-in-{name}", daemon=True).start()

    def route(self, method: str, path: str, answer: Answer) -> None:
        """Requests by ``method`` (empty: any) whose whole path matches ``path`` are answered by ``answer``."""
        self._routes.append((method, re.compile(path), answer))

    def asked(self, prefix: str = "/", method: str = "") -> list[Request]:
        """The requests so far below ``prefix``."""
        return [each for each in list(self.requests) if each.path.startswith(prefix) and method in ("", each.method)]

    def answer(self, request: Request) -> tuple[Response, Fault | None]:
        self.requests.append(request)
        fault = self._faults.take(request)
        if fault is not None and fault.delay:
            time.sleep(fault.delay)
        if fault is not None and fault.status is not None:
            return Response(fault.status, fault.body or b"", fault.headers), fault
        response = self._answer(request)
        if fault is not None and fault.body is not None:
            response = Response(response.status, fault.body, {**response.headers, **fault.headers})
        return response, fault

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._http.end_connections()

    def _answer(self, request: Request) -> Response:
        for method, path, answer in self._routes:
            match = path.fullmatch(request.path)
            if match is not None and method in ("", request.method):
                try:
                    return answer(request, match)
                except HttpError as error:
                    return as_json({"message": str(error)}, error.status)
        return as_json({"message": f"there is no {request.method} {request.path}"}, 404)


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None
    ) -> None:
        self._tls = tls
        self._open: set[socket.socket] = set()
        super().__init__(address, handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        connection.settimeout(IDLE_SECONDS)
        if self._tls is not None:
            # The handshake is made in the thread of the connection, so that a slow one keeps nobody waiting.
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a device that goes away, or is not let in, is nothing to write about


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_of_stand_in: Server
    thing = ""

    def setup(self) -> None:
        if isinstance(self.request, ssl.SSLSocket):
            self.request.do_handshake()
            self.thing = common_name(self.request)
        super().setup()

    def _handle(self) -> None:
        parts = urlsplit(self.path)
        request = Request(
            self.command,
            parts.path,
            dict(parse_qsl(parts.query, keep_blank_values=True)),
            {name.lower(): value for name, value in self.headers.items()},
            self._body(),
            self.thing,
            self.path,
        )
        response, fault = self.server_of_stand_in.answer(request)
        if fault is not None and fault.reset:
            self._reset()
            return
        body = response.body if fault is None or fault.truncate is None else response.body[: fault.truncate]
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if "Content-Length" not in response.headers and response.status != 204:
            self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        if fault is not None and fault.truncate is not None:
            self.close_connection = True

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_PATCH = _handle

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            return b"".join(self._chunks())
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass

    def _reset(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


def common_name(connection: ssl.SSLSocket) -> str:
    """The name in the client's certificate; empty when it showed none."""
    subject: Any = (connection.getpeercert() or {}).get("subject", ())
    names = [value for part in subject for key, value in part if key == "commonName"]
    return str(names[0]) if names else ""


def server_context(certificate: str, key: str, client_ca: str = "", alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
    """``client_ca``: clients have to show a certificate that this one has signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    if client_ca:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context
