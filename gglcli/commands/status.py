"""``ggl status``."""

from __future__ import annotations

from typing import Annotated

import typer


def status(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Keep showing it, until Ctrl-C.")] = False,
) -> int:
    """Show how the runtime, its daemons and its components are.

    The exit status is 0 when all is well, 8 when a component is BROKEN or a daemon has failed, 3 when the runtime is
    not running.

    On a device that is connected to AWS it shows the connection and the device's certificate as well, and always the
    deployment that changed last. Being offline is no fault.

    A daemon that is idle starts with the next request for it. With --watch a pipe gets the whole status again at every
    change, and with --json one document a line.

    Examples:
      ggl status
      ggl status --watch
      ggl status --json | jq -r '.components[] | select(.state == "BROKEN")'
    """
    if watch:
        from gglcli.watch import watch_status

        return watch_status()
    from gglcli.status import show_status

    return show_status()
