"""``ggl mqtt``: messages to and from AWS IoT Core, over the one connection that the device has."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gglcli import output
from gglcli.errors import USAGE, CliError
from gglcli.framework import new_group, subcommand
from gglcli.output import Cell, Fields, Text, Time
from gglcli.parameters import not_empty, seconds
from gglcli.session import session

INTERFACE = "aws_iot_mqtt"

app = new_group(
    """Publish and subscribe to AWS IoT Core over the device's connection.

The runtime has one connection, which everybody on the device shares; these commands use it as components do, but no
access control of components applies: what AWS IoT Core's policies allow to the device is allowed.

Examples:
  ggl mqtt status
  ggl mqtt sub 'meter/+/power'                         # until Ctrl-C
  ggl mqtt pub meter/1/power '{"watt": 20}'
"""
)

_Qos = Annotated[int, typer.Option("--qos", metavar="0|1", min=0, max=1, help="At most once, or at least once.")]


@subcommand(app, "pub")
def pub(
    topic: Annotated[
        str, typer.Argument(metavar="TOPIC", callback=not_empty, help="Topic without wildcards, like meter/1/set.")
    ],
    message: Annotated[
        str | None, typer.Argument(metavar="MESSAGE", help="The message; - reads it from standard input.")
    ] = None,
    file: Annotated[
        str, typer.Option("--file", "-f", metavar="FILE", help="Publish what this file holds, byte for byte.")
    ] = "",
    qos: _Qos = 1,
    retain: Annotated[bool, typer.Option("--retain", help="The broker keeps it for who subscribes later.")] = False,
    lines: Annotated[
        bool, typer.Option("--lines", help="Each line of the input is a message, published as it comes.")
    ] = False,
    user_properties: Annotated[
        list[str] | None,
        typer.Option("--property", "-p", metavar="NAME=VALUE", help="A user property of MQTT 5; may be repeated."),
    ] = None,
    content_type: Annotated[str, typer.Option(metavar="TYPE", help="What the message is, for its receivers.")] = "",
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", callback=seconds, help="How long the broker may take for its answer.")
    ] = 30.0,
) -> None:
    """Publish a message, and wait until the broker has it.

    While there is no connection, a message of QoS 1 is queued, and sent when there is one; with --json 'acknowledged'
    is false then. A message of QoS 0 is not acknowledged by the broker; without a connection it is refused. At most
    100 messages a second are sent (mqtt.publishesPerSecond), which is what AWS IoT Core takes of a device.

    Examples:
      ggl mqtt pub meter/1/power '{"watt": 20}'
      ggl mqtt pub camera/picture --file picture.jpg --content-type image/jpeg
      ggl mqtt pub meter/1 - --lines < readings.txt
    """
    if (message is None) == (not file):
        what = "there is nothing to publish" if message is None else "MESSAGE and --file exclude each other"
        raise CliError(what, USAGE, hint="give a MESSAGE, - for standard input, or --file")
    if lines and message not in (None, "-"):
        raise CliError("--lines is for standard input (-) and files", USAGE)
    from gglcli.client import connect
    from gglcli.messages import require_text
    from gglcli.payloads import payloads

    require_text(topic)
    params = {"topic": topic, "qos": qos, "retain": retain, "user_properties": _pairs(user_properties or [])}
    if content_type:
        params["content_type"] = content_type
    count = 0
    with connect(INTERFACE) as client:
        for data in payloads(message, file, lines):
            waits = qos > 0 and bool(client.call("status")["connected"])
            client.call("publish", {**params, "payload": data, "wait": waits}, timeout)
            count += 1
            if not lines or session.json:
                done = {"topic": topic, "bytes": len(data), "qos": qos, "acknowledged": waits}
                what = f"{len(data)} byte{'s' * (len(data) != 1)} on {topic}"
                sent = waits or not qos
                text = Text(f"published {what}" if sent else f"queued {what}: there is no connection now")
                show = output.item if lines else output.show
                show(done, text)
    if lines and not session.json:
        output.show(None, Text(f"published {count} message{'s' * (count != 1)} on {topic}"))


def _pairs(properties: list[str]) -> list[list[str]]:
    pairs = []
    for each in properties:
        name, separator, value = each.partition("=")
        if not separator or not name:
            raise CliError(f"'{each}' is no user property", USAGE, hint="write NAME=VALUE")
        pairs.append([name, value])
    return pairs


@subcommand(app, "sub")
def sub(
    filters: Annotated[
        list[str],
        typer.Argument(
            metavar="FILTER...", callback=not_empty, help="Topics; + stands for one level, # at the end for the rest."
        ),
    ],
    count: Annotated[
        int | None, typer.Option("--count", "-n", metavar="N", min=1, help="End after N messages.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", callback=seconds, help="End after this time in any case.")
    ] = None,
    qos: _Qos = 1,
    raw: Annotated[
        bool, typer.Option("--raw", "-r", help="Print the content alone: the bytes, and a line feed.")
    ] = False,
) -> int:
    """Print messages that come from AWS IoT Core, until Ctrl-C.

    A line has the time (UTC), the topic and the content: text, or base64 of what is none. With --json it is an object
    with time (milliseconds since the epoch), topic, qos, retain, binary (base64), text, and the properties of MQTT 5
    that the message has. It goes on when the connection is lost, and when the runtime restarts.

    The exit status is 0 after Ctrl-C, and 6 when --timeout ends it with fewer than N messages, or without any.

    Examples:
      ggl mqtt sub 'meter/#'
      ggl mqtt sub meter/1/reply --count 1 --timeout 5 --raw
      ggl mqtt sub '#' --json | jq -r .text
    """
    if raw and session.json:
        raise CliError("--raw and --json exclude each other", USAGE)
    from gglcli.cloud_messages import CloudMessage
    from gglcli.messages import require_text
    from gglcli.receiving import receive

    for each in filters:
        require_text(each)
    request = ("subscribe", {"topic_filter": list(dict.fromkeys(filters)), "qos": qos})

    def subscribed() -> None:
        output.note(f"subscribed to {' '.join(filters)}")

    return receive(INTERFACE, [request], CloudMessage, subscribed, raw=raw, count=count, timeout=timeout)


@subcommand(app, "status")
def status() -> None:
    """Show the connection to AWS IoT Core: since when, as whom, what waits to be sent.

    A device that is not configured for AWS IoT Core is told what is missing; that is no error.

    Examples:
      ggl mqtt status
      ggl mqtt status --json | jq .connected
    """
    from gglcli.client import connect

    with connect(INTERFACE) as client:
        found = client.call("status")
    output.show(found, _described(found))


def _described(found: dict[str, Any]) -> Text | Fields:
    from gglcli.cloud import connection, expiry

    if not found["configured"]:
        return Text(f"not connected: {found['last_error']}")
    spool = found["spool"]
    waiting = f"{spool['messages']} message{'s' * (spool['messages'] != 1)}"
    rows: list[tuple[str, Cell]] = [
        ("connection", connection(found)),
        ("endpoint", f"{found['endpoint']}:{found['port']}"),
        ("thing", found["thing"]),
        ("client", ", ".join(found["client_ids"])),
        ("mqtt", found["version"]),
        ("certificate", expiry(found["certificate_expires"]) if found["certificate_expires"] else ""),
        ("subscriptions", found["subscriptions"]),
        ("waiting", f"{waiting}, {spool['bytes']} of {spool['limit']} bytes ({spool['storage'].lower()})"),
    ]
    if not found["connected"] and found["since"]:
        rows.insert(1, ("since", Time(found["since"])))
    return Fields([(name, value) for name, value in rows if value != ""])
