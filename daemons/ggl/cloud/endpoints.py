"""Names and ports of AWS' endpoints. The configuration has host names, with a port where it is not the usual one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ggl.values import InvalidValue

if TYPE_CHECKING:
    from ggl.cloud.settings import Settings

HTTPS_PORT = 443
DATA_PLANE_ALPN = "x-amzn-http-ca"
"""What tells AWS IoT on port 443 that the client shows a device certificate over HTTPS."""
IOT_DATA = "iotdata"
"""Value of ``greengrassDataPlaneEndpoint`` that stands for the IoT data endpoint."""
_SUFFIXES = {"cn-": "amazonaws.com.cn", "us-iso-": "c2s.ic.gov", "us-isob-": "sc2s.sgov.gov"}


def split_host_port(text: str, default: int) -> tuple[str, int]:
    """Host and port of ``host``, ``host:port``, ``[address]:port`` or an URL of these. Raises ``InvalidValue``."""
    rest = text.partition("://")[2] or text
    rest = rest.partition("/")[0].rpartition("@")[2]
    host, separator, digits = rest.rpartition(":")
    if rest.startswith("["):
        host, _, digits = rest[1:].partition("]")
        separator, digits = digits[:1], digits[1:]
    elif not separator or ":" in host:  # no port, or an address of IPv6 without brackets
        host, separator, digits = rest, "", ""
    if not host or (separator and not (digits.isdecimal() and 0 < int(digits) < 65536)):
        raise InvalidValue(f"{text[:200]!r} is no host name with an optional port (host or host:port)")
    return host, int(digits) if separator else default


def host_port(host: str, port: int) -> str:
    """``host:port``, with the brackets that an address of IPv6 needs."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def ascii_name(host: str) -> bytes:
    """The name as name servers and certificates have it. (Given text, Python loads its tables of Unicode: 0.7 MB.)
    Raises ``UnicodeError``.
    """
    usual = host.isascii() and all(len(label) < 64 for label in host.split("."))
    return host.encode("ascii" if usual else "idna")


def dns_suffix(region: str) -> str:
    """What the names of AWS' services end with in ``region``."""
    for prefix, suffix in _SUFFIXES.items():
        if region.startswith(prefix):
            return suffix
    return "amazonaws.com"


def data_plane(settings: Settings) -> tuple[str, int]:
    """Host and port of the Greengrass data plane. Raises ``InvalidValue`` when neither it nor a region is set."""
    port = settings.data_plane_port
    named = settings.data_plane_endpoint
    if named.lower() == IOT_DATA:
        if not settings.data_endpoint:
            raise InvalidValue("greengrassDataPlaneEndpoint is 'iotdata', but iotDataEndpoint is not set")
        # A port in there is that of MQTT.
        return split_host_port(settings.data_endpoint, port)[0], port
    if named:
        return split_host_port(named, port)
    if not settings.region:
        raise InvalidValue("awsRegion is not set: the Greengrass data plane cannot be found without it")
    name = "greengrass.ats" if settings.region == "cn-north-1" else "greengrass-ats"
    return f"{name}.iot.{settings.region}.{dns_suffix(settings.region)}", port


def data_plane_url(settings: Settings) -> str:
    """``https://host:port`` of the Greengrass data plane. Raises ``InvalidValue``."""
    return "https://" + host_port(*data_plane(settings))


def https_alpn(port: int) -> tuple[str, ...]:
    """The protocols to offer for HTTPS with a device certificate on ``port`` of the data plane."""
    return (DATA_PLANE_ALPN,) if port == HTTPS_PORT else ()
