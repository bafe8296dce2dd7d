"""Whether this runtime may run components as other users, and run privileged steps."""

from __future__ import annotations

import os

HOST_VARIABLE = "GGL_HOST"
"""Set to ``systemd`` in the environment of every core daemon of that host: there the service manager, which is root,
starts the components, whoever the daemons run as."""


def can_change_users() -> bool:
    """Steps may run as any user of the device, root included, and files may be handed to him."""
    return os.geteuid() == 0 or os.environ.get(HOST_VARIABLE) == "systemd"
