"""``ggl config``: the configuration tree."""

from __future__ import annotations

import json
import sys
import time
from typing import Annotated, Any

import typer

from ggl.bus import BusError, ErrorCode
from gglcli import output
from gglcli.client import command, connect
from gglcli.commands import config_backup, config_client, config_diff, config_files, config_migrate
from gglcli.commands.config_client import INTERFACE
from gglcli.errors import FAILURE, INVALID, TIMEOUT, CliError
from gglcli.framework import new_group, subcommand
from gglcli.keys import format_key, parse_key
from gglcli.output import Document, Text
from gglcli.parameters import seconds

app = new_group(
    """Read, change and watch the configuration.

A KEY is COMPONENT, or COMPONENT/key/sub for a place in the configuration of a component, or a path from the root of the
whole tree that begins with a slash, like /services/com.example.Hello/version. Write ~1 for a slash inside a key.

Examples:
  ggl config get com.example.Hello            # the configuration of a component
  ggl config set com.example.Hello/rate 10
  ggl config get /system/thingName
  ggl config diff                             # what was set since the last deployment
"""
)

Key = Annotated[str, typer.Argument(metavar="KEY", help="COMPONENT, COMPONENT/key/sub or /path/from/the/root.")]


@subcommand(app, "get")
def get(
    key: Annotated[
        str, typer.Argument(metavar="KEY", help="COMPONENT, COMPONENT/key/sub or /path/from/the/root.")
    ] = "/",
    timestamps: Annotated[
        bool, typer.Option("--timestamps", help="Show the time of each value (milliseconds since the epoch).")
    ] = False,
) -> None:
    """Show a value, or everything below a key.

    A text, number or truth value is printed as it is. A map is shown as YAML on a terminal and as JSON in a pipe.

    Examples:
      ggl config get com.example.Hello
      ggl config get com.example.Hello/server/port
      ggl config get / --json                        # the whole tree
    """
    path = parse_key(key)
    with config_client.config(path) as config:
        value = config.call("read_with_timestamps" if timestamps else "read", {"key_path": path})
    output.show(value, Document(value))


@subcommand(app, "list")
def list_keys(
    key: Annotated[
        str, typer.Argument(metavar="KEY", help="COMPONENT, COMPONENT/key/sub or /path/from/the/root.")
    ] = "/",
) -> None:
    """List the names directly below a key.

    Examples:
      ggl config list                     # the top of the tree
      ggl config list /services           # everything that has configuration
      ggl config list com.example.Hello
    """
    path = parse_key(key)
    with config_client.config(path) as config:
        names = config.call("list", {"key_path": path})
    output.show(names, *(Text(name) for name in names))


@subcommand(app, "set")
def set_value(
    key: Key,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="JSON, or else a text; - reads it from stdin.")],
    string: Annotated[bool, typer.Option("--string", help="Take VALUE as a text even if it is valid JSON.")] = False,
    timestamp: Annotated[
        int | None,
        typer.Option(
            metavar="MS", help="Time of the value in milliseconds since the epoch (now). An older value never wins."
        ),
    ] = None,
) -> None:
    """Write a value. A map is merged into what is there.

    Examples:
      ggl config set com.example.Hello/rate 10
      ggl config set com.example.Hello/name --string 10      # the text "10"
      ggl config set com.example.Hello '{"server": {"port": 8080}}'
      ggl config set com.example.Hello - < values.json
    """
    path = parse_key(key)
    data = parse_value(_from_stdin() if value == "-" else value, string)
    if not path and not isinstance(data, dict):
        raise CliError("only a map can be written at the root of the tree", INVALID)
    if _is_whole_configuration(path) and not isinstance(data, dict):
        # It would take the place of everything that is configured.
        hint = f"name a key of it, as in '{command(f'config set {key}/rate 10')}'"
        raise CliError(f"the configuration of {path[1]} must be a map", INVALID, hint=hint)
    params: dict[str, Any] = {"key_path": path, "value": data}
    if timestamp is not None:
        params["timestamp"] = timestamp
    with connect(INTERFACE) as config:
        config.call("write", params)
        now = _read(config, path)
    if timestamp is not None and not isinstance(data, dict) and now != data:
        raise CliError(
            f"{format_key(path)} keeps its value, which is newer than {timestamp}",
            FAILURE,
            hint=f"'{command(f'config get {key} --timestamps')}' shows its time",
        )
    output.show({"key": format_key(path), "value": now})


@subcommand(app, "unset")
def unset(key: Key) -> None:
    """Remove a key and everything below it.

    Examples:
      ggl config unset com.example.Hello/rate
    """
    path = parse_key(key)
    if not path:
        raise CliError("the root of the tree cannot be removed", INVALID)
    with config_client.config(path) as config:
        config.call("read", {"key_path": path})  # a key that is not there is a mistake worth telling
        config.call("delete", {"key_path": path})
    output.show({"key": format_key(path)})


@subcommand(app, "watch")
def watch(
    key: Key,
    count: Annotated[
        int, typer.Option("--count", "-n", metavar="N", show_default=False, help="End after N changes.")
    ] = 0,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", callback=seconds, help="End after this time without a change.")
    ] = None,
) -> None:
    """Print every change at or below a key, with the new value, until Ctrl-C.

    Examples:
      ggl config watch com.example.Hello
      ggl config watch com.example.Hello/rate --count 1      # wait for the next change
    """
    path = parse_key(key)
    with config_client.config(path) as changes, connect(INTERFACE) as config:
        subscription = changes.subscribe("subscribe", {"key_path": path})
        seen = 0
        while not count or seen < count:
            try:
                changed = subscription.next(timeout)
            except StopIteration:
                return
            except BusError as error:
                if error.code == ErrorCode.TIMEOUT:
                    raise CliError(f"no change of {format_key(path)} in {timeout:g} s", TIMEOUT) from None
                raise
            seen += 1
            _show_change(changed, *_value(config, changed))


subcommand(app, "diff")(config_diff.diff)
subcommand(app, "dump")(config_files.dump)
subcommand(app, "load")(config_files.load)
subcommand(app, "backup")(config_backup.backup)
subcommand(app, "restore")(config_backup.restore)
subcommand(app, "migrate")(config_migrate.migrate)


def _from_stdin() -> str:
    if sys.stdin.isatty():
        output.note("reading VALUE from the terminal; end it with Ctrl-D")
    text = sys.stdin.read().rstrip("\n")
    if not text:
        raise CliError("stdin is empty", INVALID, hint="give the empty text as ''")
    return text


def _is_whole_configuration(path: list[str]) -> bool:
    return len(path) == 3 and path[0].lower() == "services" and path[2].lower() == "configuration"


def _show_change(path: list[str], found: bool, value: Any) -> None:
    now = int(time.time() * 1000)
    data = {"time": output.iso_time(now), "key": format_key(path), "deleted": not found, "value": value}
    text = f"= {output.to_json(value)}" if found else "removed"
    output.item(data, Text(f"{data['time']} {data['key']} {text}"))


def _value(config: Any, path: list[str]) -> tuple[bool, Any]:
    try:
        return True, config.call("read", {"key_path": path})
    except BusError as error:
        if error.code != ErrorCode.NOENTRY:
            raise
        return False, None


def _read(config: Any, path: list[str]) -> Any:
    return _value(config, path)[1]


def parse_value(text: str, string: bool = False) -> Any:
    """JSON when it is valid JSON, else the text itself; ``string`` forces the latter."""
    if string:
        return text
    try:
        return json.loads(text)
    except ValueError:
        if text[:1] in ("{", "["):
            # Certainly meant as JSON: a typo must not become a text silently.
            raise CliError(f"VALUE is not valid JSON: {_why(text)}", INVALID, hint="use --string for a text") from None
        return text


def _why(text: str) -> str:
    try:
        json.loads(text)
    except ValueError as error:
        return str(error)
    return ""
