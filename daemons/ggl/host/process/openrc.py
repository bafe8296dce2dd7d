"""Where OpenRC runs the supervisor: its components are shown as services (``ggl.host.openrc``).

Loaded only there.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ggl.host.openrc.scripts import PROGRAMS_VARIABLE
from ggl.host.openrc.services import Services
from ggl.host.process.supervisor import Shown, Supervisor


def follow(supervisor: Supervisor) -> None:
    """Show what ``supervisor`` runs, from now on."""
    services = Services((sys.executable, "-I", "-m", "gglcli"), Path(os.environ[PROGRAMS_VARIABLE]))

    def on_change(unit: Shown) -> None:
        status = unit.status()
        running = supervisor.units.get(status.name)
        if running is None:
            services.removed(status)
        else:
            services.changed(status, running.loaded.description)

    services.begin([(unit.status(), unit.loaded.description) for unit in supervisor.units.values()])
    supervisor.also_tell(on_change)
