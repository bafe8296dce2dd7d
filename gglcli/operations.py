"""Operations of Greengrass IPC as people name them on the command line: briefly, and in any case."""

from __future__ import annotations

from ggl.bus import BusError
from ggl.ipc.model import OPERATIONS, PREFIX, Operation, custom
from gglcli.client import call
from gglcli.errors import INVALID, CliError

REGISTER = Operation("RegisterOperation", service="ggl.ipc.registration", prefix="ggl#")
"""What a component needs a policy for that serves operations; not a call of Greengrass IPC."""


def short(name: str) -> str:
    """The name without the prefix that nearly all operations share."""
    return name.removeprefix(PREFIX)


def find(name: str) -> Operation:
    """The operation ``name``. One with a prefix of its own may be anybody's; any other that is not in the published
    model is an error with a suggestion."""
    if name.casefold() in (REGISTER.name.casefold(), REGISTER.short_name.casefold()):
        return REGISTER
    if "#" in name and not name.startswith(PREFIX):
        return custom(name)
    known = {operation.short_name.casefold(): operation for operation in OPERATIONS.values()}
    operation = known.get(short(name).casefold())
    if operation is None:
        from difflib import get_close_matches

        names = {key: operation.short_name for key, operation in known.items()} | _registered()
        near = get_close_matches(short(name).casefold(), names, n=1)
        hint = f"did you mean '{names[near[0]]}'" if near else "'ggl ipc routes' lists the operations"
        raise CliError(f"there is no operation '{name}'", INVALID, hint=hint)
    return operation


def _registered() -> dict[str, str]:
    """The full names of operations that components serve, by what comes after the prefix; as far as can be told."""
    try:
        names = call("gg_ipc", "routes")
    except BusError:
        return {}
    return {name.rpartition("#")[2].casefold(): name for name in names if not name.startswith(PREFIX)}
