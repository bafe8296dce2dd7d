"""The environment that every lifecycle script of a component starts with.

The names are those that component code and the AWS SDKs look for; a recipe's ``Setenv`` is applied on top by the
caller. Of the runtime's own environment only what a program cannot do without is handed on: anything else, a
developer's credentials for instance, is none of a component's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ggl.version import NUCLEUS_VERSION

INHERITED = ("PATH", "HOME", "JAVA_HOME")
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""For a runtime that was itself started without one, as the first process of a container may be."""
_PROXY = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_NO_PROXY = "NO_PROXY"
_LOCAL = "localhost,127.0.0.1"


def component_environment(
    system: Mapping[str, Any],
    nucleus: Mapping[str, Any],
    *,
    token: str,
    ipc_socket: str,
    registration_socket: str,
    inherited: Mapping[str, str],
    tes_port: int | None = None,
) -> dict[str, str]:
    """The variables of a component's scripts.

    ``system`` is the ``system`` section of the configuration, ``nucleus`` the nucleus' component configuration; what
    they lack becomes an empty value. ``token`` is the component's own and proves its identity to the runtime,
    ``ipc_socket`` and ``registration_socket`` (for a component that serves operations) absolute paths, ``inherited``
    the environment of the runtime. ``tes_port`` is the port of the credential endpoint, ``None`` while there is none.
    """
    environment = {"PATH": DEFAULT_PATH} | {name: inherited[name] for name in INHERITED if inherited.get(name)}
    region = _text(nucleus.get("awsRegion"))
    fips = "true" if _text(nucleus.get("fipsMode")).lower() == "true" else "false"
    environment |= {
        "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT": ipc_socket,
        "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH": ipc_socket,
        "GGL_REGISTRATION_SOCKET": registration_socket,
        "SVCUID": token,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": token,
        "AWS_IOT_THING_NAME": _text(system.get("thingName")),
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "GG_ROOT_CA_PATH": _text(system.get("rootCaPath")),
        "GGC_VERSION": NUCLEUS_VERSION,
        "AWS_USE_FIPS_ENDPOINT": fips,
        "AWS_GG_FIPS_MODE": fips,
    }
    if tes_port is not None:
        # The trailing slash belongs to it: SDKs append nothing.
        environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = (
            f"http://localhost:{tes_port}/2016-11-01/credentialprovider/"
        )
    environment |= _proxy_environment(nucleus.get("networkProxy"))
    return environment


def _proxy_environment(network_proxy: Any) -> dict[str, str]:
    section = network_proxy if isinstance(network_proxy, Mapping) else {}
    proxy = section.get("proxy")
    proxy = proxy if isinstance(proxy, Mapping) else {}
    url = _proxy_url(_text(proxy.get("url")), _text(proxy.get("username")), proxy.get("password"))
    direct = _text(section.get("noProxyAddresses"))
    if url:
        # The credential endpoint is on this device, where no proxy reaches it.
        direct = f"{_LOCAL},{direct}" if direct else _LOCAL
    environment = dict.fromkeys(_PROXY, url) if url else {}
    if direct:
        environment[_NO_PROXY] = direct
    return environment | {name.lower(): value for name, value in environment.items()}


def _proxy_url(url: str, username: str, password: Any) -> str:
    """``url`` with the credentials in it, unless it has some or there are none."""
    scheme, separator, rest = url.partition("://")
    if not separator or not username or "@" in rest.partition("/")[0]:
        return url
    from urllib.parse import quote

    credentials = quote(username, safe="")
    if password is not None:
        credentials += ":" + quote(_text(password), safe="")
    return f"{scheme}://{credentials}@{rest}"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    # The configuration can hold characters that no environment can.
    return "" if value is None else str(value).replace("\0", "").encode("utf-8", "replace").decode()
