"""Which host a runtime is on: the device's service manager, or a supervisor of our own.

Asked by whoever starts, stops or looks at a runtime from outside, whether or not it runs.
"""

from __future__ import annotations

import os
from typing import Literal

from ggl.paths import Root

Host = Literal["systemd", "openrc", "process"]

BOOTED_WITH_SYSTEMD = "/run/systemd/system"
"""The directory is there if, and only if, systemd is PID 1 (sd_booted(3))."""
SYSTEMD_TARGET = "greengrass-lite.target"
"""The unit that stands for the runtime; on every nucleus it has this name."""
SYSTEMD_CORE = "ggl.core.runtime.service"
"""A unit that no other nucleus has."""
BOOTED_WITH_OPENRC = "/run/openrc/softlevel"
"""The file is there once OpenRC has entered a runlevel."""
OPENRC_SCRIPT = "/etc/init.d/greengrass-lite"
"""The service that stands for the runtime."""
UNIT_DIRECTORIES = (
    "/etc/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
"""Where systemd looks for what was installed; the first prevails."""


def host_of(root: Root) -> Host:
    """``systemd`` or ``openrc`` when ``root`` is that of a device whose service manager has the runtime installed."""
    if root.system and is_booted_with_systemd() and is_installed():
        return "systemd"
    if root.system and is_booted_with_openrc() and os.path.exists(OPENRC_SCRIPT):
        return "openrc"
    return "process"


def is_booted_with_systemd() -> bool:
    return os.path.isdir(BOOTED_WITH_SYSTEMD)


def is_booted_with_openrc() -> bool:
    return os.path.exists(BOOTED_WITH_OPENRC) and not is_booted_with_systemd()


def is_installed() -> bool:
    """The runtime's units are where the service manager looks for them."""
    return any(os.path.exists(f"{directory}/{SYSTEMD_CORE}") for directory in UNIT_DIRECTORIES)
