"""Starting and stopping a device's runtime for the command line: the counterpart of ``ggl.host.process.launch``."""

from __future__ import annotations

import time

from ggl.host.systemd.layout import CORE_UNIT, TARGET, Layout
from ggl.host.systemd.systemctl import SystemctlError, SystemctlTimeout, systemctl
from ggl.host.systemd.wakers import waking
from ggl.host.unit import CORE_PREFIX
from ggl.paths import Root

_KILL_SECONDS = 30.0
"""What everything gets to be gone once components are killed; each core daemon has 10 s of it."""


def is_up() -> bool:
    """All of it, and it is not on its way down. Raises ``SystemctlError``."""
    return set(_states(TARGET, CORE_UNIT, *waking(Layout()))) == {"active"}


def is_running() -> bool:
    """Any of it; a runtime that is being stopped still runs. Raises ``SystemctlError``."""
    return not {"inactive", "failed"}.issuperset(_states(TARGET, CORE_UNIT))


def _states(*units: str) -> list[str]:
    return systemctl("show", "--value", "--property=ActiveState", "--", *units).split()


def start_units(timeout: float | None = None) -> None:
    """Start everything, also a socket that somebody stopped on its own. Raises ``SystemctlError``."""
    systemctl("start", TARGET, timeout=timeout)
    systemctl("start", *waking(Layout()), timeout=timeout)


def start(root: Root, timeout: float) -> int:
    """Start the runtime and wait until its host answers; its process id. Raises ``SystemctlError``."""
    from ggl.bus import BusError, connect

    deadline = time.monotonic() + timeout
    start_units(timeout)
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
        _stop_by_force()
    return True


def _stop_by_force() -> None:
    """The core itself is not killed: it stops when the last component is gone, and closes its sockets then."""
    deadline = time.monotonic() + _KILL_SECONDS
    while True:
        if components := _running_components():
            systemctl("kill", "--signal=SIGKILL", "--", *components)
        try:
            systemctl("stop", TARGET, CORE_UNIT, timeout=1.0)
            return
        except SystemctlTimeout:  # a component has a step to take even then, or a daemon is slow
            if time.monotonic() > deadline:
                raise


def _running_components() -> list[str]:
    states = "--state=active,activating,deactivating,reloading"
    listed = systemctl("list-units", "--plain", "--no-legend", states, "ggl.*.service")
    units = [line.split()[0] for line in listed.splitlines()]
    return [unit for unit in units if not unit.startswith(CORE_PREFIX)]
