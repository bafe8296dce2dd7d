"""The rest of the runtime as fleetstatusd sees it: blocking, for a worker thread. Its ``BusError`` go to the caller."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ggl.bus.client import Client, connect
from ggl.bus.errors import BusError, ErrorCode
from ggl.fleetstatusd import cadence
from ggl.fleetstatusd.components import SETTLED, UNINSTALLED, Entry, Origins, entries, origins
from ggl.fleetstatusd.payload import Device
from ggl.fleetstatusd.state import State, checksum
from ggl.host.told import want_to_know
from ggl.log import get_logger
from ggl.recipe.platform import device_attributes
from ggl.values import InvalidValue
from ggl.version import NUCLEUS

if TYPE_CHECKING:
    from ggl.paths import Root

TABLE, KEY = "fleet-status", "told"
OWN = ("services", "FleetStatusService")
SEQUENCE, LAST_PERIODIC = "sequenceNumber", "lastPeriodicUpdateTime"
ACKNOWLEDGED_SECONDS = 60.0
"""What AWS IoT Core gets to acknowledge a message."""

_IDENTITY = ("thingName", "certificateFilePath", "privateKeyPath", "rootCaPath")
_CONNECTION = ("awsRegion", "iotDataEndpoint", "mqtt", "networkProxy")
_log = get_logger("fleetstatusd")


@dataclass(frozen=True)
class Facts:
    """What the configuration says. Times are in milliseconds; ``last_periodic`` is ``None`` before the first time."""

    device: Device
    connection: int = 0
    """Stands for the settings of the connection."""
    interval: int = cadence.INTERVAL * 1000
    last_periodic: int | None = None


class Runtime:
    """Connections are made when they are needed, and last until ``close``."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._clients: dict[str, Client] = {}

    def close(self) -> None:
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    # -- the configuration -------------------------------------------------------------------------------------------

    def facts(self) -> Facts | None:
        """``None``: this device is none of AWS IoT."""
        thing = self._read("system", "thingName")
        wanted = isinstance(thing, str) and bool(thing)
        want_to_know(self._root, "fleetstatusd", wanted=wanted)
        if not wanted:
            return None
        system = self._map("system")
        nucleus = self._map("services", NUCLEUS, "configuration")
        overrides = nucleus.get("platformOverride")
        attributes = device_attributes(overrides if isinstance(overrides, dict) else None)
        try:
            interval = cadence.interval(nucleus)
        except InvalidValue as error:
            _log.error("fleetStatus of the nucleus' configuration is wrong, the usual interval is taken: %s", error)
            interval = cadence.interval({})
        last = self._read(*OWN, LAST_PERIODIC)
        return Facts(
            Device(str(thing), attributes["os"], attributes["architecture"]),
            checksum([*map(system.get, _IDENTITY), *map(nucleus.get, _CONNECTION)]),
            interval,
            None if last is None else _whole(last),
        )

    def next_sequence(self) -> int:
        """The number of the next update: greater than any before, whatever happens from here on."""
        number = _whole(self._read(*OWN, SEQUENCE)) + 1
        self._write(SEQUENCE, number)
        return number

    def keep_periodic(self, milliseconds: int) -> None:
        self._write(LAST_PERIODIC, milliseconds)

    def state(self) -> State | None:
        """What was told so far; ``None`` when nothing is known of that."""
        try:
            return State.from_dict(self._ask("gg_config", "get", {"table": TABLE, "key": KEY}))
        except InvalidValue as error:
            _log.error("the record of what was told cannot be read, all is told anew: %s", error)
        except BusError as error:
            if error.code is not ErrorCode.NOENTRY:
                raise
        return None

    def keep(self, state: State) -> None:
        self._ask("gg_config", "put", {"table": TABLE, "key": KEY, "value": state.to_dict()})

    def _write(self, key: str, value: int) -> None:
        """What is there goes first: after the clock was set back, the new value would be the older one, and lose."""
        path = [*OWN, key]
        operations = [{"op": "delete", "key_path": path}, {"op": "write", "key_path": path, "value": value}]
        self._ask("gg_config", "transaction", {"operations": operations})

    def _map(self, *path: str) -> dict[str, Any]:
        value = self._read(*path)
        return value if isinstance(value, dict) else {}

    def _read(self, *path: str) -> Any:
        try:
            return self._ask("gg_config", "read", {"key_path": list(path)})
        except BusError as error:
            if error.code is ErrorCode.NOENTRY:
                return None
            raise

    # -- components and deployments ----------------------------------------------------------------------------------

    def instance(self) -> str:
        """Which run of the runtime this is."""
        return str(self._ask("gg_host", "info")["instance"])

    def entries(self) -> dict[str, Entry]:
        """The components as they are now."""
        healths = self._ask("gg_health", "list")
        return entries(healths, self._origins(health["component"] for health in healths))

    def wait_until_settled(self, seconds: float) -> None:
        """Until no component is on its way from one state to another; no longer than ``seconds``."""
        deadline = time.monotonic() + seconds
        with connect("gg_health", self._root) as client:
            subscription = client.subscribe("subscribe")
            states = {health["component"]: health["state"] for health in subscription.result}
            while not all(state in SETTLED for state in states.values()):
                left = deadline - time.monotonic()
                try:
                    health = subscription.next(left) if left > 0 else None
                except (BusError, StopIteration):
                    return
                if health is None:
                    return
                states[health["component"]] = health["state"]
                if health["state"] == UNINSTALLED:
                    del states[health["component"]]

    def _origins(self, components: Iterable[str]) -> Origins:
        groups = self._read("services", "DeploymentService", "GroupToRootComponents")
        needed = {name: self._read("services", name, "dependencies") for name in components}
        return origins(
            groups,
            {
                name: [str(each).partition(":")[0] for each in listed]
                for name, listed in needed.items()
                if isinstance(listed, list)
            },
        )

    def deployments(self) -> list[dict[str, Any]]:
        """Those that are known, oldest first."""
        found: list[dict[str, Any]] = self._ask("gg_deployment", "list")
        return found

    def is_deploying(self) -> bool:
        """Whether a deployment is under way or waits: each has a directory for as long."""
        directory = self._root.state / "deployments"
        return directory.is_dir() and any(directory.iterdir())

    # -- AWS IoT Core ------------------------------------------------------------------------------------------------

    def is_connected(self) -> bool:
        return bool(self._ask("aws_iot_mqtt", "status").get("connected"))

    def publish(self, topic: str, payload: bytes) -> None:
        """Returns when AWS IoT Core has it."""
        params = {"topic": topic, "payload": payload, "qos": 1, "wait": True}
        self._ask("aws_iot_mqtt", "publish", params, ACKNOWLEDGED_SECONDS)

    def _ask(
        self, interface: str, method: str, params: dict[str, Any] | None = None, timeout: float | None = None
    ) -> Any:
        client = self._clients.get(interface)
        if client is None:
            client = self._clients[interface] = connect(interface, self._root)
        return client.call(method, params, timeout)


def _whole(value: Any) -> int:
    """A number that somebody may have stored as text; 0 for what is none."""
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0
