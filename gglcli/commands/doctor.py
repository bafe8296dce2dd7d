"""``ggl doctor``."""

from __future__ import annotations

from typing import Annotated

import typer


def doctor(
    checks: Annotated[
        list[str] | None, typer.Argument(metavar="CHECK...", help="Run these only; '--list' shows their names.")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Use no network.")] = False,
    list_checks: Annotated[bool, typer.Option("--list", help="List the checks and run none.")] = False,
) -> int:
    """Look for what keeps this device from working, and say what to do about it.

    It looks at the machine, the runtime, certificates and keys, and the way to AWS: name, TCP, TLS, MQTT, credentials,
    policies. It changes nothing. What needs the cloud is skipped on a device that is not connected to AWS.

    The exit status is that of the worst finding: 0 when all is fine, 10 when there are warnings, 8 when there are
    failures. Run it as root, or as the runtime's user, to have private files looked at.

    Examples:
      ggl doctor
      ggl doctor mqtt credentials       # these only
      ggl doctor --offline --json | jq '.[] | select(.status == "failure")'
    """
    from gglcli.doctor.command import diagnose, show_checks

    if list_checks:
        return show_checks()
    return diagnose(checks or [], network=not offline)
