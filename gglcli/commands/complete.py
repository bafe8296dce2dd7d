"""``ggl complete``: for the shells' completion scripts; not meant for people."""

from __future__ import annotations

from typing import Annotated

import typer


def complete(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="Metavar of the parameter.")] = "",
    prefix: Annotated[str, typer.Argument(metavar="PREFIX", help="What was typed so far.")] = "",
) -> int:
    """Print the values that may stand on the command line, one a line."""
    from gglcli.complete import print_values

    return print_values(kind, prefix)
