"""``ggl component unit``: the units that a component is to the host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ggl.host import client as host
from gglcli import output
from gglcli.client import HOST, connect, root
from gglcli.errors import NOT_FOUND, CliError
from gglcli.health import existing

if TYPE_CHECKING:
    from ggl.host.unit import Unit

_ORDER = ("main", "install")
"""Phases of units in the order in which they are shown, before those that run once."""


def unit(name: Annotated[str, typer.Argument(metavar="COMPONENT", help="Name of a component.")]) -> None:
    """Show the units of a component, in the form of systemd's unit files.

    A component is one unit for startup or run, shutdown and recover, another one for install, and while a deployment
    needs them one for bootstrap or uninstall. On a device with systemd it is the unit files as they are written there;
    elsewhere they are what would be written. Scripts and their environment stand in neither: with --json the whole
    definition is shown, from which every host works.

    Examples:
      ggl component unit com.example.Hello
      ggl component unit com.example.Hello --json | jq '.[0].definition.start'
    """
    existing([name])
    with connect(HOST) as client:
        statuses = [status for status in host.list_units(client).values() if status.component == name]
        statuses.sort(key=lambda status: _ORDER.index(status.phase) if status.phase in _ORDER else len(_ORDER))
        shown = [_shown(*host.definition(client, status.name)) for status in statuses]
    if not shown:
        raise CliError(f"the host has no unit of '{name}'", NOT_FOUND, hint="a deployment of it may be under way")
    texts = [f"# {each['file']}\n{each['text']}" if each["file"] else each["text"] for each in shown]
    output.show(shown, output.Document("\n".join(texts).rstrip("\n")))


def _shown(definition: Unit, file: str, text: str) -> dict[str, Any]:
    if not text:
        from ggl.host.systemd.component_unit import choose, file_name, render
        from ggl.host.systemd.layout import Layout

        file, text = file_name(definition.name), render(choose(definition), Layout(root=root()))
    return {"unit": definition.name, "file": file, "text": text, "definition": definition.to_dict()}
