"""HTTPS with a server that does what it likes."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from ggl.cloud.https import NoAnswer, TooLarge, download, request
from ggl.cloud.tls import client_context
from tests.unit.ggl.cloud.conftest import Certificates

DATA = bytes(range(256)) * 1000


@pytest.fixture
def context(certificates: Certificates) -> ssl.SSLContext:
    return client_context(certificates.device)


@pytest.fixture
def serve(certificates: Certificates) -> Iterator[Callable[[Callable[[BaseHTTPRequestHandler], None]], str]]:
    """Starts a server that wants the device's certificate and answers each request by a function; its URL."""
    servers = []

    def start(answer: Callable[[BaseHTTPRequestHandler], None]) -> str:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.close_connection = True
                answer(self)

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trust.load_cert_chain(*certificates.server)
        trust.load_verify_locations(certificates.device.root_ca)
        trust.verify_mode = ssl.CERT_REQUIRED
        server.socket = trust.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"https://localhost:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def answer(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    for name, value in ({"content_length": str(len(body))} | headers).items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def test_question_and_answer(serve: Callable[..., str], context: ssl.SSLContext) -> None:
    def echo(handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        peer = dict(part[0] for part in handler.connection.getpeercert()["subject"])  # type: ignore[attr-defined]
        text = f"{handler.command} {handler.path} {handler.headers['X-Who']} {peer['commonName']} ".encode()
        answer(handler, 418, text + body, X_Note="yes")

    found = request("POST", serve(echo) + "/a/b?c=d#e", context, headers={"X-Who": "me"}, body=b"{}")

    assert (found.status, found.text, found.headers["x-note"]) == (418, "POST /a/b?c=d me device {}", "yes")


def test_an_answer_that_is_too_long_or_ends_early(serve: Callable[..., str], context: ssl.SSLContext) -> None:
    def cut(handler: BaseHTTPRequestHandler) -> None:
        answer(handler, 200, b"x" * 10, content_length="20")

    def chunked(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"5\r\nhello\r\n")

    with pytest.raises(TooLarge, match="localhost"):
        request("GET", serve(lambda handler: answer(handler, 200, b"x" * 11)), context, limit=10)
    for short in (cut, chunked):
        with pytest.raises(NoAnswer, match="localhost"):
            request("GET", serve(short), context)


def test_what_is_no_http(serve: Callable[..., str], context: ssl.SSLContext) -> None:
    url = serve(lambda handler: handler.wfile.write(b"hello, who is there?\r\n\r\n") and None)
    with pytest.raises(NoAnswer, match="localhost does not answer in HTTP"):
        request("GET", url, context)
    for bad in ("ftp://x", "https://", "localhost", "https://host:x/"):
        with pytest.raises(NoAnswer):
            request("GET", bad, context)
    with pytest.raises(NoAnswer, match="no URL of HTTPS"):
        request("GET", url, None)


def ranges(handler: BaseHTTPRequestHandler) -> None:
    asked = handler.headers.get("Range")
    if asked is None:
        answer(handler, 200, DATA)
        return
    first = int(asked.removeprefix("bytes=").rstrip("-"))
    if first >= len(DATA):
        answer(handler, 416, b"nothing there", Content_Range=f"bytes */{len(DATA)}")
    else:
        answer(handler, 206, DATA[first:], Content_Range=f"bytes {first}-{len(DATA) - 1}/{len(DATA)}")


def test_a_server_has_no_more_time_by_answering_slowly(serve: Callable[..., str], context: ssl.SSLContext) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for _ in range(1000):
            handler.wfile.write(b"A: b\r\n")
            time.sleep(0.1)

    url = serve(drip)
    with pytest.raises(NoAnswer, match=r"no answer in 3 s"):
        request("GET", url, context, timeout=3)  # as long may the handshake take


def test_a_download_goes_on_where_it_was(serve: Callable[..., str], context: ssl.SSLContext, tmp_path: Path) -> None:
    target, sizes = tmp_path / "file", list[int]()
    url = serve(ranges)

    assert download(url, target, context, on_size=sizes.append).status == 200
    assert target.read_bytes() == DATA
    target.write_bytes(DATA[:1000] + b"what came after it is not trusted")
    assert download(url, target, context, offset=1000, on_size=sizes.append).status == 206
    assert target.read_bytes() == DATA
    assert download(url, target, context, offset=len(DATA)).status == 416
    assert target.read_bytes() == DATA
    assert sizes == [len(DATA)] * 2


def test_a_server_that_does_not_resume_begins_anew(
    serve: Callable[..., str], context: ssl.SSLContext, tmp_path: Path
) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"x" * 1000)
    assert download(serve(lambda handler: answer(handler, 200, DATA)), target, context, offset=1000).status == 200
    assert target.read_bytes() == DATA


def test_another_part_than_that_asked_for_is_refused(
    serve: Callable[..., str], context: ssl.SSLContext, tmp_path: Path
) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"12345")
    url = serve(lambda handler: answer(handler, 206, b"xx", Content_Range="bytes 0-1/2"))
    with pytest.raises(NoAnswer, match="did not send the part"):
        download(url, target, context, offset=5)
    assert target.read_bytes() == b"12345"


def test_what_has_come_before_a_connection_was_lost_stays(
    serve: Callable[..., str], context: ssl.SSLContext, tmp_path: Path
) -> None:
    target = tmp_path / "file"
    url = serve(lambda handler: answer(handler, 200, DATA[:5000], content_length=str(len(DATA))))
    with pytest.raises(NoAnswer, match="ended"):
        download(url, target, context)
    assert target.read_bytes() == DATA[:5000]


def test_a_refusal_leaves_the_file_alone(serve: Callable[..., str], context: ssl.SSLContext, tmp_path: Path) -> None:
    target = tmp_path / "file"
    found = download(serve(lambda handler: answer(handler, 403, b"no " * 50000)), target, context)
    assert (found.status, found.body[:5], len(found.body)) == (403, b"no no", 65536)
    assert not target.exists()

    def refuse(size: int) -> None:
        raise RuntimeError(f"no room for {size}")

    with pytest.raises(RuntimeError, match=f"no room for {len(DATA)}"):
        download(serve(ranges), target, context, on_size=refuse)
    with pytest.raises(TooLarge):
        download(serve(ranges), target, context, limit=len(DATA) - 1)
    assert not target.exists()


def test_redirects_lose_what_was_for_the_first_server(
    serve: Callable[..., str], context: ssl.SSLContext, tmp_path: Path
) -> None:
    seen = []

    def final(handler: BaseHTTPRequestHandler) -> None:
        seen.append(dict(handler.headers))
        ranges(handler)

    url = serve(final)
    target = tmp_path / "file"
    target.write_bytes(DATA[:10])
    first = serve(lambda handler: answer(handler, 307, b"", Location=url))
    assert download(first, target, context, headers={"Authorization": "x"}, offset=10).status == 206
    assert target.read_bytes() == DATA
    assert "Authorization" not in seen[0]

    loop = serve(lambda handler: answer(handler, 302, b"", Location=f"https://{handler.headers['Host']}/"))
    with pytest.raises(NoAnswer, match="redirects too often"):
        download(loop, target, context)
    plain = serve(lambda handler: answer(handler, 302, b"", Location="http://localhost/"))
    with pytest.raises(NoAnswer, match="not encrypted"):
        download(plain, target, context)
