"""``ggl ipc``: components and what they ask the runtime for."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer

from gglcli import output
from gglcli.client import call, connect
from gglcli.errors import OK, TIMEOUT, CliError
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
  ggl ipc trace --summary --timeout 10   # who asks for what, and how fast
  ggl ipc connections
  ggl ipc routes
"""
)


@subcommand(app, "trace")
def trace(
    component: Annotated[
        str | None,
        typer.Option(
            "--component",
            "-c",
            metavar="COMPONENT",
            callback=not_empty,
            help="Only of this component, or client like greengrass-cli#user-0.",
        ),
    ] = None,
    operation: Annotated[
        str | None,
        typer.Option("--operation", "-o", metavar="OPERATION", callback=not_empty, help="Only of this operation."),
    ] = None,
    errors: Annotated[bool, typer.Option("--errors", "-e", help="Only what was refused or failed.")] = False,
    no_events: Annotated[bool, typer.Option("--no-events", help="Leave out what subscriptions deliver.")] = False,
    count: Annotated[int | None, typer.Option("--count", "-n", metavar="N", min=1, help="End after N lines.")] = None,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", callback=seconds, help="End after this time in any case.")
    ] = None,
    summary: Annotated[
        bool, typer.Option("--summary", "-s", help="Show a table by component and operation in place of the calls.")
    ] = False,
) -> int:
    """Print what components ask the runtime for, as it is answered, until Ctrl-C.

    A line has the time (UTC), the component with its process id, the operation, what it was about if policies decide
    on it, the outcome or the error, the time to the answer, the bytes of the request and of the answer, and the
    interface that served it. A terminal shows what fits: '…' stands for what was left out, and what was wrong is told
    below. Messages delivered to a subscription are events. Nothing is recorded while nobody looks on.

    With --summary the table is shown at the end, and on a terminal while it grows. Times are in milliseconds: half of
    the calls took no longer than P50, 99 of 100 no longer than P99.

    The exit status is 0 after Ctrl-C, and 6 when --timeout ends it with fewer than N lines, or without any. With
    --summary, where the table is the result, it is 6 only when there were fewer than N.

    Examples:
      ggl ipc trace --component com.example.Meter
      ggl ipc trace --errors --count 1 --timeout 10
      ggl ipc trace --operation PublishToTopic --json
      ggl ipc trace --summary --timeout 10
    """
    from gglcli.following import follow
    from gglcli.operations import find

    params: dict[str, Any] = {}
    if component:
        params["component"] = component
        _warn_of_unknown(component)
    if operation:
        params["operation"] = find(operation).name

    def wanted(item: dict[str, Any]) -> bool:
        return bool(item["error"]) if errors else not (no_events and item["kind"] == "event")

    def looking() -> None:
        output.note("looking on; end it with Ctrl-C" if timeout is None else f"looking on for {timeout:g} s")

    items = follow(INTERFACE, [("trace", params)], timeout, looking)
    missing = _sum_up(items, wanted, count) if summary else _print(items, wanted, count)
    if missing:
        raise CliError(f"{missing} in {timeout:g} s", TIMEOUT)
    return OK


def _warn_of_unknown(component: str) -> None:
    """It may be deployed, or connect, while we look on; more likely it is a slip."""
    known = {each["component"] for each in call(INTERFACE, "connections")}
    known.update(call("gg_config", "list", {"key_path": ["services"]}))
    if component in known:
        return
    from difflib import get_close_matches

    near = [name for name in sorted(known) if name.startswith(f"{component}#")]
    near = near or get_close_matches(component, sorted(known), n=1)
    hint = f"; did you mean '{near[0]}'" if near else "; 'ggl ipc connections' lists who is connected"
    output.warn("NOENTRY", f"there is no component '{component}' now{hint}")


def _print(items: Iterator[Any], wanted: Callable[[dict[str, Any]], bool], count: int | None) -> str:
    """Returns what is missing, if the time was over before it came."""
    from gglcli.calls import call_line

    seen = 0
    try:
        for item in items:
            if item is not None and wanted(item):
                output.item(item, call_line(item, output.columns()))
                seen += 1
                if seen == count:
                    return ""
    except KeyboardInterrupt:
        return ""
    return _missing(seen, count or 1)


def _missing(seen: int, count: int) -> str:
    if seen >= count:
        return ""
    return f"{seen} of {count} lines" if count > 1 else "nothing to show"


def _sum_up(items: Iterator[Any], wanted: Callable[[dict[str, Any]], bool], count: int | None) -> str:
    """Returns what is missing, if the time was over before it came."""
    from gglcli.calls import Summary

    summary = Summary()
    seen = 0
    over = False
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
            else:
                over = True
        except KeyboardInterrupt:
            pass
        live.update([summary.table()])
    if not output.on_terminal():
        output.show(summary.to_list(), summary.table())
    return _missing(seen, count or 0) if over else ""


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
    """List the operations and who serves them: the interface on the databus, and its daemon or component.

    An operation that nobody serves is answered with an error. A daemon that does not run starts with the first call.
    The interface of a component is its name, '@' and the number of its connection, counted since ipcd was started.
    When several have registered one operation, each has a line: the latest serves it, and the others are in reserve,
    to take over when it leaves. POLICY OF is the service id whose policies a caller needs; '-' is none.

    Examples:
      ggl ipc routes
      ggl ipc routes --json | jq -r '.[] | select(.interface == "") | .operation'
      ggl ipc routes --json | jq '.[] | select(.providers | length > 1)'
    """
    from ggl.catalog import DAEMONS
    from ggl.ipc.model import OPERATIONS, custom
    from gglcli.operations import short

    owners = {interface: daemon.name for daemon in DAEMONS for interface in daemon.interfaces}
    with connect(INTERFACE) as client:
        served: dict[str, str] = client.call("routes")
        registered: dict[str, list[dict[str, Any]]] = client.call("providers")
    data = []
    rows: list[list[Cell]] = []
    for name in sorted({*served, *OPERATIONS}):
        interface = served.get(name, "")
        service = (OPERATIONS.get(name) or custom(name)).service or ""
        daemon = owners.get(interface, "")
        providers = registered.get(name, [])
        data.append(
            {
                "operation": name,
                "service": service,
                "interface": interface,
                "daemon": daemon,
                "providers": providers,
            }
        )
        if not providers:
            rows.append([short(name), interface, daemon, service])
        for at, each in enumerate(providers):
            who = f"{each['component']}({each['pid']})" if each["component"] else owners.get(each["interface"], "")
            reserve = ", in reserve" if at else ""
            rows.append([short(name), each["interface"], f"{who or '-'}{reserve}", service])
    output.show(data, Table(["OPERATION", "INTERFACE", "SERVED BY", "POLICY OF"], rows))
