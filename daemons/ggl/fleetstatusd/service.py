"""The bus interface ``gg_fleet_status``: what there is to look for is collected, a worker thread looks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ggl.bus.request import Method
from ggl.fleetstatusd.deployments import TRIGGERS
from ggl.fleetstatusd.payload import CADENCE, STATUS_CHANGE
from ggl.fleetstatusd.reporter import ALL, CHANGED, CONNECTED, DEPLOYED, MISSED, STARTED, Again, Reporter
from ggl.fleetstatusd.runtime import Runtime
from ggl.log import get_logger
from ggl.values import InvalidValue, get_str

if TYPE_CHECKING:
    from ggl.bus.request import Request
    from ggl.daemon import Context

INTERFACE = "gg_fleet_status"
FIRST_SECONDS = 0.3
"""For the message that started the process, if one did."""
RETRY_SECONDS = (10.0, 30.0, 60.0)
"""After a part of the runtime was away; then the next start will see to it."""
SETTLE_SECONDS = (5.0, 10.0, 20.0, 40.0, 80.0, 160.0)
"""Between two looks while components are on their way from one state to another."""

_WHY = {**dict.fromkeys(TRIGGERS, DEPLOYED), STATUS_CHANGE: CHANGED, CADENCE: ALL}
_log = get_logger("fleetstatusd")


def setup(context: Context) -> None:
    service = Service(context)
    context.serve(INTERFACE, service.methods())
    service.begin()


class Service:
    """The daemon stays while it looks, and while it waits to look again."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._why = {STARTED}
        """What there is to look for at once, or a moment after the start."""
        self._postponed: set[str] = set()
        self._busy = False
        self._waiting = False
        self._failures = 0
        self._unsettled = 0

    def methods(self) -> dict[str, Method]:
        return {
            "mqtt_connected": Method(lambda _request, _params: self._look(CONNECTED)),
            "component_changed": Method(lambda _request, _params: self._look(CHANGED)),
            "send_fleet_status_update": Method(self._send_update),
        }

    def begin(self) -> None:
        """Unless a message comes now, it was the host that wants it to look whether something was missed."""
        self._context.hold()

        def due() -> None:
            self._context.release()
            if STARTED in self._why:
                self._why.add(MISSED)
            self._start()

        self._context.loop.call_later(FIRST_SECONDS, due)

    def _send_update(self, _request: Request, params: dict[str, Any]) -> None:
        trigger = get_str(params, "trigger")
        if trigger not in _WHY:
            raise InvalidValue(f"'trigger' must be one of {', '.join(sorted(_WHY))}, not {trigger!r}")
        self._look(_WHY[trigger])

    def _look(self, why: str) -> None:
        self._unsettled = 0
        self._why.add(why)
        self._start()

    def _look_later(self, seconds: float, why: set[str]) -> None:
        self._postponed |= why
        if self._waiting:
            return
        self._waiting = True
        self._context.hold()

        def due() -> None:
            self._waiting = False
            self._context.release()
            self._why |= self._postponed
            self._postponed = set()
            self._start()

        self._context.loop.call_later(seconds, due)

    def _start(self) -> None:
        if self._busy or not self._why:
            return
        self._busy = True
        self._context.hold()
        why, self._why = self._why, set()
        root = self._context.root

        def work() -> Again | None:
            runtime = Runtime(root)
            try:
                return Reporter(runtime, _chance).look(why)
            finally:
                runtime.close()

        self._context.loop.run_blocking(work, lambda again, error: self._done(why, again, error))

    def _done(self, why: set[str], again: Again | None, error: BaseException | None) -> None:
        self._busy = False
        if error is not None:
            self._failed(why, error)
        else:
            self._failures = 0
            if again is not None:
                self._again(again)
        self._start()
        self._context.release()

    def _failed(self, why: set[str], error: BaseException) -> None:
        if self._failures >= len(RETRY_SECONDS):
            _log.error("the cloud is not told how the device is: %s", error)
            return
        _log.warning("the cloud cannot be told yet how the device is: %s", error)
        self._look_later(RETRY_SECONDS[self._failures], why)
        self._failures += 1

    def _again(self, again: Again) -> None:
        if again.seconds is not None:
            self._look_later(again.seconds, {again.why})
        elif self._unsettled < len(SETTLE_SECONDS):
            self._look_later(SETTLE_SECONDS[self._unsettled], {again.why})
            self._unsettled += 1


def _chance() -> float:
    return int.from_bytes(os.urandom(4), "big") / 2**32
