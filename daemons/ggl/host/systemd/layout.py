"""Where things are on a device with systemd, and who runs them."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from ggl.paths import SYSTEM, Root

USER = GROUP = "ggcore"
"""As whom the core daemons run. Members of the group may use the databus, which makes them as mighty as root."""
COMPONENT_USER, COMPONENT_GROUP = "ggc_user", "ggc_group"
"""As whom components run unless the configuration says otherwise: what every installer of Greengrass makes."""

TARGET = "greengrass-lite.target"
BOOTED_WITH_SYSTEMD = Path("/run/systemd/system")
"""The directory is there if, and only if, systemd is PID 1 (sd_booted(3)); units in it last until the next boot."""
RECORDS = "host"
"""Directory below the run directory for what is known of the components' units; see ``records``."""


@dataclass(frozen=True)
class Layout:
    """One installation. ``command``: the interpreter, with its options, that runs the daemons and the steps."""

    root: Root = SYSTEM
    command: tuple[str, ...] = field(default_factory=lambda: (sys.executable,))
    runtime_units: Path = BOOTED_WITH_SYSTEMD
    """Where the units of components are written."""

    @property
    def records(self) -> Path:
        return self.root.run / RECORDS
