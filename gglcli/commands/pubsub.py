"""``ggl pubsub``: the messages between the components of this device."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

import typer

from ggl.bus import BusError
from gglcli import output
from gglcli.client import translate
from gglcli.errors import INVALID, USAGE, CliError
from gglcli.framework import new_group, subcommand
from gglcli.output import Text
from gglcli.parameters import not_empty, seconds
from gglcli.session import session

INTERFACE = "gg_pubsub"
KINDS = ("auto", "json", "bytes")

app = new_group(
    """Publish messages to the components of this device, and see what they publish.

A message is a JSON object, or bytes. It goes to whoever is subscribed at that moment, and is not kept. No policies are
needed: whoever may use the runtime may publish and see everything.

Examples:
  ggl pubsub sub '#'                                   # everything, until Ctrl-C
  ggl pubsub sub 'meter/+/power' --count 1 --raw
  ggl pubsub pub meter/1/set '{"limit": 20}'
"""
)


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
    kind: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="auto|json|bytes",
            help="What to publish: a JSON object as JSON and all else as bytes, or always the one or the other.",
        ),
    ] = "auto",
    lines: Annotated[
        bool, typer.Option("--lines", help="Each line of the input is a message, published as it comes.")
    ] = False,
) -> None:
    """Publish a message, and tell how many subscribers it was handed to.

    A MESSAGE that is a JSON object is published as such, anything else as bytes: a text is its UTF-8. It says which,
    with --json as 'kind'. That nobody was subscribed is no error; 'subscribers' in the output of --json tells.
    Subscribers are components, and other 'ggl'.

    With --lines it waits for a runtime that restarts; the line that was under way may be published twice then.

    Examples:
      ggl pubsub pub meter/1/set '{"limit": 20}'
      ggl pubsub pub chat/hello 'good morning'
      ggl pubsub pub camera/picture --file picture.jpg
      ggl pubsub pub meter/1 - --lines --as json < readings.jsonl
    """
    if kind not in KINDS:
        raise CliError(f"'{kind}' is none of {', '.join(KINDS)}", USAGE)
    if (message is None) == (not file):
        what = "there is nothing to publish" if message is None else "MESSAGE and --file exclude each other"
        raise CliError(what, USAGE, hint="give a MESSAGE, - for standard input, or --file")
    if lines and message not in (None, "-"):
        raise CliError("--lines is for standard input (-) and files", USAGE)
    if any(wildcard in topic for wildcard in "#+*"):
        hint = "a message goes to one topic, whose name holds no '#', '+' or '*'"
        raise CliError(f"nothing can be published on '{topic}'", INVALID, hint=hint)
    from gglcli.messages import kind_of, payload_of, require_text, slip_in
    from gglcli.payloads import payloads
    from gglcli.publishing import Publisher

    require_text(topic)
    kinds: Counter[str] = Counter()
    unheard = 0
    slipped = False
    with Publisher(topic, patient=lines) as publisher:
        for number, data in enumerate(payloads(message, file, lines), 1):
            try:
                payload = payload_of(data, kind, typed=message not in (None, "-"))
                reached = publisher.publish(payload)
            except (CliError, BusError) as error:
                raise (_of_line(error, number) if lines else error) from None
            what = kind_of(payload)
            if what == "bytes" and kind == "auto" and not slipped and (slip := slip_in(data)):
                slipped = True
                where = f" from line {number} on" if lines else ""
                output.warn("PARSE", f"published as bytes{where}, for it begins like JSON but is none: {slip}")
            kinds[what] += 1
            unheard += reached == 0
            done = {"topic": topic, "subscribers": reached, "kind": what}
            if not lines:
                sent = "JSON" if what == "json" else f"{len(data)} byte{'s' * (len(data) != 1)}"
                output.show(done, Text(_reached(topic, sent, reached)))
            elif session.json:
                output.item(done, Text(""))
    if lines and not session.json:
        output.show(None, Text(_sum(topic, kinds, unheard)))


def _reached(topic: str, sent: str, count: int) -> str:
    if not count:
        return f"published {sent} on {topic}: nobody is subscribed to it"
    return f"published {sent} on {topic} to {count} subscriber{'s' * (count != 1)}"


def _sum(topic: str, kinds: Counter[str], unheard: int) -> str:
    total = kinds.total()
    each = f" ({kinds['json']} JSON, {kinds['bytes']} bytes)" if len(kinds) > 1 else ""
    rest = f"; {unheard} of them had no subscriber" if unheard else ""
    return f"published {total} message{'s' * (total != 1)} on {topic}{each}{rest}"


def _of_line(error: CliError | BusError, number: int) -> CliError:
    """Which line it was, and what became of those before it."""
    problem = translate(error) if isinstance(error, BusError) else error
    before = "nothing was published" if number == 1 else f"the {number - 1} before it were published"
    problem.message = f"line {number}: {problem.message} ({before})"
    return problem


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
    raw: Annotated[
        bool, typer.Option("--raw", "-r", help="Print the content alone: JSON, or the bytes, and a line feed.")
    ] = False,
) -> int:
    """Print messages as they are published, until Ctrl-C.

    A line has the time (UTC), the topic, who published it and the content: JSON, text, or base64 of what is neither.
    With --json it is an object with time (milliseconds since the epoch), topic, publisher, and message, or binary
    (base64) and text. A message that several filters cover is printed once. It goes on when the runtime restarts; what
    is published meanwhile is missed.

    Who reads too slowly is disconnected: a warning on stderr tells how many messages were missed, with --json as
    {"warning": {"code", "message"}}. A terminal gets the first 4000 characters of a message.

    The exit status is 0 after Ctrl-C, and 6 when --timeout ends it with fewer than N messages, or without any.

    Examples:
      ggl pubsub sub '#'
      ggl pubsub sub 'meter/+/power' alarms
      ggl pubsub sub meter/1/reply --count 1 --timeout 5 --raw
      ggl pubsub sub '#' --json | jq 'select(.publisher == "com.example.Meter")'
    """
    if raw and session.json:
        raise CliError("--raw and --json exclude each other", USAGE)
    from gglcli.messages import Message, require_filter
    from gglcli.receiving import receive

    remarks = [remark for each in filters if (remark := require_filter(each))]
    requests: list[tuple[str, dict[str, Any]]] = [("subscribe", {"topic": each}) for each in dict.fromkeys(filters)]
    return receive(
        INTERFACE,
        requests,
        Message,
        lambda: _subscribed(filters, remarks),
        raw=raw,
        count=count,
        timeout=timeout,
    )


def _subscribed(filters: list[str], remarks: list[str]) -> None:
    output.note(f"subscribed to {' '.join(filters)}")
    for remark in remarks:
        output.note(remark)
