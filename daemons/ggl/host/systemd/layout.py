"""Where things are on a device with systemd, and who runs them."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from ggl.catalog import HOST_INTERFACE, Daemon
from ggl.host.detect import BOOTED_WITH_SYSTEMD, SYSTEMD_CORE, SYSTEMD_TARGET
from ggl.paths import SYSTEM, Root
from ggl.privilege import RUNTIME_GROUP

USER = GROUP = RUNTIME_GROUP
"""As whom the core daemons run."""
COMPONENT_HOME = Path("/var/lib/ggc_user")
"""Not below the state: whoever cleans up there need not think of what a component's user put into his home."""

TARGET = SYSTEMD_TARGET
CORE_UNIT = SYSTEMD_CORE
"""It stands for the core daemons as a whole: their sockets are there when it is started, and stopping it stops them.
Every component's unit is ordered after it: so the last component, whose shutdown script may need the daemons, is down
before they are."""
HOSTD = Daemon("hostd", (HOST_INTERFACE,), idle_exit=10.0, at_start=True, privileged=True)
"""The host's own daemon; see ``ggl.host.systemd``."""
CERTIFICATES = "certs"
"""Directory beside the boot files for the device's certificate and key."""
RECORDS = "host"
"""Directory below the run directory for what is known of the components' units; see ``records``."""


def interpreter() -> tuple[str, ...]:
    """The Python that runs this, on its own: neither the environment nor the present directory adds modules to it."""
    return sys.executable, "-I"


@dataclass(frozen=True)
class Layout:
    """One installation. ``command``: the interpreter, with its options, that runs the daemons and the steps."""

    root: Root = SYSTEM
    command: tuple[str, ...] = field(default_factory=interpreter)
    runtime_units: Path = Path(BOOTED_WITH_SYSTEMD)
    """Where the units of components are written; they last until the next boot."""

    @property
    def records(self) -> Path:
        return self.root.run / RECORDS


def daemon_unit(name: str) -> str:
    """The service of the core daemon ``name``."""
    return f"ggl.core.{name}.service"


def given_up_unit(service: str) -> str:
    """What ``service`` starts when it was given up."""
    return f"ggl.core.given-up@{service}.service"


def socket_unit(name: str) -> str:
    """The unit of the socket ``name``: an interface, or the socket that components connect to."""
    return f"ggl.{name}.socket"


def port_unit(name: str) -> str:
    """The sockets of the core daemon ``name`` that serves a port (``catalog.instance``)."""
    return f"ggl.core.{name}.socket"


def template(daemon: Daemon) -> str:
    """The name of its units, that of templates if there is a process of it for each port."""
    return f"{daemon.name}@" if daemon.loopback else daemon.name


def path_unit(name: str) -> str:
    """What starts the core daemon ``name`` when it left work behind."""
    return f"ggl.core.{name}.path"


def timer_unit(name: str) -> str:
    """What starts the core daemon ``name`` every now and then."""
    return f"ggl.core.{name}.timer"
