"""What recovery asks of the rest of the runtime, any part of which may be what has failed.

Every call is bounded. One that finds nobody is tried again a few times, with growing pauses; then its ``BusError``
goes to the caller, who climbs on without it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ggl.bus.client import connect
from ggl.bus.errors import BusError, ErrorCode
from ggl.host.client import INTERFACE as HOST
from ggl.host.client import STOP_TIMEOUT, statuses
from ggl.host.status import UnitStatus
from ggl.paths import Root
from ggl.values import InvalidValue
from ggl.version import NUCLEUS

CONFIG = "gg_config"
DEPLOYMENT = "gg_deployment"

TRIES = 4
FIRST_PAUSE = 0.5
"""Seconds; doubles with each try."""
_TRY_AGAIN = (ErrorCode.NOCONN, ErrorCode.BUSY, ErrorCode.RETRY)


class Device:
    """``pause(seconds)`` waits, and returns whether this daemon leaves; ``InterruptedError`` is raised then."""

    def __init__(self, root: Root, pause: Callable[[float], bool]) -> None:
        self._root = root
        self._pause = pause

    # -- the host ----------------------------------------------------------------------------------------------------

    def units(self) -> list[UnitStatus]:
        try:
            return list(statuses(self._call(HOST, "list")).values())
        except InvalidValue as error:
            raise BusError(ErrorCode.PARSE, str(error)) from None

    def is_stopping(self) -> bool:
        """The whole runtime is on its way down."""
        return _map(self._call(HOST, "info")).get("stopping") is True

    def start(self, names: Sequence[str]) -> None:
        self._call(HOST, "start", {"names": list(names)})

    def restart(self, names: Sequence[str]) -> None:
        self._call(HOST, "restart", {"names": list(names)})

    def stop(self, names: Sequence[str]) -> None:
        self._call(HOST, "stop", {"names": list(names)}, STOP_TIMEOUT)

    # -- the configuration -------------------------------------------------------------------------------------------

    def policy(self, tries: int = TRIES) -> Any:
        """What is configured; ``None`` when nothing is."""
        path = ["services", NUCLEUS, "configuration", "recovery"]
        try:
            return self._call(CONFIG, "read", {"key_path": path}, tries=tries)
        except BusError as error:
            if error.code == ErrorCode.NOENTRY:
                return None
            raise

    # -- deployments -------------------------------------------------------------------------------------------------

    def deployments(self) -> list[dict[str, Any]]:
        return _maps(self._call(DEPLOYMENT, "list"))

    def deployment(self, deployment_id: str) -> dict[str, Any]:
        return _map(self._call(DEPLOYMENT, "get", {"deployment_id": deployment_id}))

    def generations(self, tries: int = TRIES) -> list[dict[str, Any]]:
        return _maps(self._call(DEPLOYMENT, "generations", tries=tries))

    def preview_rollback(self, component: str = "") -> dict[str, Any]:
        """What going back would change. NOENTRY: there is nothing to go back to."""
        return _map(self._call(DEPLOYMENT, "rollback", {**_of(component), "dry_run": True}))

    def roll_back(self, requested_by: str, component: str = "", to: int = 0) -> str:
        """Ask for it, once: if the answer gets lost it may have been heard all the same. Returns the deployment."""
        where = {"to": to} if to else {}
        params = {**_of(component), **where, "requested_by": requested_by}
        return str(_map(self._call(DEPLOYMENT, "rollback", params, tries=1)).get("deployment_id") or "")

    def _call(
        self,
        interface: str,
        method: str,
        params: dict[str, Any] | None = None,
        timeout: float = 10.0,
        tries: int = TRIES,
    ) -> Any:
        for number in range(tries):
            try:
                with connect(interface, self._root, timeout) as client:
                    return client.call(method, params or {}, timeout)
            except BusError as error:
                if self._pause(0):
                    raise InterruptedError from None
                if error.code not in _TRY_AGAIN or number == tries - 1:
                    raise
                if self._pause(FIRST_PAUSE * 2**number):
                    raise InterruptedError from None
        raise BusError(ErrorCode.FAILURE, f"{interface} was not asked")


def _of(component: str) -> dict[str, Any]:
    return {"component": component} if component else {}


def _map(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BusError(ErrorCode.PARSE, "the answer must be a map")
    return value


def _maps(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise BusError(ErrorCode.PARSE, "the answer must be a list")
    return [_map(item) for item in value]
