"""A deployment that sends the device to other endpoints of AWS IoT: another account, or another region.

When that goes wrong nobody reaches the device any more. So the new endpoints are tried before anything changes, the
connection is waited for when it has, and whatever fails leads back to the old ones, whatever the policy is.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ggl.bus.errors import BusError, ErrorCode
from ggl.cloud.endpoints import host_port, split_host_port
from ggl.cloud.settings import number, section, text
from ggl.deploymentd.configuration import plain
from ggl.deploymentd.current import NUCLEUS_NAMES
from ggl.deploymentd.errors import DeploymentError
from ggl.values import InvalidValue
from ggl.version import NUCLEUS

if TYPE_CHECKING:
    from ggl.deploymentd.current import Current
    from ggl.deploymentd.journal import Journal
    from ggl.deploymentd.runtime import Runtime

MQTT, TOKENS = "aws_iot_mqtt", "aws_iot_tes"
MQTT_PORT = 8883
_MQTT_CODES = ("MQTT_CONNECTION_FAILED", "TLS_HANDSHAKE_FAILURE", "MISSING_MQTT_CONNECT_POLICY")
_TOKEN_CODES = ("CREDENTIAL_ENDPOINT_SERVER_ERROR", "CREDENTIAL_ENDPOINT_AUTH_FAILURE")
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]+")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_AMAZON = (".amazonaws.com", ".amazonaws.com.cn")
_LOOK = 0.2
"""Seconds between two looks at the connection."""


@dataclass(frozen=True)
class Connection:
    """Where the nucleus configuration sends the device. Times in seconds."""

    data: str = ""
    credentials: str = ""
    region: str = ""
    role_alias: str = ""
    mqtt_port: int = MQTT_PORT
    mqtt_timeout: float = 60.0
    credential_timeout: float = 60.0

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What makes it another one when it changes."""
        return self.data, self.credentials, self.region, self.role_alias

    @property
    def address(self) -> str:
        """``host:port`` of MQTT."""
        return host_port(*split_host_port(self.data, self.mqtt_port))


@dataclass(frozen=True)
class Switch:
    """From one connection to another."""

    before: Connection
    after: Connection

    @property
    def source_endpoint(self) -> str:
        """Where the device is connected now, if it leaves that; otherwise empty."""
        return self.before.address if self.before.data and self.before.data != self.after.data else ""


def connection(nucleus: Mapping[str, Any]) -> Connection:
    """The connection in a nucleus configuration. Raises ``InvalidValue``."""
    mqtt = section(nucleus, "mqtt")
    return Connection(
        text(nucleus, "iotDataEndpoint"),
        text(nucleus, "iotCredEndpoint"),
        text(nucleus, "awsRegion"),
        text(nucleus, "iotRoleAlias"),
        number(mqtt, "port", MQTT_PORT, 1, 65535),
        number(mqtt, "standaloneMqttTimeoutMs", 60_000, 1) / 1000,
        number(nucleus, "credentialEndpointTimeoutMs", 60_000, 1) / 1000,
    )


def find_switch(current: Current, configurations: Mapping[str, Mapping[str, Any]]) -> Switch | None:
    """The switch that a deployment makes; ``configurations`` are those it changes. ``None`` when it makes none.

    Raises ``DeploymentError`` for endpoints that can be none, and ``InvalidValue``.
    """
    changed = next((configurations[name] for name in NUCLEUS_NAMES if name in configurations), None)
    if changed is None:
        return None
    try:
        before = connection(plain(current.configuration(NUCLEUS)))
    except InvalidValue:  # it did not work: anything is better
        before = Connection()
    after = connection(changed)
    if before.identity == after.identity:
        return None
    _check(before, after)
    return Switch(before, after)


def _check(before: Connection, after: Connection) -> None:
    if after.region and not _REGION.fullmatch(after.region):
        raise DeploymentError(f"awsRegion {after.region[:80]!r} is no region of AWS", "UNSUPPORTED_REGION")
    data = "iotDataEndpoint", ".iot.", "IOT_DATA_ENDPOINT_FORMAT_NOT_VALID"
    credentials = "iotCredEndpoint", ".credentials.iot.", "IOT_CRED_ENDPOINT_FORMAT_NOT_VALID"
    for (key, part, code), old, new in (
        (data, before.data, after.data),
        (credentials, before.credentials, after.credentials),
    ):
        if wrong := _what_is_wrong(old, new, part, after.region):
            raise DeploymentError(f"{key} of the nucleus {wrong}", code)


def _what_is_wrong(old: str, new: str, part: str, region: str) -> str:
    if not new:
        return "would be removed, and the device could not be reached any more" if old else ""
    try:
        host = "" if re.search(r"[/@\s]", new) else split_host_port(new, MQTT_PORT)[0]
    except InvalidValue:
        host = ""
    if not _HOST.fullmatch(host) and ":" not in host:
        return f"must be a host name, with a port where it is not the usual one, and not {new[:100]!r}"
    if region and host.endswith(_AMAZON) and f"{part}{region}." not in host:
        return f"({host}) is not of the region {region}: its name must have {part}{region}. in it"
    return ""


def try_out(runtime: Runtime, switch: Switch) -> None:
    """Connect to the new endpoints beside the connection there is. Raises ``DeploymentError``, and ``BusError`` when
    those who should try cannot be asked."""
    after = switch.after
    if switch.source_endpoint:
        params = {"endpoint": after.data, "port": after.mqtt_port, "timeout_ms": int(after.mqtt_timeout * 1000)}
        _try(runtime, MQTT, params, after.mqtt_timeout, f"the endpoint {after.data}", _MQTT_CODES)
    tokens_before = switch.before.credentials, switch.before.role_alias
    if all(tokens_before) and tokens_before != (after.credentials, after.role_alias):
        params = {"endpoint": after.credentials, "role_alias": after.role_alias}
        what = f"the credentials of the role alias {after.role_alias} from {after.credentials}"
        _try(runtime, TOKENS, params, after.credential_timeout, what, _TOKEN_CODES)


def _try(
    runtime: Runtime, interface: str, params: dict[str, Any], timeout: float, what: str, codes: tuple[str, ...]
) -> None:
    try:
        runtime.try_endpoint(interface, params, timeout)
    except BusError as error:
        if error.code in (ErrorCode.NOCONN, ErrorCode.BUSY, ErrorCode.RETRY):
            raise
        code, _, reason = error.message.partition(": ")
        if code not in codes:
            code, reason = codes[0], error.message
        raise DeploymentError(f"{what} cannot be used, and the device stays where it is: {reason}", code) from None


def confirm(runtime: Runtime, journal: Journal) -> None:
    """Wait until the device is connected to the endpoint it was sent to. Raises ``DeploymentError``."""
    wanted = connection(plain(runtime.current().configuration(NUCLEUS)))
    journal.note(message=f"waiting for the connection to {wanted.data}")
    deadline = time.monotonic() + wanted.mqtt_timeout
    while True:
        found = runtime.connection()
        if found.get("connected") is True and _is_there(found, wanted):
            return
        if time.monotonic() > deadline:
            reason = found.get("last_error") or "no reason is known"
            text = f"there is no connection to {wanted.address} after {wanted.mqtt_timeout:g} s: {reason}"
            raise DeploymentError(text, "MQTT_CONNECTION_FAILED")
        journal.sleep(_LOOK)


def _is_there(status: Mapping[str, Any], wanted: Connection) -> bool:
    try:
        host, port = split_host_port(str(status.get("endpoint", "")), MQTT_PORT)
    except InvalidValue:
        return False
    there = status.get("port")
    return host_port(host, there if type(there) is int else port) == wanted.address
