"""Which proxy, if any, stands between the device and a host (``networkProxy``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ggl.cloud.endpoints import host_port, split_host_port
from ggl.values import InvalidValue

if TYPE_CHECKING:
    from ggl.cloud.settings import ProxySettings

PORTS = {"http": 80, "https": 443, "socks5": 1080}
"""The kinds of proxy, and where each listens if nothing is said."""


@dataclass(frozen=True)
class Proxy:
    """One proxy, with what it wants to know of us."""

    scheme: str
    host: str
    port: int
    username: str = ""
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"{self.scheme}://{host_port(self.host, self.port)}"


def proxy_for(host: str, settings: ProxySettings) -> Proxy | None:
    """The proxy for a connection to ``host``; ``None``: none is needed. Raises ``InvalidValue`` for a bad URL."""
    if not settings.url or is_local(host) or any(_covers(entry, host) for entry in settings.direct):
        return None
    return parse(settings)


def parse(settings: ProxySettings) -> Proxy:
    """Raises ``InvalidValue``. A user in the URL wins over one beside it."""
    from urllib.parse import unquote

    scheme, separator, rest = settings.url.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in PORTS:
        raise InvalidValue(
            f"networkProxy.proxy.url must begin with http://, https:// or socks5://, not {scheme[:20]!r}"
        )
    user, at, address = rest.partition("/")[0].rpartition("@")
    try:
        host, port = split_host_port(address, PORTS[scheme])
    except InvalidValue:
        # Not its text: the URL may have a password in it.
        raise InvalidValue("networkProxy.proxy.url must be scheme://[user:password@]host[:port]") from None
    if at:
        name, _, password = user.partition(":")
        return Proxy(scheme, host, port, unquote(name), unquote(password))
    return Proxy(scheme, host, port, settings.username, settings.password)


def is_local(host: str) -> bool:
    """Whether ``host`` is this device itself, which no proxy can reach."""
    name = host.lower().rstrip(".")
    return name == "localhost" or name.endswith(".localhost") or name == "::1" or _is_loopback(name)


def _is_loopback(name: str) -> bool:
    return name.startswith("127.") and name.replace(".", "").isdecimal()


def _covers(entry: str, host: str) -> bool:
    """Whether an entry of ``noProxyAddresses`` is about ``host``: a name, ``.suffix``, ``*``, or a network."""
    entry, host = entry.lower().rstrip("."), host.lower().rstrip(".")
    if entry == "*" or entry == host:
        return True
    suffix = entry.removeprefix("*")
    if suffix.startswith("."):
        return host.endswith(suffix) or host == suffix[1:]
    return "/" in entry and _is_within(host, entry)


def _is_within(host: str, network: str) -> bool:
    from ipaddress import ip_address, ip_network

    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False
