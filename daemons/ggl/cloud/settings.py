"""Who this device is to AWS, and where it finds what: the part of the configuration that provisioning writes.

Other nuclei store numbers and truth values as strings, too, so both are understood.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ggl.values import InvalidValue
from ggl.version import NUCLEUS

if TYPE_CHECKING:
    from ggl.paths import Root

TIMEOUT = 30.0
"""Seconds that the configuration may take to answer."""


@dataclass(frozen=True)
class Identity:
    """The device as AWS IoT knows it. Certificate, key and CA are paths of PEM files, or URIs of a key store."""

    thing_name: str = ""
    certificate: str = ""
    private_key: str = ""
    root_ca: str = ""


@dataclass(frozen=True)
class ProxySettings:
    """``networkProxy``. ``url``: ``scheme://[user:password@]host[:port]``; ``direct``: hosts that need no proxy."""

    url: str = ""
    username: str = ""
    password: str = ""
    certificate: str = ""
    private_key: str = ""
    direct: tuple[str, ...] = ()
    root_ca: str = ""
    """The file with the CA of a proxy that is reached by TLS: that of the device."""


@dataclass(frozen=True)
class Settings:
    """Endpoints are host names, with a port where it is not the usual one. ``mqtt`` is the section as it is."""

    identity: Identity = field(default_factory=Identity)
    region: str = ""
    data_endpoint: str = ""
    credential_endpoint: str = ""
    role_alias: str = ""
    data_plane_endpoint: str = ""
    data_plane_port: int = 8443
    s3_endpoint_type: str = "GLOBAL"
    fips: bool = False
    credential_timeout: float = 60.0
    mqtt: Mapping[str, Any] = field(default_factory=dict)
    proxy: ProxySettings = field(default_factory=ProxySettings)

    def missing_for_mqtt(self) -> list[str]:
        """The keys without which there can be no connection to AWS IoT Core; none: the device is provisioned."""
        return [*_missing_identity(self.identity), *([] if self.data_endpoint else ["iotDataEndpoint"])]

    def missing_for_credentials(self) -> list[str]:
        """The keys without which there can be no AWS credentials."""
        wanted = {"iotCredEndpoint": self.credential_endpoint, "iotRoleAlias": self.role_alias}
        return [*_missing_identity(self.identity), *(key for key, value in wanted.items() if not value)]


def load(root: Root) -> Settings:
    """The settings as they are now. Asks the configuration daemon; raises ``BusError`` and ``InvalidValue``."""
    from ggl.bus.client import connect

    with connect("gg_config", root, TIMEOUT) as config:
        system = _read(config, ["system"])
        nucleus = _read(config, ["services", NUCLEUS, "configuration"])
    return decode(system, nucleus)


def decode(system: Mapping[str, Any], nucleus: Mapping[str, Any]) -> Settings:
    """``system`` and the nucleus' configuration as settings. Raises ``InvalidValue`` that names the key."""
    return Settings(
        identity=Identity(
            text(system, "thingName"),
            text(system, "certificateFilePath"),
            text(system, "privateKeyPath"),
            text(system, "rootCaPath"),
        ),
        region=text(nucleus, "awsRegion"),
        data_endpoint=text(nucleus, "iotDataEndpoint"),
        credential_endpoint=text(nucleus, "iotCredEndpoint"),
        role_alias=text(nucleus, "iotRoleAlias"),
        data_plane_endpoint=text(nucleus, "greengrassDataPlaneEndpoint"),
        data_plane_port=number(nucleus, "greengrassDataPlanePort", 8443, 1, 65535),
        s3_endpoint_type=text(nucleus, "s3EndpointType") or "GLOBAL",
        fips=truth(nucleus, "fipsMode", False),
        credential_timeout=number(nucleus, "credentialEndpointTimeoutMs", 60_000, 1) / 1000,
        mqtt=section(nucleus, "mqtt"),
        proxy=_proxy(section(nucleus, "networkProxy"), text(system, "rootCaPath")),
    )


def text(data: Mapping[str, Any], key: str) -> str:
    """A string without the blanks around it; empty when there is none."""
    value = data.get(key)
    if value is None:
        return ""
    if isinstance(value, (Mapping, list, bool)):
        raise InvalidValue(f"'{key}' must be a string")
    return str(value).strip()


def number(data: Mapping[str, Any], key: str, default: int, low: int = 0, high: int = 2**31) -> int:
    """A whole number between ``low`` and ``high``, or its decimal digits."""
    value = data.get(key)
    if value is None or value == "":
        return default
    try:
        if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
            raise ValueError
        found = int(value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidValue(f"'{key}' must be a whole number, not {value!r}") from None
    if not low <= found <= high:
        raise InvalidValue(f"'{key}' must be from {low} to {high}, not {found}")
    return found


def truth(data: Mapping[str, Any], key: str, default: bool) -> bool:
    value = data.get(key)
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if value is None or value == "":
        return default
    if isinstance(value, bool):
        return value
    raise InvalidValue(f"'{key}' must be true or false, not {value!r}")


def section(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = data.get(key)
    if value is None or value == "":
        return {}
    if not isinstance(value, Mapping):
        raise InvalidValue(f"'{key}' must be a map")
    return value


def _proxy(data: Mapping[str, Any], root_ca: str) -> ProxySettings:
    proxy = section(data, "proxy")
    direct = (each.strip() for each in text(data, "noProxyAddresses").split(","))
    return ProxySettings(
        text(proxy, "url"),
        text(proxy, "username"),
        text(proxy, "password"),
        text(proxy, "proxyCertPath"),
        text(proxy, "proxyKeyPath"),
        tuple(each for each in direct if each),
        root_ca,
    )


def _missing_identity(identity: Identity) -> list[str]:
    wanted = {
        "system.thingName": identity.thing_name,
        "system.certificateFilePath": identity.certificate,
        "system.privateKeyPath": identity.private_key,
        "system.rootCaPath": identity.root_ca,
    }
    return [key for key, value in wanted.items() if not value]


def _read(config: Any, key_path: list[str]) -> dict[str, Any]:
    from ggl.bus.errors import BusError, ErrorCode

    try:
        value = config.call("read", {"key_path": key_path})
    except BusError as error:
        if error.code is ErrorCode.NOENTRY:
            return {}
        raise
    return value if isinstance(value, dict) else {}
