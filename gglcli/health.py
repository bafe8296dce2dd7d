"""The health of components, now and as it changes, for commands that wait for a state."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from ggl.bus import BusError, ErrorCode
from gglcli.client import command, connect
from gglcli.errors import NOT_FOUND, CliError

INTERFACE = "gg_health"
SETTLED = ("RUNNING", "FINISHED", "BROKEN")
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

    def until(self, deadline: float) -> Iterator[dict[str, dict[str, Any]]]:
        """The healths as of now, and after every change, up to ``deadline`` (monotonic seconds)."""
        while True:
            yield self.now
            left = deadline - time.monotonic()
            if left <= 0:
                return
            try:
                health = self._changes.next(left)
            except BusError as error:
                if error.code == ErrorCode.TIMEOUT:
                    return
                raise
            except StopIteration:
                raise BusError(ErrorCode.NOCONN, "the health daemon has ended the stream") from None
            if health["state"] == REMOVED:
                self.now.pop(health["component"], None)
            else:
                self.now[health["component"]] = health


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
