"""Dry runs: what a deployment or a rollback would change, and whether it could be made at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ggl.bus import BusError, ErrorCode
from gglcli import output
from gglcli.client import call
from gglcli.deployment import INTERFACE, OVER, ask
from gglcli.errors import BROKEN, CliError


def show_preview(request: Mapping[str, Any]) -> None:
    """What a deployment would change, or ``CliError``."""
    from gglcli import difference

    difference.show(preview("preview", request), "the deployment")


def preview(method: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """The difference that ``method`` answers. Raises ``CliError`` with the exit code that the deployment would have."""
    try:
        answer = ask(method, request)
    except BusError as error:
        if error.code != ErrorCode.FAILURE:
            raise
        # Nothing was recorded, so there is nothing to look up.
        raise CliError(error.message, BROKEN, code="DEPLOYMENT_FAILED") from None
    for other in call(INTERFACE, "list"):
        if other["status"] not in OVER:
            shown = output.short(other["deployment_id"])
            output.note(f"deployment {shown} is {other['status']}: what follows compares with things as they are now")
            break
    return answer
