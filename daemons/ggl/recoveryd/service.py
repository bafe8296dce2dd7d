"""The bus interface ``gg_recovery``: answers from memory. The package's text describes it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from ggl.bus.request import Method
from ggl.recoveryd.recoveries import Recoveries
from ggl.recoveryd.store import SHOWN
from ggl.values import InvalidValue, get_int

if TYPE_CHECKING:
    from ggl.daemon import Context

INTERFACE = "gg_recovery"


def setup(context: Context) -> None:
    """Take up what is open, and serve; held as long as anything is."""
    loop = context.loop

    def idle_changed(idle: bool) -> None:
        loop.call_soon_threadsafe(context.release if idle else context.hold)

    recoveries = Recoveries(context.root, idle_changed)
    recoveries.load()
    context.serve(INTERFACE, {"list": Method(lambda _request, params: _list(recoveries, params))})
    context.at_exit(recoveries.close)
    context.hold()  # until the first look at what there is to do
    threading.Thread(target=recoveries.work, name="recoveries", daemon=True).start()


def _list(recoveries: Recoveries, params: dict[str, Any]) -> dict[str, Any]:
    limit = get_int(params, "limit", SHOWN)
    if limit < 0:
        raise InvalidValue("'limit' must not be negative")
    finished = recoveries.finished()
    return {
        "open": [recovery.public() for recovery in recoveries.open()],
        "finished": [recovery.public() for recovery in finished[max(0, len(finished) - limit) :]],
    }
