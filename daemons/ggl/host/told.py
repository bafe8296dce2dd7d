"""Daemons that want to hear of what happens to components, on whatever host.

A daemon says so by a file in the run directory, named after its interface: as long as it is there, the host calls
``component_changed`` on that interface at each error of a component's unit, whether it will be tried again or not, and
whenever somebody has one started, stopped or restarted. So nobody has to be there to watch, and where nobody wants to
know, nobody is started.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ggl.bus.errors import BusError
from ggl.catalog import find
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.bus.loop import Loop
    from ggl.paths import Root

DIRECTORY = "told-of-components"
METHOD = "component_changed"
CONNECT_SECONDS = 2.0

_log = get_logger("host")


def want_to_know(root: Root, daemon: str, *, wanted: bool) -> None:
    """From now on tell ``daemon``, or do not any more."""
    path = root.run / DIRECTORY / find(daemon).interfaces[0]
    try:
        if wanted != path.exists():
            path.parent.mkdir(mode=0o700, exist_ok=True)
            path.touch() if wanted else path.unlink()
    except OSError as error:
        _log.warning("%s will not hear of components: %s: %s", daemon, path, error.strerror)


def who_wants_to_know(root: Root) -> list[str]:
    """The interfaces to call."""
    directory = root.run / DIRECTORY
    try:
        return [path.name for path in directory.iterdir()]
    except OSError:  # none did so far
        return []


def tell(loop: Loop, root: Root, component: str) -> None:
    """Tell them, from a loop, of ``component``."""
    for interface in who_wants_to_know(root):
        _tell(loop, root, interface, component)


def _tell(loop: Loop, root: Root, interface: str, component: str) -> None:
    from ggl.bus.remote import Remote

    # Given up when it is answered: a connection keeps the daemon from leaving.
    remote = Remote(loop, interface, root)

    def told(_result: Any) -> None:
        loop.call_soon(remote.close)

    def failed(error: BusError) -> None:
        _log.warning("%s was not told of %s: %s", interface, component, error)
        loop.call_soon(remote.close)

    remote.call(METHOD, {"component": component}, told, failed)


def tell_at_once(root: Root, component: str) -> None:
    """Tell them, from a process without a loop; nobody waits for what they do."""
    from ggl.bus.client import connect

    for interface in who_wants_to_know(root):
        try:
            with connect(interface, root, CONNECT_SECONDS) as client:
                client.notify(METHOD, {"component": component})
        except BusError as error:
            _log.warning("%s was not told of %s: %s", interface, component, error)
