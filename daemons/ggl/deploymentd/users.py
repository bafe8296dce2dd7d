"""As whom the scripts of a component run.

The component's own ``runWith``, else the nucleus' ``runWithDefault``, else the runtime's own user unless the runtime
can run it as anybody: nothing becomes root, or as mighty, because somebody forgot to say otherwise.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from ggl.deploymentd.errors import DeploymentError
from ggl.privilege import can_change_users

_REMEDY = (
    "set runWithDefault.posixUser in the configuration of aws.greengrass.NucleusLite (for example to "
    "'ggc_user:ggc_group') in config.yaml or with 'ggl config set'"
)


@dataclass(frozen=True)
class RunAs:
    """``user`` is what a unit says (empty: the runtime's own user); ``owner`` the uid and gid to hand files to."""

    user: str = ""
    owner: tuple[int, int] | None = None


def run_as(component: str, own: str, default: str, euid: int | None = None) -> RunAs:
    """Whom ``component`` runs as. ``own`` and ``default`` are ``user[:group]`` or empty.

    Raises ``DeploymentError`` when it cannot be told, or cannot be done.
    """
    anybody = can_change_users() if euid is None else euid == 0
    wanted = own or default
    if not wanted:
        if anybody:
            raise _failure(component, f"there is no user to run it: {_REMEDY}")
        return RunAs()
    uid, gid = _ids(component, wanted)
    if anybody:
        return RunAs(wanted, (uid, gid))
    if uid != (os.geteuid() if euid is None else euid):
        text = f"it should run as '{wanted}', which only a runtime started by root can do: start it as root, or "
        raise _failure(component, text + _other(own))
    return RunAs()


def privilege_failure(component: str, steps: str) -> DeploymentError:
    """The error for a component with steps that need root on a runtime that is not root."""
    text = f"its {steps} needs RequiresPrivilege, but the runtime runs as user {_own_name()}: start it as root, or "
    return _failure(component, text + "remove RequiresPrivilege from the recipe")


def _other(own: str) -> str:
    return "leave out its posixUser" if own else "remove runWithDefault.posixUser from the configuration"


def _failure(component: str, text: str) -> DeploymentError:
    return DeploymentError(f"{component} cannot run here: {text}", "RUN_WITH_CONFIG_NOT_VALID")


def _ids(component: str, text: str) -> tuple[int, int]:
    """The numbers of ``user[:group]``, each a name or a number."""
    import grp
    import pwd

    user, colon, group = text.partition(":")
    gid: int | None = None
    try:
        entry = pwd.getpwuid(int(user)) if user.isdecimal() else pwd.getpwnam(user)
        uid, gid = entry.pw_uid, entry.pw_gid
    except (KeyError, OverflowError, ValueError):
        if not user.isdecimal():
            raise _failure(component, f"there is no user '{user}' on this device: create it, or {_REMEDY}") from None
        uid = int(user)
    if colon:
        try:
            gid = int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
        except KeyError:
            raise _failure(component, f"there is no group '{group}' on this device: create it, or {_REMEDY}") from None
    if gid is None:
        raise _failure(component, f"the user number {user} is nobody's here and needs a group: write '{user}:GROUP'")
    return uid, gid


def _own_name() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
