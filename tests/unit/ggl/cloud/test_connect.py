"""Connections through real proxies on this machine. Names of hosts that only a proxy knows: ``cloud.test``."""

from __future__ import annotations

import base64
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from ggl.cloud.connect import Unreachable, connect
from ggl.cloud.settings import ProxySettings
from tests.unit.ggl.cloud.conftest import Certificates

TIMEOUT = 60.0
DIRECT = ProxySettings()


@contextmanager
def server(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server on this machine, each connection in a thread of its own; its port."""

    def run(peer: socket.socket) -> None:
        with peer:
            try:
                serve(peer)
            except OSError:
                pass

    def accept() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=run, args=(peer,), daemon=True).start()

    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def echo(peer: socket.socket) -> None:
    while data := peer.recv(65536):
        peer.sendall(data)


@pytest.fixture
def cloud() -> Iterator[int]:
    with server(echo) as port:
        yield port


def carry(one: socket.socket, other: socket.socket) -> None:
    def back() -> None:
        try:
            while data := other.recv(65536):
                one.sendall(data)
        except OSError:
            pass

    threading.Thread(target=back, daemon=True).start()
    while data := one.recv(65536):
        other.sendall(data)


def read_to(peer: socket.socket, end: bytes) -> bytes:
    found = b""
    while not found.endswith(end):
        byte = peer.recv(1)
        if not byte:
            break
        found += byte
    return found


class HttpProxy:
    """Connects to 127.0.0.1 whatever name is asked for, and remembers what was asked."""

    def __init__(self, answer: bytes = b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\n") -> None:
        self.asked: list[str] = []
        self._answer = answer

    def __call__(self, peer: socket.socket) -> None:
        head = read_to(peer, b"\r\n\r\n").decode()
        self.asked.append(head)
        if b" 200 " not in self._answer:
            peer.sendall(self._answer)
            return
        port = int(head.split()[1].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as target:
            peer.sendall(self._answer)
            carry(peer, target)


def says(sock: socket.socket, data: bytes) -> bytes:
    """What comes back for ``data``."""
    sender = threading.Thread(target=sock.sendall, args=(data,))
    sender.start()
    found = b""
    while len(found) < len(data):
        part = sock.recv(65536)
        assert part, "the connection has ended"
        found += part
    sender.join()
    return found


def test_directly(cloud: int) -> None:
    with connect("127.0.0.1", cloud, DIRECT, TIMEOUT) as sock:
        assert says(sock, b"hello") == b"hello"


def test_an_http_proxy_is_shown_who_we_are(cloud: int) -> None:
    proxy = HttpProxy()
    with server(proxy) as port:
        settings = ProxySettings(f"http://me:p%40ss@127.0.0.1:{port}", "other", "x")
        with connect("cloud.test", cloud, settings, TIMEOUT) as sock:
            assert says(sock, b"hello") == b"hello"

    user = base64.b64encode(b"me:p@ss").decode()
    assert proxy.asked == [
        f"CONNECT cloud.test:{cloud} HTTP/1.1\r\nHost: cloud.test:{cloud}\r\nProxy-Authorization: Basic {user}\r\n\r\n"
    ]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"HTTP/1.1 407 Who?\r\n\r\n", "networkProxy.proxy.username"),
        (b"HTTP/1.1 502 Bad gateway\r\n\r\n", "it refuses (502 Bad gateway)"),
        (b"", "it closed the connection"),
        (b"220 mail\r\n\r\n", "it is no HTTP proxy"),
        (b"HTTP/1.1 500 " + b"x" * 20000, "its answer is too long"),
    ],
)
def test_a_proxy_that_does_not_do_it_is_named(answer: bytes, text: str) -> None:
    with server(HttpProxy(answer)) as port, pytest.raises(Unreachable) as caught:
        connect("cloud.test", 443, ProxySettings(f"http://u:secret@127.0.0.1:{port}"), TIMEOUT)
    assert f"cloud.test:443 through the proxy http://127.0.0.1:{port}" in str(caught.value)
    assert text in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_proxy_has_no_more_time_by_answering_slowly() -> None:
    def drip(peer: socket.socket) -> None:
        while True:
            peer.sendall(b"x")
            time.sleep(0.02)

    with server(drip) as port, pytest.raises(Unreachable, match="it does not answer"):
        connect("cloud.test", 443, ProxySettings(f"http://127.0.0.1:{port}"), 2.0)


def test_an_https_proxy_carries_any_amount_both_ways(cloud: int, certificates: Certificates) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificates.server)
    proxy = HttpProxy()

    def serve(peer: socket.socket) -> None:
        with context.wrap_socket(peer, server_side=True) as wrapped:
            wrapped.settimeout(TIMEOUT)
            head = read_to(wrapped, b"\r\n\r\n")
            proxy.asked.append(head.decode())
            wrapped.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            # One thread, and a bound on what is on its way: each piece comes back before the next is taken.
            while data := wrapped.recv(65536):
                wrapped.sendall(data)

    with server(serve) as port:
        root_ca = certificates.device.root_ca
        settings = ProxySettings(f"https://localhost:{port}", root_ca=root_ca)
        with connect("cloud.test", 443, settings, TIMEOUT) as sock:
            data = bytes(range(256)) * 8000
            for _ in range(3):
                assert says(sock, data) == data
        with pytest.raises(Unreachable, match=f"the proxy https://localhost:{port}: system.rootCaPath is not set"):
            connect("cloud.test", 443, ProxySettings(f"https://localhost:{port}"), TIMEOUT)
    assert proxy.asked[0].startswith("CONNECT cloud.test:443 ")


class SocksProxy:
    """As much of SOCKS 5 (RFC 1928, RFC 1929) as is needed; ``user`` is whom it lets in."""

    def __init__(self, target: int, user: tuple[bytes, bytes] | None = None) -> None:
        self.asked: list[tuple[bytes, int]] = []
        self._target = target
        self._user = user

    def __call__(self, peer: socket.socket) -> None:
        stream = peer.makefile("rb")
        _, count = stream.read(2)
        assert (2 if self._user else 0) in stream.read(count)
        peer.sendall(bytes((5, 2 if self._user else 0)))
        if self._user:
            _, size = stream.read(2)
            name = stream.read(size)
            password = stream.read(stream.read(1)[0])
            right = (name, password) == self._user
            peer.sendall(bytes((1, 0 if right else 1)))
            if not right:
                return
        assert stream.read(4) == b"\x05\x01\x00\x03"
        name = stream.read(stream.read(1)[0])
        self.asked.append((name, *struct.unpack(">H", stream.read(2))))
        with socket.create_connection(("127.0.0.1", self._target)) as target:
            peer.sendall(b"\x05\x00\x00\x01" + bytes(6))
            carry(peer, target)


def test_a_socks_proxy_looks_up_the_name(cloud: int) -> None:
    proxy = SocksProxy(cloud, (b"me", b"secret"))
    with server(proxy) as port:
        url = f"socks5://127.0.0.1:{port}"
        with connect("cloud.test", 443, ProxySettings(url, "me", "secret"), TIMEOUT) as sock:
            assert says(sock, b"hello") == b"hello"
        with pytest.raises(Unreachable, match=f"cloud.test:443 through the proxy {url}: .*authentication"):
            connect("cloud.test", 443, ProxySettings(url, "me", "wrong"), TIMEOUT)
    assert proxy.asked == [(b"cloud.test", 443)]


def test_what_cannot_be_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # nobody else gets the port as long as we have it
        port = silent.getsockname()[1]
        with pytest.raises(Unreachable, match=f"^cannot reach 127.0.0.1:{port}: Connection refused$"):
            connect("127.0.0.1", port, DIRECT, TIMEOUT)
        with pytest.raises(Unreachable, match=f"^cannot reach the proxy http://127.0.0.1:{port}: Connection refused$"):
            connect("cloud.test", 443, ProxySettings(f"http://127.0.0.1:{port}"), TIMEOUT)
        with pytest.raises(Unreachable, match=r"socks5://127\.0\.0\.1:.*refused"):
            connect("cloud.test", 443, ProxySettings(f"socks5://127.0.0.1:{port}"), TIMEOUT)
    with pytest.raises(Unreachable, match="no name of a host"):
        connect("a" * 300, 443, DIRECT, TIMEOUT)

    def unknown(*_: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)  # what a name server says, and when, is its own affair
    with pytest.raises(Unreachable, match=r"the name no-such-host\.invalid is not found"):
        connect("no-such-host.invalid", 443, DIRECT, TIMEOUT)
