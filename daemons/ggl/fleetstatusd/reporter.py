"""What is to be told now: by what there is, what was told, and what this process was started for.

Blocking. What cannot be told is not noted down as told, and so is in the next update.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ggl.bus.errors import BusError, ErrorCode
from ggl.fleetstatusd import cadence
from ggl.fleetstatusd.components import BROKEN, ERRORED, Entry, is_settled, removed_entry
from ggl.fleetstatusd.deployments import LOCAL_TRIGGER, information, over, trigger_of, untold
from ggl.fleetstatusd.payload import (
    CADENCE,
    LAUNCH,
    RECONFIGURE,
    RECONNECT,
    STATUS_CHANGE,
    WITH_ALL,
    Update,
    messages,
)
from ggl.fleetstatusd.state import State
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.fleetstatusd.runtime import Facts, Runtime

CONNECTED, DEPLOYED, CHANGED, STARTED, MISSED, ALL = "connected", "deployed", "changed", "started", "missed", "all"
"""Why to look: the connection was made; a deployment is over; something has happened to a component; this process has
started; word of one of these may have been lost; all is to be told, due or not."""
START_SECONDS = 60.0
"""What components get to come up before the launch is told."""
RECONNECT_GAP = 60_000
"""Milliseconds from one RECONNECT to the next, when nothing has changed."""
STATUS_GAP = 3_000
"""Milliseconds from any update to a COMPONENT_STATUS_CHANGE."""

_UNREACHED = (ErrorCode.NOCONN, ErrorCode.TIMEOUT)
_log = get_logger("fleetstatusd")


class NotTold(Exception):
    """AWS IoT Core did not take an update; it may take it later."""

    def __init__(self, *, may_pass: bool) -> None:
        super().__init__()
        self.may_pass = may_pass


@dataclass(frozen=True)
class Again:
    """To look again. ``seconds``: after so many; else it is for the caller to choose: something is on its way."""

    seconds: float | None = None
    why: str = CHANGED


class Reporter:
    """One look. ``clock`` gives milliseconds since the epoch, ``chance`` a number from 0 to 1."""

    def __init__(
        self,
        runtime: Runtime,
        chance: Callable[[], float],
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._runtime = runtime
        self._chance = chance
        self._clock = clock
        self._facts: Facts
        self._state = State()

    def look(self, why: Iterable[str]) -> Again | None:
        """Tell what is to be told. Raises ``BusError`` when a part of the runtime is away."""
        facts = self._runtime.facts()
        if facts is None or not self._runtime.is_connected():
            return None
        self._facts = facts
        try:
            return self._tell(set(why))
        except NotTold as error:
            return Again(why=MISSED) if error.may_pass else None

    def _tell(self, why: set[str]) -> Again | None:
        instance, known = self._runtime.instance(), self._runtime.state()
        self._state = known or State()
        launched = self._state.instance != instance
        connected = launched or CONNECTED in why
        if launched:
            self._launch(instance, first=known is None)
        if connected or why & {DEPLOYED, MISSED}:
            self._deployments(were_offline=connected)
        if connected and not launched:
            self._reconnected()
        if ALL in why or (STARTED in why and self._is_due()):
            self._send(CADENCE, self._runtime.entries())
            self._runtime.keep_periodic(self._clock())
        return self._changes() if launched or why & {CHANGED, MISSED} else None

    # -- one kind of update each -------------------------------------------------------------------------------------

    def _launch(self, instance: str, *, first: bool) -> None:
        self._runtime.wait_until_settled(START_SECONDS)
        self._send(LAUNCH, self._runtime.entries(), instance=instance, connection=self._facts.connection)
        if self._facts.last_periodic is None:
            self._runtime.keep_periodic(cadence.first(self._facts.interval, self._clock(), self._chance()))
        if first and (ended := over(self._runtime.deployments())):
            # What was deployed before the device had a cloud is no news.
            self._pass_over(ended[-1])

    def _reconnected(self) -> None:
        entries, connection = self._runtime.entries(), self._facts.connection
        if connection != self._state.connection:
            self._send(RECONFIGURE, entries, connection=connection)
            return
        changed, removed = self._state.changed(entries), self._state.removed(entries)
        recent = 0 <= self._clock() - self._state.reconnected < RECONNECT_GAP
        if changed or removed or not recent:
            self._send(RECONNECT, entries, changed, removed, reconnected=self._clock())

    def _deployments(self, *, were_offline: bool) -> None:
        state = self._state
        for each in untold(over(self._runtime.deployments()), state.deployment_id, state.deployment_finished):
            trigger = trigger_of(each)
            if trigger == LOCAL_TRIGGER and were_offline:
                self._pass_over(each)
                continue
            entries = self._runtime.entries()
            changed, removed = self._state.changed(entries), self._state.removed(entries)
            self._send(trigger, entries, changed, removed, each, **_marked(each))

    def _pass_over(self, deployment: Mapping[str, Any]) -> None:
        self._state = replace(self._state, **_marked(deployment))
        self._runtime.keep(self._state)

    def _is_due(self) -> bool:
        last = self._facts.last_periodic
        return (
            last is not None
            and cadence.is_due(last, self._facts.interval, self._clock())
            and not self._runtime.is_deploying()
        )

    def _changes(self) -> Again | None:
        """A deployment tells of what it has done when it is over; until then only of components in error."""
        entries = self._runtime.entries()
        changed, removed = self._state.changed(entries), self._state.removed(entries)
        deploying, settled = self._runtime.is_deploying(), is_settled(entries)
        failed = any(entry["status"] in (ERRORED, BROKEN) for entry in changed.values())
        if deploying:
            changed = {name: entry for name, entry in changed.items() if entry["status"] == ERRORED}
            removed = []
        if (failed and changed) or ((changed or removed) and settled):
            gap = STATUS_GAP - (self._clock() - self._state.sent)
            if 0 < gap <= STATUS_GAP:
                return Again(gap / 1000)
            self._send(STATUS_CHANGE, entries, changed, removed)
        if deploying:
            # Of what fails when it has been told, and is being cleared up after, it tells no more.
            return Again() if failed else None
        return None if settled else Again()

    # -- sending -----------------------------------------------------------------------------------------------------

    def _send(
        self,
        trigger: str,
        entries: Mapping[str, Entry],
        changed: Mapping[str, Entry] | None = None,
        removed: Iterable[str] = (),
        deployment: Mapping[str, Any] | None = None,
        **noted: Any,
    ) -> None:
        """Tell, then note down what was told, and ``noted`` with it. Raises ``NotTold``."""
        if trigger in WITH_ALL or changed is None:
            changed, removed = entries, self._state.removed(entries)
            listed = list(entries.values())
        else:
            listed = [*changed.values(), *map(removed_entry, removed)]
        names = [entry["componentName"] for entry in listed]
        update = Update(
            trigger,
            self._runtime.next_sequence(),
            self._clock(),
            all(entry["status"] != BROKEN for entry in entries.values()),
            listed,
            None if deployment is None else information(deployment, names),
        )
        self._publish(update)
        self._state = replace(self._state.after(changed, removed, self._clock()), **noted)
        self._runtime.keep(self._state)
        _log.info("told AWS IoT Greengrass: %s, %d components, number %d", trigger, len(listed), update.sequence)

    def _publish(self, update: Update) -> None:
        device = self._facts.device
        payloads, too_large = messages(device, update)
        for name in too_large:
            _log.warning("what there is to tell of %s is too large for a message, and is left out", name)
        try:
            for payload in payloads:
                self._runtime.publish(device.topic, payload)
        except BusError as error:
            if error.code in _UNREACHED:
                _log.info("%s waits for the connection: %s", update.trigger, error.message)
            else:
                text = "%s was not taken: %s; see whether the policy of the certificate allows iot:Publish on %s"
                _log.error(text, update.trigger, error.message, device.topic)
            raise NotTold(may_pass=error.code in _UNREACHED) from None


def _marked(deployment: Mapping[str, Any]) -> dict[str, Any]:
    return {"deployment_id": deployment["deployment_id"], "deployment_finished": deployment["finished"]}
