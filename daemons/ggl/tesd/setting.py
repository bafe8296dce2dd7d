"""What the configuration says of the credential endpoint, looked up in a process of its own: it blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ggl.bus.client import Client, connect
from ggl.bus.errors import BusError, ErrorCode
from ggl.cloud import TOKEN_EXCHANGE, needs_credentials
from ggl.cloud.settings import TIMEOUT, load, number, section
from ggl.log import get_logger
from ggl.tesd.cache import retry_settings
from ggl.tesd.question import identity
from ggl.values import InvalidValue

if TYPE_CHECKING:
    from ggl.paths import Root

ACTIVE_PORT = "activePort"
_log = get_logger("tesd")


def look(root: Root, active_port: int) -> dict[str, Any]:
    """``identity``; ``port`` (0: any); ``retry``; ``needed``: whether a component is deployed that depends on us.

    ``active_port``: the port that is served, to be made known if it is not yet; 0: none. Raises ``BusError``.
    """
    with connect("gg_config", root, TIMEOUT) as config:
        own = _read(config, ["services", TOKEN_EXCHANGE, "configuration"])
        own = own if isinstance(own, dict) else {}
        if active_port and own.get(ACTIVE_PORT) != active_port:
            path = ["services", TOKEN_EXCHANGE, "configuration", ACTIVE_PORT]
            config.call("write", {"key_path": path, "value": active_port})
        needed = _is_needed(config)
    try:
        who = identity(load(root))
    except InvalidValue as error:
        _log.warning("the configuration cannot be used: %s", error)
        who = ""
    return {
        "identity": who,
        "port": _port(own),
        "retry": retry_settings(_retry(own), _log.warning),
        "needed": needed,
    }


def _is_needed(config: Client) -> bool:
    names = _read(config, ["services"], "list")
    return any(needs_credentials(_read(config, ["services", name, "dependencies"])) for name in names or ())


def _port(own: Mapping[str, Any]) -> int:
    try:
        return number(own, "port", 0, 0, 65535)
    except InvalidValue as error:
        _log.warning("%s: %s: any port is taken", TOKEN_EXCHANGE, error)
        return 0


def _retry(own: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        return section(own, "credentialRetryInSec")
    except InvalidValue as error:
        _log.warning("%s: %s", TOKEN_EXCHANGE, error)
        return {}


def _read(config: Client, key_path: list[str], method: str = "read") -> Any:
    try:
        return config.call(method, {"key_path": key_path})
    except BusError as error:
        if error.code is ErrorCode.NOENTRY:
            return None
        raise
