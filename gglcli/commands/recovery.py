"""``ggl recovery``: what was done after the host had given up on something."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gglcli import output
from gglcli.client import call
from gglcli.framework import new_group, subcommand
from gglcli.output import State, Table, Time

INTERFACE = "gg_recovery"

app = new_group(
    """Look at recoveries: what was done after a component or a daemon could not be kept running.

    Examples:
      ggl recovery list
    """
)


@app.callback()
def _group() -> None:
    """Typer makes a group of a single command only when there is a callback."""


@subcommand(app, "list")
def list_recoveries(
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=0, help="Of those over, the last N.")] = 20,
) -> None:
    """List the recoveries under way and the last ones that are over, newest last.

    TRIED shows what was done, in order: a response (restart, rollback, ...), the previous generation, hook scripts. The
    outcome limp-home means that nothing helped, or nothing was configured.

    Examples:
      ggl recovery list
      ggl recovery list --json | jq -r '.open[].unit'
    """
    data = call(INTERFACE, "list", {"limit": limit})
    known = [*data["finished"], *data["open"]]
    rows = [[*_row(recovery), " ".join(_rung(rung) for rung in recovery["rungs"])] for recovery in known]
    output.show(data, Table(["SUBJECT", "VERSION", "OUTCOME", "AGE", "TIMES", "TRIED"], rows, empty="no recoveries"))


def _row(recovery: dict[str, Any]) -> list[output.Cell]:
    return [
        *(recovery["component"] or recovery["unit"], recovery["version"]),
        *(State(recovery["outcome"] or "open"), Time(recovery["last"] or recovery["opened"])),
        recovery["repeats"] + 1,
    ]


def _rung(rung: dict[str, Any]) -> str:
    return f"{rung['detail'] or rung['name']}:{rung['outcome'] or 'under-way'}"
