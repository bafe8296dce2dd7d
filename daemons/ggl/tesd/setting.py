"""What the configuration says of credentials and their port. It blocks: for a process of its own (see ``child``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ggl.bus.client import connect
from ggl.bus.errors import BusError, ErrorCode
from ggl.cloud import TOKEN_EXCHANGE
from ggl.cloud.settings import TIMEOUT, load, number, section
from ggl.log import get_logger
from ggl.tesd.cache import RETRY
from ggl.tesd.question import identity
from ggl.values import InvalidValue

if TYPE_CHECKING:
    from ggl.paths import Root

OWN = ("services", TOKEN_EXCHANGE, "configuration")
ACTIVE_PORT = "activePort"
RETRY_RANGE = (10, 42900)
_log = get_logger("tesd")


def who(root: Root) -> str:
    """Whose credentials are wanted now; empty when that cannot be told. Raises ``BusError``."""
    try:
        return identity(load(root))
    except InvalidValue as error:
        _log.warning("the configuration cannot be used: %s", error)
        return ""


def port(root: Root) -> int:
    """The port that is wished for; 0: any. Raises ``BusError``."""
    try:
        return number(_own(root), "port", 0, 0, 65535)
    except InvalidValue as error:
        _log.warning("%s: %s: any port is taken", TOKEN_EXCHANGE, error)
        return 0


def make_known(root: Root, port: int) -> None:
    """The port that is served. Raises ``BusError``."""
    if _own(root).get(ACTIVE_PORT) != port:
        with connect("gg_config", root, TIMEOUT) as config:
            config.call("write", {"key_path": [*OWN, ACTIVE_PORT], "value": port})


def retry(root: Root) -> dict[str, int]:
    """How long failures are kept. Raises ``BusError``."""
    try:
        return retry_settings(section(_own(root), "credentialRetryInSec"), _log.warning)
    except InvalidValue as error:
        _log.warning("%s: %s", TOKEN_EXCHANGE, error)
        return dict(RETRY)


def retry_settings(configured: Mapping[str, Any], complain: Callable[[str], object]) -> dict[str, int]:
    """``credentialRetryInSec`` with defaults for what is missing or cannot be meant, which ``complain`` is told."""
    found = dict(RETRY)
    low, high = RETRY_RANGE
    for key in found:
        value = configured.get(key)
        if isinstance(value, str) and value.strip().isdecimal():
            value = int(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high:
            found[key] = int(value)
        elif value is not None:
            complain(
                f"credentialRetryInSec.{key} must be from {low} to {high} seconds, not {value!r}: it is {found[key]}"
            )
    return found


def _own(root: Root) -> Mapping[str, Any]:
    with connect("gg_config", root, TIMEOUT) as config:
        try:
            own = config.call("read", {"key_path": list(OWN)})
        except BusError as error:
            if error.code is not ErrorCode.NOENTRY:
                raise
            return {}
    return own if isinstance(own, dict) else {}
