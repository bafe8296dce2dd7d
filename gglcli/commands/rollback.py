"""``ggl rollback``: back to what this device ran before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from ggl.bus import BusError, ErrorCode
from gglcli import output
from gglcli.client import call, command
from gglcli.deployment import INTERFACE, ask, outcome
from gglcli.errors import NOT_FOUND, USAGE, CliError
from gglcli.history import origin
from gglcli.output import Cell, State, Table, Time, age
from gglcli.parameters import not_empty, seconds

SHOWN = 3
"""So many components of a generation are named."""


def rollback(
    to: Annotated[
        int | None, typer.Option(metavar="GENERATION", help="Go back, or forward again, to this generation.")
    ] = None,
    component: Annotated[
        str | None,
        typer.Option(
            metavar="COMPONENT", callback=not_empty, help="Only this component; everything else stays as it is."
        ),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", "-l", help="List the generations there are.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait for the outcome.")] = False,
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            callback=seconds,
            help="Time for the components to be up (600 if not given); after it the rollback fails.",
        ),
    ] = None,
) -> None:
    """Bring back an earlier generation: components, versions and configuration as a deployment left them.

    Every deployment that was applied makes a generation. Without --to it is the last one before the current one
    in which everything was up. Nothing is asked: --dry-run shows what would change, and a rollback can be taken back
    with --to. Work directories and logs stay as they are.

    The exit status is 8 when the rollback fails, and 4 when there is no such generation.

    Examples:
      ggl rollback --list
      ggl rollback --dry-run
      ggl rollback
      ggl rollback --to 4
      ggl rollback --component com.example.Hello
    """
    if list_:
        if to is not None or component or dry_run or no_wait or timeout is not None:
            raise CliError("--list goes with no other option", USAGE)
        _list()
        return
    request: dict[str, Any] = {}
    if to is not None:
        request["to"] = to
    if component:
        _require_known(component)
        request["component"] = component
    if timeout is not None:
        request["timeout"] = timeout
    what = f"{component} " if component else ""
    if dry_run:
        from gglcli import difference
        from gglcli.preview import preview

        answer = _ask(preview, {**request, "dry_run": True})
        difference.show(answer, f"the rollback {f'of {what}' if what else ''}to generation {answer['to']}")
        return
    answer = _ask(ask, request)
    output.note(f"{what}back to {_described(answer['to'])}")
    outcome(answer["deployment_id"], wait=not no_wait, word="rollback")


def _require_known(component: str) -> None:
    """Raises ``CliError`` for a component that no generation has and that is not there now."""
    if any(component in generation["components"] for generation in call(INTERFACE, "generations")):
        return
    from gglcli.health import existing

    existing([component])


def _ask(how: Callable[[str, dict[str, Any]], dict[str, Any]], request: dict[str, Any]) -> dict[str, Any]:
    try:
        return how("rollback", request)
    except BusError as error:
        if error.code != ErrorCode.NOENTRY:
            raise
        hint = f"'{command('rollback --list')}' shows what there is"
        raise CliError(error.message, NOT_FOUND, hint=hint, trail=error.trail) from None


def _list() -> None:
    generations = call(INTERFACE, "generations")
    rows: list[list[Cell]] = [
        [
            *(entry["number"], State(_state(entry)), Time(entry["created"]), origin(entry)),
            *(entry.get("name") or entry.get("by"), _change(entry)),
        ]
        for entry in generations
    ]
    columns = ["GENERATION", "STATE", "AGE", "TYPE", "BY", "CHANGE"]
    output.show(generations, Table(columns, rows, empty="no generations: nothing was deployed yet"))


def _state(entry: dict[str, Any]) -> str:
    if entry["current"]:
        return "current" if entry["good"] else "current, failed"
    return "good" if entry["good"] else "failed"


def _change(entry: dict[str, Any]) -> str:
    if not entry["number"]:
        return "nothing was deployed yet"
    versions = entry["components"]
    words = [f"{name} {versions.get(name, '')}".strip() for name in entry["changed"]]
    words += [f"{name} removed" for name in entry["removed"]]
    return ", ".join(words) or "configuration only"


def _described(number: int) -> str:
    """A generation as people know it: its age and what runs in it."""
    entries = [entry for entry in call(INTERFACE, "generations") if entry["number"] == number]
    if not entries:
        return f"generation {number}"
    names = [f"{name} {version}" for name, version in entries[0]["components"].items()]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"generation {number} ({age(entries[0]['created'])} old: {', '.join(names[:SHOWN]) or 'nothing'}{more})"
