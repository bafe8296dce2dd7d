"""The rest of the runtime as a deployment sees it: configuration, records, the host's units, component health.

Blocking, for a worker thread; one instance belongs to one thread. A daemon that goes away and comes back costs a
deployment nothing but time: what is asked here may be asked again, and is, for as long as ``PATIENCE``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from ggl.bus.client import Client, connect
from ggl.bus.errors import BusError, ErrorCode
from ggl.deploymentd.current import SERVICES, Current
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.generation import IMAGES, SUMMARIES, Generations, Image, key_of, read_generations
from ggl.deploymentd.health_watch import HealthWatch
from ggl.host import client as host
from ggl.host.status import UnitStatus
from ggl.host.unit import Unit
from ggl.log import get_logger
from ggl.paths import Root
from ggl.values import InvalidValue

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds to go on trying to reach a daemon."""
_PASSING = (ErrorCode.NOCONN, ErrorCode.BUSY, ErrorCode.RETRY)
_MARGIN = 15.0
"""Seconds that somebody who works for a limited time may need beyond it to say how it went."""
_LOOK = 1.0
"""Seconds after which a wait for an answer looks whether it should go on."""

_log = get_logger("deployment")


class _AlreadyDone(Exception):
    """What was asked for has happened, though the answer was lost."""


class Runtime:
    """``closing`` tells that this process is about to end: then nothing is tried again."""

    def __init__(self, root: Root, closing: Callable[[], bool] = lambda: False) -> None:
        self._root = root
        self._closing = closing
        self._clients: dict[str, Client] = {}
        self.trail = ""

    def close(self) -> None:
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    def __enter__(self) -> Runtime:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- configuration -----------------------------------------------------------------------------------------------

    def current(self) -> Current:
        """What is deployed now."""
        services = self._read("read_with_timestamps", {"key_path": [SERVICES]})
        return Current(services if isinstance(services, dict) else {}, self.thing_name())

    def thing_name(self) -> str:
        """Empty: this device is none of AWS IoT."""
        thing = self._read("read", {"key_path": ["system", "thingName"]})
        return thing if isinstance(thing, str) else ""

    # -- records (``queue.Records``) ---------------------------------------------------------------------------------

    def transaction(self, operations: Sequence[Mapping[str, Any]], is_done: Callable[[], bool] | None = None) -> None:
        """Change configuration and records: all of ``operations``, durably, or nothing.

        When the answer is lost, ``is_done`` tells whether they were done; they are not done twice then.
        """
        params = {"operations": list(operations)}
        try:
            if operations:
                self._try("gg_config", lambda client: client.call("transaction", params), is_done)
        except _AlreadyDone:
            _log.info("an answer of the configuration store was lost; what was asked for is done")

    def check_operations(self, operations: Sequence[Mapping[str, Any]]) -> None:
        """Whether ``transaction`` would take them: no value too large, no place that is another's value.

        Raises ``DeploymentError``.
        """
        try:
            self._config("preview", {"operations": list(operations)})
        except BusError as error:
            if error.code not in (ErrorCode.RANGE, ErrorCode.INVALID, ErrorCode.FAILURE):
                raise
            text = f"the configuration cannot be written: {error.message}"
            raise DeploymentError(text, "COMPONENT_METADATA_NOT_VALID_IN_DEPLOYMENT") from None

    def scan(self, table: str) -> list[tuple[str, Any]]:
        """Every record of ``table``, by key."""
        return [(key, value) for key, value in self._config("scan", {"table": table})]

    def get(self, table: str, key: str) -> Any:
        """One record; ``None`` when there is none."""
        return self._read("get", {"table": table, "key": key})

    def generations(self) -> Generations:
        return read_generations(self.scan(SUMMARIES))

    def image(self, number: int) -> Image | None:
        """What makes generation ``number`` run; ``None`` when that is not kept, or cannot be read."""
        data = self.get(IMAGES, key_of(number))
        try:
            return None if data is None else Image.from_dict(data)
        except InvalidValue as error:
            _log.error("what generation %s consists of cannot be read: %s", number, error)
            return None

    def current_image(self) -> Image:
        """That of the current generation; an empty one when there is none, or it is lost."""
        return self.image(self.generations().current) or Image()

    def _read(self, method: str, params: dict[str, Any]) -> Any:
        try:
            return self._config(method, params)
        except BusError as error:
            if error.code == ErrorCode.NOENTRY:
                return None
            raise

    def _config(self, method: str, params: dict[str, Any]) -> Any:
        return self._try("gg_config", lambda client: client.call(method, params))

    # -- units -------------------------------------------------------------------------------------------------------

    def units(self) -> dict[str, UnitStatus]:
        return self._try(host.INTERFACE, host.list_units)

    def stop(self, names: Iterable[str]) -> None:
        names = list(names)
        if names:
            self._try(host.INTERFACE, lambda client: host.stop(client, names))

    def load(self, units: Iterable[Unit], start: Iterable[str]) -> None:
        units, start = list(units), list(start)
        if units:
            self._try(host.INTERFACE, lambda client: host.load(client, units, start))
        elif start:
            self._try(host.INTERFACE, lambda client: host.start(client, start))

    def unload(self, names: Iterable[str]) -> None:
        names = list(names)
        if names:
            self._try(host.INTERFACE, lambda client: host.unload(client, names))

    def instance(self) -> str:
        """A text that differs for each run of the host."""
        return str(self._info().get("instance", ""))

    def restart_runtime(self) -> None:
        """Ask for a restart of the whole runtime; this process will be ended."""
        self._try(host.INTERFACE, host.restart_runtime)

    def reboot(self) -> None:
        """Ask for a reboot of the device."""
        command = self.current().reboot_command
        self._try(host.INTERFACE, lambda client: host.reboot(client, command))

    def check_not_stopping(self) -> None:
        """Raises ``InterruptedError`` when the whole runtime is being stopped: what components do then says nothing."""
        try:
            stopping = self._info().get("stopping")
        except BusError:
            return
        if stopping:
            raise InterruptedError("the runtime is being stopped")

    def _info(self) -> dict[str, Any]:
        return self._try(host.INTERFACE, lambda client: client.call("info"))

    # -- components --------------------------------------------------------------------------------------------------

    def ask(self, interface: str, method: str, params: dict[str, Any], check: Callable[[], None]) -> Any:
        """The item with which the subscription ``method`` ends. ``check`` is called about once a second and may raise.

        A daemon that goes away meanwhile is asked anew.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            check()
            try:
                with connect(interface, self._root) as client:
                    client.trail = self.trail or client.trail
                    subscription = client.subscribe(method, params)
                    deadline = time.monotonic() + PATIENCE
                    while True:
                        check()
                        try:
                            return subscription.next(_LOOK)
                        except StopIteration:
                            raise BusError(ErrorCode.NOCONN, f"{interface} ended without an answer") from None
                        except BusError as error:
                            if error.code != ErrorCode.TIMEOUT:
                                raise
                        deadline = time.monotonic() + PATIENCE
            except BusError as error:
                if error.code not in _PASSING or time.monotonic() > deadline or self._closing():
                    raise
                _log.info("%s cannot be asked (%s), trying again", interface, error)
                time.sleep(0.2)

    def tell(self, interface: str, method: str, params: dict[str, Any]) -> None:
        """A call whose failure does not matter."""
        try:
            self._try(interface, lambda client: client.call(method, params))
        except BusError as error:
            _log.warning("%s cannot be told: %s", interface, error)

    def connection(self) -> dict[str, Any]:
        """What there is to say of the connection to AWS IoT Core; nothing, when nobody knows."""
        try:
            found = self._try("aws_iot_mqtt", lambda client: client.call("status"))
        except BusError as error:
            _log.warning("whether the device is connected is not known: %s", error)
            return {}
        return found if isinstance(found, dict) else {}

    def try_endpoint(self, interface: str, params: dict[str, Any], timeout: float) -> None:
        """Have ``interface`` try another endpoint, for ``timeout`` seconds. Raises ``BusError``."""
        self._try(interface, lambda client: client.call("try_endpoint", params, timeout + _MARGIN))

    def healths(self) -> list[dict[str, Any]]:
        """The health of every component."""
        found: list[dict[str, Any]] = self._try("gg_health", lambda client: client.call("list"))
        return found

    def watch_health(self) -> HealthWatch:
        return HealthWatch(self._root, self._closing)

    def _try(self, interface: str, ask: Callable[[Client], T], is_done: Callable[[], bool] | None = None) -> T:
        deadline = time.monotonic() + PATIENCE
        delay = 0.05
        while True:
            try:
                client = self._clients.get(interface)
                if client is None:
                    client = self._clients[interface] = connect(interface, self._root)
                client.trail = self.trail or client.trail
                return ask(client)
            except BusError as error:
                if error.code in (ErrorCode.NOCONN, ErrorCode.TIMEOUT):
                    # An answer that comes too late must not be taken for the next one's.
                    stale = self._clients.pop(interface, None)
                    if stale is not None:
                        stale.close()
                    if is_done is not None and is_done():
                        raise _AlreadyDone from None
                if error.code not in _PASSING or time.monotonic() + delay > deadline or self._closing():
                    raise
                _log.info("%s, trying again in %g s", error, delay)
                time.sleep(delay)
                delay = min(delay * 2, 2.0)
