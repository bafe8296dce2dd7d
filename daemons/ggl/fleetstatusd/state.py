"""What has been told so far: the record that is kept."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ggl.fleetstatusd.components import Entry
from ggl.values import get_dict, get_int, get_str


@dataclass(frozen=True)
class State:
    """Times are milliseconds since the epoch."""

    instance: str = ""
    """The run of the runtime whose launch was told."""
    connection: int = 0
    """Stands for the settings of the connection over which it was."""
    sent: int = 0
    """When the last update went out."""
    reconnected: int = 0
    """When the last RECONNECT did."""
    deployment_id: str = ""
    """The last deployment that was told of, or is not to be."""
    deployment_finished: int = 0
    reported: Mapping[str, int] = field(default_factory=dict)
    """What was told of each component: a number that stands for its entry."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> State:
        """Raises ``InvalidValue``."""
        reported = get_dict(data, "reported")
        return State(
            get_str(data, "instance"),
            get_int(data, "connection"),
            get_int(data, "sent"),
            get_int(data, "reconnected"),
            get_str(data, "deployment_id"),
            get_int(data, "deployment_finished"),
            {name: get_int(reported, name) for name in reported},
        )

    def changed(self, entries: Mapping[str, Entry]) -> dict[str, Entry]:
        """The entries that differ from what was told."""
        return {name: entry for name, entry in entries.items() if self.reported.get(name) != checksum(entry)}

    def removed(self, entries: Mapping[str, Entry]) -> list[str]:
        """The components that were told of and are no more."""
        return sorted(name for name in self.reported if name not in entries)

    def after(self, told: Mapping[str, Entry], removed: Iterable[str], now: int) -> State:
        """As it is when ``told`` and ``removed`` have been told at ``now``."""
        gone = set(removed)
        reported = {name: known for name, known in self.reported.items() if name not in gone}
        reported.update({name: checksum(entry) for name, entry in told.items()})
        return replace(self, reported=reported, sent=now)


def checksum(value: Any) -> int:
    """A number that stands for ``value``, which must be fit for JSON."""
    return zlib.crc32(json.dumps(value, sort_keys=True).encode())
