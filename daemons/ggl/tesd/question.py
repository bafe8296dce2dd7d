"""Asking AWS IoT for credentials. It blocks and loads TLS: for a process of its own (see ``child``)."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ggl.bus.errors import BusError
from ggl.cloud.settings import Settings, load
from ggl.values import InvalidValue, get_dict, get_str

if TYPE_CHECKING:
    from ggl.cloud.https import Response
    from ggl.paths import Root

PORT = 443
TRIES = 3
"""If there is no answer at all; whatever AWS answers is an answer."""
PAUSE = 0.2
"""Seconds before the second try, and that much more before each further one."""
TRY_SECONDS = 15.0
"""For a connection, and for each wait on it."""
MAX_BODY = 65536
MAX_LIFETIME = 43200.0
"""Seconds that AWS gives credentials for at most. What says more has a clock that is wrong."""
MAX_TEXT = 1024
"""Characters of an answer that are shown to people."""
_NAMES = {
    "AccessKeyId": "accessKeyId",
    "SecretAccessKey": "secretAccessKey",
    "Token": "sessionToken",
    "Expiration": "expiration",
}


def ask(root: Root) -> dict[str, Any]:
    """The map of an ``Answer``, and ``identity``: for whom, and from where."""
    try:
        settings = load(root)
    except (BusError, InvalidValue) as error:
        return {"status": 0, "text": f"the configuration cannot be used: {error}", "local": True}
    answer = _ask(settings, settings.credential_endpoint, settings.role_alias)
    return answer | {"identity": identity(settings)}


def ask_at(root: Root, endpoint: str, role_alias: str) -> dict[str, Any]:
    """The same, of another endpoint and, unless it is empty, for another role alias than those configured."""
    try:
        settings = load(root)
    except (BusError, InvalidValue) as error:
        return {"status": 0, "text": f"the configuration cannot be used: {error}", "local": True}
    signal.alarm(max(1, round(settings.credential_timeout)))
    return _ask(settings, endpoint, role_alias or settings.role_alias)


def identity(settings: Settings) -> str:
    """What credentials depend on. Others are needed when it changes."""
    device = settings.identity
    where = (settings.credential_endpoint, settings.role_alias)
    return "\n".join((device.thing_name, device.certificate, device.private_key, device.root_ca, *where))


def _ask(settings: Settings, endpoint: str, role_alias: str) -> dict[str, Any]:
    from ggl.cloud.tls import BadCredentials, client_context

    missing = [
        key
        for key in settings.missing_for_credentials()
        if not (endpoint and key == "iotCredEndpoint") and not (role_alias and key == "iotRoleAlias")
    ]
    if missing:
        return {"status": 0, "text": f"the device is not provisioned: {', '.join(missing)} not set", "local": True}
    try:
        context = client_context(settings.identity)
    except BadCredentials as error:
        return {"status": 0, "text": str(error), "local": True}
    try:
        return read(_request(settings, context, _url(endpoint, role_alias)), time.time())
    except InvalidValue as error:
        return {"status": 0, "text": f"iotCredEndpoint: {error}", "local": True}
    except ConnectionError as error:
        return {"status": 0, "text": str(error)}


def _url(endpoint: str, role_alias: str) -> str:
    from urllib.parse import quote

    from ggl.cloud.endpoints import host_port, split_host_port

    return (
        f"https://{host_port(*split_host_port(endpoint, PORT))}/role-aliases/{quote(role_alias, safe='')}/credentials"
    )


def _request(settings: Settings, context: Any, url: str) -> Response:
    """Raises ``ConnectionError`` with a text for people when there is no answer."""
    from ggl.cloud.https import NoAnswer, request

    headers = {"x-amzn-iot-thingname": settings.identity.thing_name}
    for number in range(1, TRIES + 1):
        try:
            return request("GET", url, context, settings.proxy, headers=headers, timeout=TRY_SECONDS, limit=MAX_BODY)
        except NoAnswer as error:
            if number == TRIES:
                raise ConnectionError(f"no credentials could be fetched: {error}") from None
            time.sleep(PAUSE * number)
    raise AssertionError


def read(response: Response, now: float) -> dict[str, Any]:
    """What ``response`` says, as the map of an ``Answer``. ``now``: seconds since the epoch by our own clock."""
    if response.status != 200:
        text = " ".join(response.text.split())[:MAX_TEXT]
        return {"status": response.status, "text": f"AWS IoT answered {response.status}: {text}"}
    try:
        credentials = _credentials(response.body)
        # By the server's clock: ours may be anything before it has been set.
        lifetime = _seconds(credentials["expiration"]) - _date(response.headers, now)
    except (InvalidValue, ValueError) as error:
        return {"status": 200, "text": f"AWS IoT sent no credentials that can be used: {error}"}
    if lifetime <= 0:
        return {"status": 200, "text": f"AWS IoT sent credentials that expired at {credentials['expiration']}"}
    body = json.dumps({name: credentials[key] for name, key in _NAMES.items()})
    return {"status": 200, "credentials": credentials, "body": body, "lifetime": min(lifetime, MAX_LIFETIME)}


def _credentials(body: bytes) -> dict[str, str]:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidValue("it is no JSON") from None
    if not isinstance(data, dict):
        raise InvalidValue("it is no map")
    found = get_dict(data, "credentials")
    credentials = {key: get_str(found, key) for key in _NAMES.values()}
    for key, value in credentials.items():
        if not (value.isascii() and value.isprintable()):
            raise InvalidValue(f"'{key}' is no printable text")
    return credentials


def _seconds(expiration: str) -> float:
    from datetime import UTC, datetime

    time_ = datetime.fromisoformat(expiration)
    return (time_ if time_.tzinfo else time_.replace(tzinfo=UTC)).timestamp()


def _date(headers: Mapping[str, str], now: float) -> float:
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return now
