"""Through a proxy, or not."""

from __future__ import annotations

import pytest

from ggl.cloud.proxy import proxy_for
from ggl.cloud.settings import ProxySettings
from ggl.values import InvalidValue


@pytest.mark.parametrize(
    ("entry", "host", "direct"),
    [
        ("example.com", "example.com", True),
        ("Example.com", "EXAMPLE.com.", True),
        ("example.com", "a.example.com", False),
        (".example.com", "a.example.com", True),
        ("*.example.com", "a.b.example.com", True),
        (".example.com", "badexample.com", False),
        ("*", "anything", True),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.0.0.0/8", "host", False),
        ("nonsense/8", "10.1.2.3", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("fe80::/10", "fe80::1", True),
    ],
)
def test_hosts_that_need_no_proxy(entry: str, host: str, direct: bool) -> None:
    settings = ProxySettings("http://proxy:3128", direct=("other", entry))
    assert (proxy_for(host, settings) is None) is direct


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1", "x.localhost"])
def test_the_device_itself_is_never_reached_through_one(host: str) -> None:
    assert proxy_for(host, ProxySettings("http://proxy")) is None


@pytest.mark.parametrize("host", ["127.evil.example", "localhost.example"])
def test_names_that_only_look_like_it(host: str) -> None:
    assert proxy_for(host, ProxySettings("http://proxy")) is not None


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("http://p", ("http", "p", 80, "u", "q-q")),
        ("HTTPS://p", ("https", "p", 443, "u", "q-q")),
        ("socks5://p/", ("socks5", "p", 1080, "u", "q-q")),
        ("http://a:b%40@p:3128/", ("http", "p", 3128, "a", "b@")),
        ("http://a@[::1]:8", ("http", "::1", 8, "a", "")),
    ],
)
def test_what_an_url_says(url: str, found: tuple[str, str, int, str, str]) -> None:
    proxy = proxy_for("example.com", ProxySettings(url, "u", "q-q"))

    assert proxy is not None
    assert (proxy.scheme, proxy.host, proxy.port, proxy.username, proxy.password) == found
    assert proxy.password == "" or proxy.password not in f"{proxy} {proxy!r}"


@pytest.mark.parametrize("url", ["proxy:3128", "ftp://p", "http://", "http://me:secret@p:x"])
def test_what_is_no_proxy(url: str) -> None:
    with pytest.raises(InvalidValue, match=r"networkProxy\.proxy\.url") as caught:
        proxy_for("example.com", ProxySettings(url))
    assert "secret" not in str(caught.value)
