"""Whether this runtime may run components as other users, and run privileged steps."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ggl.paths import Root

HOST_VARIABLE = "GGL_HOST"
"""Set in the environment of every core daemon of a device (``ggl install``). ``systemd``: there the service manager,
which is root, starts the components, whoever the daemons run as. ``openrc``: there root runs everything."""


def can_change_users() -> bool:
    """Steps may run as any user of the device, root included, and files may be handed to him."""
    return os.geteuid() == 0 or is_run_by_systemd()


def is_run_by_systemd() -> bool:
    """This process is a core daemon of a device whose service manager runs the components."""
    return os.environ.get(HOST_VARIABLE) == "systemd"


def is_of_device() -> bool:
    """This process belongs to the runtime that was installed on this device, by whatever service manager it is run."""
    return HOST_VARIABLE in os.environ


COMPONENT_USER, COMPONENT_GROUP = "ggc_user", "ggc_group"
"""As whom components run there unless the configuration says otherwise: what every installer of Greengrass makes."""
RUNTIME_GROUP = "ggcore"
"""Members may use the databus of a runtime that the device's service manager runs, which makes them as mighty as root.
The user of this name, under whom its daemons run, is one of them."""


def bus_group(root: Root) -> int | None:
    """The id of the group whose members may use the bus of ``root`` beside its own user and root; ``None``: nobody."""
    if not root.system or not is_run_by_systemd():
        return None
    import grp

    try:
        return grp.getgrnam(RUNTIME_GROUP).gr_gid
    except KeyError:
        return None
