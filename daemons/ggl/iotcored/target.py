"""Where to connect, as whom and how: what the configuration says of MQTT."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ggl.cloud.endpoints import host_port, split_host_port
from ggl.cloud.settings import Identity, ProxySettings, Settings, number, section, text, truth
from ggl.values import InvalidValue

MQTT_PORT = 8883
ALPN_PORT = 443
ALPN = ("x-amzn-mqtt-ca",)
"""What AWS IoT Core wants to be told on the port that it shares with HTTPS."""
MAX_IN_FLIGHT = 100
"""Messages that AWS IoT Core takes without having acknowledged them."""
IDLE_TICK = 10.0
PROXY_TIMEOUT = 10.0
"""Seconds that a connection through a proxy is given at least."""


@dataclass(frozen=True)
class SpoolOptions:
    """``mqtt.spooler``. ``limit``: bytes of payload that may wait."""

    disk: bool = False
    limit: int = 2621440
    keep_qos0: bool = False


@dataclass(frozen=True)
class Target:
    """A broker, and the options of a connection to it. Times are in seconds."""

    host: str
    port: int
    thing_name: str
    identity: Identity = field(default_factory=Identity)
    proxy: ProxySettings = field(default_factory=ProxySettings)
    mqtt5: bool = True
    keep_alive: int = 60
    ping_timeout: float = 30.0
    operation_timeout: float = 30.0
    socket_timeout: float = 3.0
    in_flight: int = 5
    max_message: int = 131072
    max_retries: int = 100
    """Of a message that the broker does not take; -1: without end."""
    first_delay: float = 1.0
    last_delay: float = 120.0
    stable_after: float = 30.0
    """A connection that lasted so long is a success: the next one is tried soon."""
    receive_maximum: int = 100
    session_expiry: int = 604800
    standalone_timeout: float = 60.0
    messages_per_second: int = 100
    bytes_per_second: int = 512 * 1024
    spool: SpoolOptions = field(default_factory=SpoolOptions)

    @property
    def address(self) -> str:
        return host_port(self.host, self.port)

    @property
    def alpn(self) -> tuple[str, ...]:
        return ALPN if self.port == ALPN_PORT else ()

    @property
    def connect_timeout(self) -> float:
        return max(self.socket_timeout, PROXY_TIMEOUT) if self.proxy.url else self.socket_timeout

    @property
    def idle_tick(self) -> float:
        """Seconds between looks at a connection on which nothing is awaited: often enough for the keep-alive."""
        return min(IDLE_TICK, (self.keep_alive or IDLE_TICK) / 4, self.ping_timeout / 2 or IDLE_TICK)

    def elsewhere(self, endpoint: str, port: int | None) -> Target:
        """The same at another endpoint. Raises ``InvalidValue``."""
        host, found = split_host_port(endpoint, port or self.port)
        return replace(self, host=host, port=found)


def target_of(settings: Settings) -> Target:
    """What ``settings`` say, which must be complete. Raises ``InvalidValue`` that names the key."""
    mqtt = _named("mqtt", settings.mqtt)
    port = number(mqtt, "mqtt.port", MQTT_PORT, 1, 65535)
    host, port = split_host_port(settings.data_endpoint, port)
    keep_alive = _milliseconds(mqtt, "mqtt.keepAliveTimeoutMs", 60_000, 0)
    ping_timeout = _milliseconds(mqtt, "mqtt.pingTimeoutMs", 30_000, 0)
    if keep_alive and keep_alive <= ping_timeout:
        raise InvalidValue("'mqtt.keepAliveTimeoutMs' must be greater than 'mqtt.pingTimeoutMs', or 0")
    first = number(mqtt, "mqtt.minimumReconnectDelaySeconds", 1, 0, 86400) or 1  # not at once, over and over
    return Target(
        host,
        port,
        settings.identity.thing_name,
        settings.identity,
        settings.proxy,
        mqtt5=(text(mqtt, "mqtt.version") or "mqtt5") == "mqtt5",
        keep_alive=min(max(1, round(keep_alive)), 65535) if keep_alive else 0,
        ping_timeout=ping_timeout,
        operation_timeout=_milliseconds(mqtt, "mqtt.operationTimeoutMs", 30_000),
        socket_timeout=_milliseconds(mqtt, "mqtt.socketTimeoutMs", 3_000),
        in_flight=min(number(mqtt, "mqtt.maxInFlightPublishes", 5, 1), MAX_IN_FLIGHT),
        max_message=number(mqtt, "mqtt.maxMessageSizeInBytes", 131072, 1, 2621440),
        max_retries=number(mqtt, "mqtt.maxPublishRetry", 100, -1),
        first_delay=first,
        last_delay=max(first, number(mqtt, "mqtt.maximumReconnectDelaySeconds", 120, 0, 86400) or 120),
        stable_after=number(mqtt, "mqtt.minimumConnectedTimeBeforeRetryResetSeconds", 30, 0, 86400),
        receive_maximum=number(mqtt, "mqtt.receiveMaximum", 100, 1, 65535),
        session_expiry=number(mqtt, "mqtt.sessionExpirySeconds", 604800, 0, 2**32 - 1),
        standalone_timeout=_milliseconds(mqtt, "mqtt.standaloneMqttTimeoutMs", 60_000),
        messages_per_second=number(mqtt, "mqtt.publishesPerSecond", 100, 1, 1_000_000),
        bytes_per_second=number(mqtt, "mqtt.publishBytesPerSecond", 512 * 1024, 1),
        spool=_spool_options(_named("mqtt.spooler", section(mqtt, "mqtt.spooler"))),
    )


def _spool_options(spooler: Mapping[str, Any]) -> SpoolOptions:
    kind = text(spooler, "mqtt.spooler.storageType") or "Memory"
    if kind.lower() not in ("memory", "disk"):
        raise InvalidValue(f"'mqtt.spooler.storageType' must be Memory or Disk, not {kind!r}")
    return SpoolOptions(
        kind.lower() == "disk",
        number(spooler, "mqtt.spooler.maxSizeInBytes", 2621440, 1, 2**40),
        truth(spooler, "mqtt.spooler.keepQos0WhenOffline", False),
    )


def _milliseconds(mqtt: Mapping[str, Any], key: str, default: int, low: int = 1) -> float:
    return number(mqtt, key, default, low, 86_400_000) / 1000


def _named(name: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """``data`` with the whole names of its keys, by which mistakes are told."""
    return {f"{name}.{key}": value for key, value in data.items()}
