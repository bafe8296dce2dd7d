"""What the commands of ``ggl config`` share: the connection, and changes of the tree as they are shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ggl.bus import BusError, ErrorCode
from ggl.version import NUCLEUS
from gglcli import output
from gglcli.client import call, command, connect
from gglcli.errors import BUSY, NOT_FOUND, CliError
from gglcli.keys import format_key, parse_key
from gglcli.output import Text
from gglcli.trees import Change, Stamped, find, leaves, same, stored_key

if TYPE_CHECKING:
    from ggl.bus import Client

INTERFACE = "gg_config"
_ROOT_PATH = ["system", "rootPath"]
_TIMEOUT = 60.0
"""Seconds for a call that carries a whole tree."""


@contextmanager
def config(path: list[str]) -> Iterator[Client]:
    """A connection; that ``path`` does not exist is told in the form in which keys are written."""
    try:
        with connect(INTERFACE, _TIMEOUT) as client:
            yield client
    except BusError as error:
        if error.code != ErrorCode.NOENTRY:
            raise
        hint = f"'{command(f'config list {format_key(_existing_parent(path))}')}' shows what there is"
        raise CliError(f"there is no key {format_key(path)}", NOT_FOUND, hint=hint, trail=error.trail) from None


def _existing_parent(path: list[str]) -> list[str]:
    with connect(INTERFACE) as client:
        for length in range(len(path) - 1, 0, -1):
            try:
                client.call("list", {"key_path": path[:length]})
            except BusError:
                continue
            return path[:length]
    return []


def spelled(client: Client, path: list[str]) -> list[str]:
    """``path`` with its keys as the store spells them."""
    found: list[str] = []
    for key in path:
        names = client.call("list", {"key_path": found})
        found.append(stored_key(dict.fromkeys(names), key) or key)
    return found


def transact(
    operations: list[dict[str, Any]], wanted: Any, *, dry_run: bool
) -> tuple[list[Change], list[tuple[str, ...]]]:
    """Do ``operations`` in one transaction, or only look what they would do.

    Returns what changes, and the places of ``wanted`` (a plain tree) where a newer value stays.
    """
    with connect(INTERFACE, _TIMEOUT) as client:
        live = client.call("read", {"key_path": []})
        found = client.call("preview", {"operations": operations})
        if not dry_run:
            client.call("transaction", {"operations": operations})
    changed = {tuple(key.casefold() for key in change["key_path"]) for change in found}
    kept = []
    for path, value in leaves(wanted):
        if tuple(key.casefold() for key in path) in changed:
            continue
        try:
            if same(find(live, path), value):
                continue
        except KeyError:
            pass
        if not isinstance(value, dict):  # an empty map asks for nothing but to be there
            kept.append(path)
    changes = [{"key": format_key(change.pop("key_path")), **change} for change in found]
    return changes, kept


def change_lines(changes: Sequence[Change]) -> list[Text]:
    """As ``diff`` writes them: ``-`` what was, ``+`` what is."""
    lines = []
    for change in changes:
        if "from" in change:
            lines.append(Text(f"-{change['key']}: {output.to_json(change['from'])}", "bad"))
        if "to" in change:
            lines.append(Text(f"+{change['key']}: {output.to_json(change['to'])}", "good"))
    return lines


def show_changes(changes: Sequence[Change], kept: Sequence[tuple[str, ...]], *, dry_run: bool, **facts: Any) -> None:
    """The result of a command that changes the tree; ``facts`` are further members for ``--json``."""
    newer = [format_key(path) for path in kept]
    lines = [*change_lines(changes), *(Text(f" {key}: stays, it is newer here", "dim") for key in newer)]
    count = f"{len(changes)} value{'s' * (len(changes) != 1)}"
    if not changes:
        lines.append(Text("nothing would change" if dry_run else "nothing had to be changed"))
    else:
        lines.append(Text(f"{count} would change; nothing has been changed" if dry_run else f"{count} changed", "head"))
    output.show({"changes": changes, "kept": newer, "dry_run": dry_run, **facts}, *lines)


def keep_root_path(tree: Stamped) -> None:
    """Let a tree that names a root path name the one of this runtime."""
    try:
        find(tree, _ROOT_PATH)
    except KeyError:
        return
    with connect(INTERFACE) as client:
        own = client.call("read_with_timestamps", {"key_path": _ROOT_PATH})
    system = find(tree, _ROOT_PATH[:1])
    system[stored_key(system, _ROOT_PATH[1])] = own


def note_versions(changes: Sequence[Change], source: str) -> None:
    """Warn when ``changes`` say of components that another version is deployed than the one that runs."""
    names = []
    for change in changes:
        path = parse_key(change["key"])
        if len(path) == 3 and path[0].lower() == "services" and path[2].lower() == "version" and path[1] != NUCLEUS:
            names.append(f"{path[1]} {change.get('from', 'none')} -> {change.get('to', 'none')}")
    if names:
        output.note(
            f"{source} knows other versions of components, which do not run now: {', '.join(names)}; deploy them again"
        )


def refuse_while_deploying(what: str) -> None:
    """A deployment that is under way works on the same tree. Raises ``CliError``."""
    for deployment in call("gg_deployment", "list"):
        if deployment["status"] in ("QUEUED", "IN_PROGRESS"):
            raise CliError(
                f"{what} must wait for the deployment {deployment['deployment_id']}",
                BUSY,
                hint=f"'{command('deploy list')}' shows when it is over",
            )
