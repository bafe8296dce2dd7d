"""The health of components, now and as it changes, for commands that wait for a state."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from ggl.bus import BusError, ErrorCode
from gglcli.client import command, connect
from gglcli.errors import BROKEN, NOT_FOUND, TIMEOUT, CliError

INTERFACE = "gg_health"
SETTLED = ("RUNNING", "FINISHED", "BROKEN")
SETTLE_SECONDS = 0.3
"""A run script counts as RUNNING from the moment its process exists; one that ends at once was never up."""
REMOVED = "UNINSTALLED"


class Healths:
    """A context manager: the health of every component, by name, kept up to date."""

    def __init__(self) -> None:
        self._client = connect(INTERFACE)
        self._changes = self._client.subscribe("subscribe")
        self.now: dict[str, dict[str, Any]] = {health["component"]: health for health in self._changes.result}

    def __enter__(self) -> Healths:
        return self

    def __exit__(self, *_error: object) -> None:
        self._client.close()

    def settle(self, names: Iterable[str], deadline: float) -> bool:
        """Wait until every component of ``names`` is up or BROKEN, and stays so for a moment.

        Returns whether that was before ``deadline`` (monotonic seconds).
        """
        watched = set(names)
        quiet_since = time.monotonic()
        while True:
            states = {health["state"] for name, health in self.now.items() if name in watched}
            settled = states <= set(SETTLED)
            now = time.monotonic()
            if settled and (now >= quiet_since + SETTLE_SECONDS or "RUNNING" not in states):
                return True
            if now >= deadline:
                return False
            changed = self._wait(min(deadline, quiet_since + SETTLE_SECONDS if settled else deadline) - now)
            if changed in watched:
                quiet_since = time.monotonic()

    def _wait(self, seconds: float) -> str:
        """Take in the next change, if it comes in time; returns whose it is."""
        try:
            health = self._changes.next(max(0.001, seconds))
        except BusError as error:
            if error.code == ErrorCode.TIMEOUT:
                return ""
            raise
        except StopIteration:
            raise BusError(ErrorCode.NOCONN, "the health daemon has ended the stream") from None
        name = str(health["component"])
        if health["state"] == REMOVED:
            self.now.pop(name, None)
        else:
            self.now[name] = health
        return name


def require_up(healths: Healths, names: Iterable[str], in_time: bool) -> None:
    """Raises ``CliError`` for components that are BROKEN, or not up although they should be by now."""
    found = {name: healths.now[name]["state"] for name in sorted(names) if name in healths.now}
    broken = [name for name, state in found.items() if state == "BROKEN"]
    if broken:
        verb = "is" if len(broken) == 1 else "are"
        raise CliError(f"{', '.join(broken)} {verb} BROKEN", BROKEN, hint=f"see '{command(f'logs {broken[0]}')}'")
    if not in_time:
        late = [name for name, state in found.items() if state not in SETTLED] or list(found)
        raise CliError(f"not up in time: {', '.join(late)}", TIMEOUT, hint=f"see '{command('status')}'")


def existing(names: list[str]) -> dict[str, dict[str, Any]]:
    """The healths of the components ``names``; a name that is unknown is an error with a suggestion."""
    with connect(INTERFACE) as client:
        known = {health["component"]: health for health in client.call("list")}
    for name in names:
        if name not in known:
            from difflib import get_close_matches

            near = get_close_matches(name, known, n=1)
            hint = f"did you mean '{near[0]}'" if near else f"'{command('component list')}' shows what there is"
            raise CliError(f"there is no component '{name}'", NOT_FOUND, hint=hint)
    return {name: known[name] for name in names}
