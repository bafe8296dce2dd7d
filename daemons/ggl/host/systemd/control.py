"""Starting and stopping a device's runtime for the command line: the counterpart of ``ggl.host.process.launch``."""

from __future__ import annotations

import time

from ggl.host.systemd.layout import CORE_UNIT, TARGET
from ggl.host.systemd.systemctl import SystemctlError, SystemctlTimeout, shows, systemctl
from ggl.paths import Root

_KILL_SECONDS = 10.0
"""What everything gets to be gone after SIGKILL."""


def is_up() -> bool:
    """All of it, and it is not on its way down. Raises ``SystemctlError``."""
    return all(shows(unit, "ActiveState") == "active" for unit in (TARGET, CORE_UNIT))


def is_running() -> bool:
    """Any of it; a runtime that is being stopped still runs. Raises ``SystemctlError``."""
    return any(shows(unit, "ActiveState") not in ("inactive", "failed") for unit in (TARGET, CORE_UNIT))


def start(root: Root, timeout: float) -> int:
    """Start the runtime and wait until its host answers; its process id. Raises ``SystemctlError``."""
    from ggl.bus import BusError, connect

    deadline = time.monotonic() + timeout
    systemctl("start", TARGET, timeout=timeout)
    try:
        with connect("gg_host", root, max(1.0, deadline - time.monotonic())) as client:
            pid: int = client.call("info")["pid"]
            return pid
    except BusError as error:
        raise SystemctlError(f"the runtime was started, but its host does not answer: {error.message}") from None


def stop(timeout: float) -> bool:
    """Stop the components in order, then the core; kill what is left after ``timeout`` seconds.

    Whether anything ran. Raises ``SystemctlError``.
    """
    if not is_running():
        return False
    try:
        # One after the other: the second waits for what the first began.
        systemctl("stop", TARGET, timeout=timeout)
        systemctl("stop", CORE_UNIT, timeout=timeout)
    except SystemctlTimeout:
        systemctl("kill", "--signal=SIGKILL", "ggl.*.service")
        systemctl("stop", CORE_UNIT, timeout=_KILL_SECONDS)
    return True
