"""``ggl config migrate``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gglcli import output
from gglcli.client import root
from gglcli.commands.config_client import change_lines, refuse_while_deploying, transact
from gglcli.errors import INVALID, NOT_FOUND, CliError
from gglcli.keys import format_key
from gglcli.output import Block, Fields, Table, Text
from gglcli.trees import Change, find, merges, plain

if TYPE_CHECKING:
    from gglcli.migrate.mapping import Plan
    from gglcli.migrate.source import Source

_FILES = ("certificateFilePath", "privateKeyPath", "rootCaPath")


def migrate(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Where the other nucleus has its configuration.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
) -> None:
    """Take over the configuration of another nucleus.

    PATH is the root folder of a Java nucleus, its config folder, a config.tlog or an effectiveConfig.yaml, or the
    config.db of a lite nucleus or its folder. It is only read.

    All is taken over or nothing: the identity of the device, the configuration of the nucleus and that of every
    component, with the times of their values. What is newer here stays. Components themselves are listed, to be
    deployed; so is everything that has no meaning here. The runtime must be up.

    Examples:
      ggl config migrate /greengrass/v2 --dry-run
      ggl config migrate /greengrass/v2/config/config.tlog
      ggl config migrate /var/lib/greengrass-lite/config.db
    """
    from gglcli.migrate.mapping import make_plan
    from gglcli.migrate.source import find_source
    from gglcli.migrate.tree import BadSource

    try:
        source = find_source(path)
    except FileNotFoundError:
        raise CliError(f"there is no {path}", NOT_FOUND) from None
    except BadSource as error:
        raise CliError(error.message, INVALID, hint=error.remedy) from None
    plan = make_plan(source.tree, users=root().system or os.geteuid() == 0)
    refuse_while_deploying("the migration")
    changes, kept = transact(merges(plan.tree), plain(plan.tree), dry_run=dry_run)
    notes = [*source.notes, *_missing_files(plan)]
    _show(source, plan, changes, kept, notes, dry_run)


def _show(
    source: Source,
    plan: Plan,
    changes: list[Change],
    kept: list[tuple[str, ...]],
    notes: list[str],
    dry_run: bool,
) -> None:
    data = {
        "source": {"nucleus": source.nucleus, "format": source.format, "file": str(source.path)},
        "notes": notes,
        "changes": changes,
        "kept": [format_key(each) for each in kept],
        "components": [
            {"component": each.name, "version": each.version, "root": each.root, "groups": list(each.groups)}
            for each in plan.components
        ],
        "left_out": [{"key": key, "reason": reason} for key, reason in plan.left_out],
        "dry_run": dry_run,
    }
    blocks: list[Block] = [Fields([("source", f"{source.nucleus}, {source.format}"), ("file", str(source.path))])]
    blocks += [Text(f"note: {note}") for note in notes]
    blocks += [Text(""), Text("would change" if dry_run else "changed", "head")]
    blocks += change_lines(changes) or [Text("nothing: all of it is here already")]
    blocks += [Text(f" {format_key(each)}: stays, it is newer here", "dim") for each in kept]
    if plan.components:
        rows = [
            [each.name, each.version, "yes" if each.root else "", ", ".join(each.groups)] for each in plan.components
        ]
        table = Table(["COMPONENT", "VERSION", "ROOT", "GROUPS"], rows)
        blocks += [Text(""), Text("to be deployed", "head"), table]
    if plan.left_out:
        table = Table(["KEY", "REASON"], [list(row) for row in plan.left_out])
        blocks += [Text(""), Text("left out", "head"), table]
    output.show(data, *blocks)


def _missing_files(plan: Plan) -> list[str]:
    """The files of the device's identity that are not where the configuration says."""
    notes = []
    for key in _FILES:
        try:
            value: Any = plain(find(plan.tree, ["system", key]))
        except KeyError:
            continue
        if isinstance(value, str) and value.startswith("/") and not os.access(value, os.R_OK):
            notes.append(f"{key} names {value}, which cannot be read here: copy it, or set /system/{key}")
    return notes
