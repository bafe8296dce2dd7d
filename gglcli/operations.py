"""Operations of Greengrass IPC as people name them on the command line: briefly, and in any case."""

from __future__ import annotations

from ggl.ipc.model import OPERATIONS, PREFIX, Operation, custom
from gglcli.errors import INVALID, CliError


def short(name: str) -> str:
    """The name without the prefix that nearly all operations share."""
    return name.removeprefix(PREFIX)


def find(name: str) -> Operation:
    """The operation ``name``. One with a prefix of its own may be anybody's; any other that is not in the published
    model is an error with a suggestion."""
    if "#" in name and not name.startswith(PREFIX):
        return custom(name)
    known = {operation.short_name.casefold(): operation for operation in OPERATIONS.values()}
    operation = known.get(short(name).casefold())
    if operation is None:
        from difflib import get_close_matches

        near = get_close_matches(short(name).casefold(), known, n=1)
        hint = f"did you mean '{known[near[0]].short_name}'" if near else "'ggl ipc routes' lists the operations"
        raise CliError(f"there is no operation '{name}'", INVALID, hint=hint)
    return operation
