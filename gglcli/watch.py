"""``ggl status --watch``: the status again at every change, also over a stop and start of the runtime."""

from __future__ import annotations

import time
from typing import Any

from ggl.bus import BusError, ErrorCode
from gglcli import output
from gglcli.client import HOST, connect
from gglcli.output import Live, Text
from gglcli.session import session
from gglcli.status import HEALTH, blocks, collect, read

REFRESH = 1.0
"""Seconds between two looks; a change of a component's state is shown at once."""


def watch_status() -> int:
    """Until Ctrl-C."""
    with Live() as live:
        shown: Any = None
        for status in _statuses():
            now = _without_ages(status)
            if output.on_terminal():
                live.update(blocks(status))
            elif now != shown:
                if session.json:
                    output.item(status, Text(""))
                else:
                    _lines(status, first=shown is None)
            shown = now
    return 0


def _lines(status: dict[str, Any], first: bool) -> None:
    if not first:
        output.item(None, Text(""))
        output.item(None, Text("---"))
    for block in blocks(status):
        output.item(None, block)


def _without_ages(status: dict[str, Any]) -> dict[str, Any]:
    runtime = {key: value for key, value in status["runtime"].items() if key != "uptime_seconds"}
    return {**status, "runtime": runtime}


def _statuses() -> Any:
    while True:
        try:
            yield from _while_running()
        except BusError as error:
            if error.code not in (ErrorCode.NOCONN, ErrorCode.NOENTRY):
                raise
            yield collect()
            time.sleep(REFRESH)


def _while_running() -> Any:
    with connect(HOST) as host, connect(HEALTH) as health, connect(HEALTH) as watcher:
        changes = watcher.subscribe("subscribe")
        while True:
            yield read(host, health)
            try:
                changes.next(REFRESH)
                while changes.items:
                    changes.next()
            except BusError as error:
                if error.code != ErrorCode.TIMEOUT:
                    raise
            except StopIteration:
                raise BusError(ErrorCode.NOCONN, "the health daemon has ended the stream") from None
