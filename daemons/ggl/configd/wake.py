"""Daemons that want to know of a change, but are not there to hear of it: being told starts them.

Which daemon waits for which key is said in ``ggl.catalog``. One that cannot be told looks at the key when it starts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ggl.bus.errors import BusError
from ggl.bus.remote import Remote
from ggl.catalog import DAEMONS, Daemon
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.bus.loop import Loop
    from ggl.configd.watchers import Watchers
    from ggl.paths import Root

_log = get_logger("configd")


def wake_daemons(loop: Loop, root: Root, watchers: Watchers, daemons: Iterable[Daemon] = DAEMONS) -> None:
    """From now on tell ``daemons`` of the changes they wait for."""
    for daemon in daemons:
        for path in daemon.woken_by:
            _wake(loop, root, watchers, daemon, path)


def _wake(loop: Loop, root: Root, watchers: Watchers, daemon: Daemon, path: tuple[str, ...]) -> None:
    due = False

    def changed(_event: Any) -> None:
        nonlocal due
        if not due:  # once for all changes of a request
            due = True
            loop.call_soon(tell)

    def tell() -> None:
        nonlocal due
        due = False
        # Given up when it is answered: a connection keeps the daemon from leaving.
        remote = Remote(loop, daemon.interfaces[0], root)

        def told(_result: Any) -> None:
            loop.call_soon(remote.close)

        def failed(error: BusError) -> None:
            _log.warning("%s was not told that %s has changed: %s", daemon.name, ".".join(path), error)
            loop.call_soon(remote.close)

        remote.call("configuration_changed", {"key_path": list(path)}, told, failed)

    watchers.add(path, changed)
