"""``ggl ipc``: components and what they ask the runtime for."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer

from gglcli import output
from gglcli.client import call
from gglcli.errors import OK
from gglcli.framework import new_group, subcommand
from gglcli.output import Cell, Live, Table, Time
from gglcli.parameters import not_empty, seconds

INTERFACE = "gg_ipc"
REDRAW_SECONDS = 0.5

app = new_group(
    """Look on while components use the runtime through Greengrass IPC.

Examples:
  ggl ipc trace                          # every call, as it is answered
  ggl ipc trace --errors
  ggl ipc trace --summary --duration 10  # who asks for what, and how fast
  ggl ipc connections
  ggl ipc routes
"""
)


@subcommand(app, "trace")
def trace(
    component: Annotated[
        str | None,
        typer.Option("--component", "-c", metavar="COMPONENT", callback=not_empty, help="Only of this component."),
    ] = None,
    operation: Annotated[
        str | None,
        typer.Option("--operation", "-o", metavar="OPERATION", callback=not_empty, help="Only of this operation."),
    ] = None,
    errors: Annotated[bool, typer.Option("--errors", "-e", help="Only what was refused or failed.")] = False,
    no_events: Annotated[bool, typer.Option("--no-events", help="Leave out what subscriptions deliver.")] = False,
    count: Annotated[int | None, typer.Option("--count", "-n", metavar="N", min=1, help="End after N lines.")] = None,
    duration: Annotated[
        float | None, typer.Option("--duration", "-d", metavar="SECONDS", callback=seconds, help="End after this time.")
    ] = None,
    summary: Annotated[
        bool, typer.Option("--summary", "-s", help="Show a table by component and operation in place of the calls.")
    ] = False,
) -> int:
    """Print what components ask the runtime for, as it is answered, until Ctrl-C.

    A line has the time (UTC), the component with its process id, the operation, what it was about if policies decide
    on it, the outcome or the error, the time to the answer, the bytes of the request and of the answer, and the
    interface that served it. Messages delivered to a subscription are events. Nothing is recorded while nobody looks
    on.

    With --summary the table is shown at the end, and on a terminal while it grows. Times are in milliseconds: half of
    the calls took no longer than P50, 99 of 100 no longer than P99.

    Examples:
      ggl ipc trace --component com.example.Meter
      ggl ipc trace --errors --count 1
      ggl ipc trace --operation PublishToTopic --json
      ggl ipc trace --summary --duration 10
    """
    from gglcli.following import follow
    from gglcli.operations import find

    params: dict[str, Any] = {}
    if component:
        params["component"] = component
    if operation:
        params["operation"] = find(operation).name

    def wanted(item: dict[str, Any]) -> bool:
        return bool(item["error"]) if errors else not (no_events and item["kind"] == "event")

    def looking() -> None:
        output.note("looking on; end it with Ctrl-C" if duration is None else f"looking on for {duration:g} s")

    items = follow(INTERFACE, [("trace", params)], duration, looking)
    if summary:
        _sum_up(items, wanted, count)
    else:
        _print(items, wanted, count)
    return OK


def _print(items: Iterator[Any], wanted: Callable[[dict[str, Any]], bool], count: int | None) -> None:
    from gglcli.calls import call_line
    from gglcli.line import Columns

    columns = Columns()
    seen = 0
    try:
        for item in items:
            if item is not None and wanted(item):
                output.item(item, call_line(item, columns))
                seen += 1
                if seen == count:
                    return
    except KeyboardInterrupt:
        pass


def _sum_up(items: Iterator[Any], wanted: Callable[[dict[str, Any]], bool], count: int | None) -> None:
    from gglcli.calls import Summary

    summary = Summary()
    seen = 0
    drawn = 0.0
    with Live() as live:
        try:
            for item in items:
                if item is not None and wanted(item):
                    summary.add(item)
                    seen += 1
                    if seen == count:
                        break
                if time.monotonic() >= drawn + REDRAW_SECONDS:
                    drawn = time.monotonic()
                    live.update([summary.table()])
        except KeyboardInterrupt:
            pass
        live.update([summary.table()])
    if not output.on_terminal():
        output.show(summary.to_list(), summary.table())


@subcommand(app, "connections")
def connections() -> None:
    """List the connections of components: who, since when, with which open streams.

    A component has one for each of its processes that uses the runtime. QUEUED are bytes that it has not read yet; one
    that reads nothing is disconnected.

    Examples:
      ggl ipc connections
      ggl ipc connections --json | jq '.[] | select(.queued > 0)'
    """
    found = sorted(call(INTERFACE, "connections"), key=lambda each: (each["component"], each["since"]))
    rows: list[list[Cell]] = []
    for each in found:
        name = each["component"] or "(not known yet)"
        rows.append([name, each["pid"], _user(each["uid"]), Time(each["since"]), each["queued"], _streams(each)])
    columns = ["COMPONENT", "PID", "USER", "SINCE", "QUEUED", "STREAMS"]
    output.show(found, Table(columns, rows, "no component is connected"))


def _user(uid: int) -> str:
    from pwd import getpwuid

    try:
        return getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _streams(connection: dict[str, Any]) -> str:
    from gglcli.operations import short

    counts = Counter(map(short, connection["streams"]))
    return ", ".join(name if count == 1 else f"{count} {name}" for name, count in sorted(counts.items()))


@subcommand(app, "routes")
def routes() -> None:
    """List the operations and who serves them: the interface on the databus, and its daemon.

    An operation that nobody serves is answered with an error. A daemon that does not run starts with the first call.

    Examples:
      ggl ipc routes
      ggl ipc routes --json | jq -r '.[] | select(.interface == "") | .operation'
    """
    from ggl.catalog import DAEMONS
    from ggl.ipc.model import OPERATIONS
    from gglcli.operations import short

    owners = {interface: daemon.name for daemon in DAEMONS for interface in daemon.interfaces}
    served: dict[str, str] = call(INTERFACE, "routes")
    data = [
        {
            "operation": name,
            "service": operation.service or "" if (operation := OPERATIONS.get(name)) else "",
            "interface": served.get(name, ""),
            "daemon": owners.get(served.get(name, ""), ""),
        }
        for name in sorted({*served, *OPERATIONS})
    ]
    rows: list[list[Cell]] = [
        [short(each["operation"]), each["interface"], each["daemon"], each["service"]] for each in data
    ]
    output.show(data, Table(["OPERATION", "INTERFACE", "DAEMON", "POLICY OF"], rows))
