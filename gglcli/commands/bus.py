"""``ggl bus``: the databus, for engineers."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ggl.bus import BusError, ErrorCode
from ggl.catalog import DAEMONS, HOST_INTERFACE
from ggl.logs.source import log_source
from gglcli import output
from gglcli.client import HOST, connect, not_running, root
from gglcli.errors import INVALID, TIMEOUT, CliError
from gglcli.files import unusable
from gglcli.framework import new_group, subcommand
from gglcli.output import Document, State, Table, Text
from gglcli.parameters import seconds
from gglcli.status import CORE_PREFIX, daemon_state

app = new_group(
    """Talk to the daemons over the databus (for engineers).

An interface is a socket on the bus; the daemon behind it starts with the first connection.

Examples:
  ggl bus list
  ggl bus call gg_config read '{"key_path": ["system"]}'
  ggl bus monitor gg_config                      # every request it serves
"""
)

Interface = Annotated[str, typer.Argument(metavar="INTERFACE", help="A name of 'ggl bus list'.")]
MethodName = Annotated[str, typer.Argument(metavar="METHOD", help="A name of 'ggl bus list INTERFACE'.")]
Params = Annotated[
    str, typer.Argument(metavar="JSON", help="Parameters, a JSON object; @FILE reads a file and - stdin.")
]


@subcommand(app, "list")
def list_interfaces(
    interface: Annotated[str, typer.Argument(metavar="INTERFACE", help="List the methods of this one.")] = "",
) -> None:
    """List the interfaces and the daemons behind them, or the methods of one interface.

    Examples:
      ggl bus list
      ggl bus list gg_health
    """
    if interface:
        with connect(interface) as client:
            methods = client.call("bus.methods")
        output.show(methods, *(Text(method) for method in methods))
        return
    with connect(HOST) as host:
        units = {unit["name"]: unit for unit in host.call("list")}
    owners = {name: daemon.name for daemon in DAEMONS for name in daemon.interfaces}
    host_daemon = owners[HOST_INTERFACE] = log_source(root()).host_daemon
    try:
        names = sorted(entry.name for entry in root().bus_dir.iterdir() if entry.is_socket())
    except OSError:
        raise not_running() from None
    rows = []
    for name in names:
        daemon = owners.get(name, "")
        unit = units.get(CORE_PREFIX + daemon, {})
        state = "running" if daemon == host_daemon else daemon_state(unit) if unit else ""
        rows.append({"interface": name, "daemon": daemon, "state": state, "socket": str(root().bus_socket(name))})
    table = [[row["interface"], row["daemon"], State(row["state"]), row["socket"]] for row in rows]
    output.show(rows, Table(["INTERFACE", "DAEMON", "STATE", "SOCKET"], table))


@subcommand(app, "call")
def call(
    interface: Interface,
    method: MethodName,
    params: Params = "{}",
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", callback=seconds, help="How long to wait for the answer.")
    ] = 30,
) -> None:
    """Call a method and print its result.

    Examples:
      ggl bus call gg_host list
      ggl bus call gg_config read '{"key_path": ["system", "thingName"]}'
      ggl bus call gg_config write @request.json --timeout 5
    """
    with connect(interface, timeout) as client:
        result = client.call(method, _parse_params(params))
    output.show(result, Document(output.to_json(result, indent=2)))


@subcommand(app, "notify")
def notify(interface: Interface, method: MethodName, params: Params = "{}") -> None:
    """Send a notification: a call that is not answered, not even with an error.

    Examples:
      ggl bus notify gg_pubsub publish @message.json
    """
    with connect(interface) as client:
        client.notify(method, _parse_params(params))
    output.show({"interface": interface, "method": method})


@subcommand(app, "monitor")
def monitor(
    interface: Interface,
    method: Annotated[
        str, typer.Argument(metavar="METHOD", help="A method that streams; without it, every request is shown.")
    ] = "bus.monitor",
    params: Params = "{}",
    count: Annotated[
        int, typer.Option("--count", "-n", metavar="N", show_default=False, help="End after N items.")
    ] = 0,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", callback=seconds, help="End after this time without an item.")
    ] = None,
) -> None:
    """Print what a streaming method yields, one JSON document a line, until Ctrl-C.

    The result of the call itself comes first. Without METHOD it shows the requests that the interface serves.

    Examples:
      ggl bus monitor gg_health subscribe
      ggl bus monitor gg_config subscribe '{"key_path": ["services"]}' --count 5
      ggl bus monitor gg_deployment
    """
    with connect(interface) as client:
        subscription = client.subscribe(method, _parse_params(params))
        if subscription.result is not None:
            _print_item(subscription.result)
        seen = 0
        while not count or seen < count:
            try:
                item = subscription.next(timeout)
            except StopIteration:
                return
            except BusError as error:
                if error.code == ErrorCode.TIMEOUT:
                    raise CliError(f"no item from {interface} in {timeout:g} s", TIMEOUT) from None
                raise
            seen += 1
            _print_item(item)


def _print_item(item: Any) -> None:
    output.item(item, Text(output.to_json(item)))


def _parse_params(text: str) -> dict[str, Any]:
    if text == "-":
        text = sys.stdin.read()
    elif text.startswith("@"):
        try:
            text = Path(text[1:]).read_text()
        except OSError as error:
            raise unusable(text[1:], error) from None
    try:
        params = json.loads(text)
    except ValueError as error:
        raise CliError(
            f"the parameters are not valid JSON: {error}", INVALID, hint="quote them for the shell"
        ) from None
    if not isinstance(params, dict):
        raise CliError("the parameters must be a JSON object", INVALID, hint="for example '{\"key_path\": []}'")
    return params
