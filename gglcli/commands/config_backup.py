"""``ggl config backup`` and ``ggl config restore``: the whole of ``config.db``, and its tree back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ggl.configdb import BadDatabase, copy_file, read_tree
from gglcli import output
from gglcli.client import call, forbidden, is_forbidden, is_running, root
from gglcli.commands.config_client import (
    INTERFACE,
    keep_root_path,
    note_versions,
    refuse_while_deploying,
    show_changes,
    transact,
)
from gglcli.errors import FAILURE, INVALID, NOT_FOUND, CliError
from gglcli.files import unusable
from gglcli.output import Text

_TIMEOUT = 120.0
"""Seconds for a copy on a slow disk."""


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to make.")],
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Make a complete copy of the configuration database.

    It holds the tree, the history of deployments and the generations, but no files of components. The copy is
    consistent, whether the runtime is up or down, and readable by nobody else. While the runtime is up, it is the
    runtime that writes the file, as its own user.

    Examples:
      ggl config backup /var/backups/greengrass-config.db
      ggl config backup latest.db --force
    """
    target = file.expanduser().absolute()
    if target.is_dir():
        raise CliError(f"{target} is a folder", INVALID)
    if not target.parent.is_dir():
        raise CliError(f"there is no folder {target.parent}", NOT_FOUND)
    if target.exists() and not force:
        raise CliError(f"{target} exists already", INVALID, hint="use --force to replace it")
    if is_running():
        call(INTERFACE, "backup", {"path": str(target), "overwrite": force}, _TIMEOUT)
    elif is_forbidden():
        raise forbidden()
    else:
        _copy(target, force)
    size = target.stat().st_size
    output.show({"file": str(target), "bytes": size}, Text(f"{target}: {size} bytes"))


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that 'config backup' made.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
) -> None:
    """Put the configuration tree of a backup back.

    Every value and timestamp becomes what it was, all of it or nothing; what was set since is removed. The history of
    deployments and the generations stay as they are; so does the root path, since a backup may come from another
    place. The file is checked first.

    Components that run hear of changes they have subscribed to. Their scripts see new values only when they are
    deployed again.

    Examples:
      ggl config restore /var/backups/greengrass-config.db --dry-run
      ggl config restore /var/backups/greengrass-config.db
    """
    try:
        tree = read_tree(file)
    except OSError as error:
        raise unusable(file, error) from None
    except BadDatabase as error:
        raise CliError(str(error), INVALID, hint="use another backup") from None
    refuse_while_deploying("the restoration")
    tree.setdefault("system", {}).setdefault("rootPath", {})
    keep_root_path(tree)
    operations = [{"op": "restore", "key_path": [], "value": tree}]
    changes, kept = transact(operations, {}, dry_run=dry_run)
    show_changes(changes, kept, dry_run=dry_run)
    note_versions(changes, "the backup")
    if changes and not dry_run:
        output.note("scripts keep the values with which they were deployed: deploy their components again")


def _copy(target: Path, force: bool) -> None:
    import sqlite3

    database = root().config_db
    try:
        copy_file(database, target, force)
    except FileNotFoundError as error:
        missing = database if not database.exists() else Path(error.filename or target).parent
        raise CliError(f"there is no {missing}", NOT_FOUND) from None
    except BadDatabase as error:
        raise CliError(str(error), INVALID) from None
    except sqlite3.Error as error:
        hint = "a process of the runtime may still have it open; try again"
        raise CliError(f"cannot copy {database}: {error}", FAILURE, hint=hint) from None
    except OSError as error:
        raise CliError(f"cannot write {target}: {error.strerror}", FAILURE) from None
