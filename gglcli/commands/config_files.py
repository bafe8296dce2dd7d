"""``ggl config dump`` and ``ggl config load``: the tree as a file that people can read and edit."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from gglcli import output
from gglcli.commands.config_client import config, keep_root_path, note_versions, show_changes, spelled, transact
from gglcli.errors import INVALID, USAGE, CliError
from gglcli.files import unusable
from gglcli.keys import format_key, parse_key
from gglcli.output import Document
from gglcli.trees import find, merges, placed, plain, read_file, stamp

FORMATS = ("yaml", "json")


def dump(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Where to write; without it, or with -, stdout.")] = "-",
    key: Annotated[
        str, typer.Option("--key", "-k", metavar="KEY", help="Only this component, or what is below this key.")
    ] = "/",
    form: Annotated[
        str, typer.Option("--format", metavar="yaml|json", help="How to write it (json for a FILE.json, else yaml).")
    ] = "",
    timestamps: Annotated[
        bool, typer.Option("--timestamps", help='Write each value as {"v": value, "t": milliseconds}.')
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Write the configuration into a file.

    The file holds the tree from the root, also when KEY names a part. 'config load' reads it, 'config diff' compares
    it, and without timestamps it is fit as a boot file. With them, a load elsewhere decides between old and new as
    this device would. Configuration may hold secrets: nobody else can read the file.

    Examples:
      ggl config dump before.yaml
      ggl config dump --key com.example.Hello hello.yaml
      ggl config dump --timestamps --format json | gzip > all.json.gz
    """
    if form and form not in FORMATS:
        raise CliError(f"there is no format '{form}'", USAGE, hint="it is yaml or json")
    if file != "-" and not force and Path(file).is_file():
        raise CliError(f"{file} exists already", INVALID, hint="use --force to replace it")
    path = parse_key(key)
    with config(path) as client:
        path = spelled(client, path)
        value = client.call("read_with_timestamps" if timestamps else "read", {"key_path": path})
    tree = placed(value, path)
    text = _text(tree, form or ("json" if file.endswith(".json") else "yaml"))
    if file == "-":
        output.show(tree, Document(text.rstrip("\n")))
    else:
        _write(Path(file), text)
        output.show({"file": file, "key": format_key(path), "timestamps": timestamps})


def load(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A file as 'config dump' writes it; - reads stdin.")],
    replace: Annotated[
        list[str] | None,
        typer.Option("--replace", metavar="KEY", help="Make this key exactly what FILE says (repeatable)."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
) -> None:
    """Merge a file into the configuration.

    The file is YAML or JSON and holds keys from the root of the tree. All of it is merged or nothing, and what changed
    is shown. Keys that the file does not mention stay. Values count from now, so they replace what is there. A file
    that was dumped with timestamps is merged with those: what is newer here stays.

    The root path of this runtime stays. A dump of the whole tree also says which versions are deployed: to bring
    configuration to another device, dump it component by component.

    What --replace names becomes what the file holds there: what the file lacks is removed, and timestamps do not
    matter.

    Examples:
      ggl config load site.yaml --dry-run
      ggl config load site.yaml
      ggl config load before.yaml --replace com.example.Hello
    """
    tree, stamped = read_file(file)
    source = tree if stamped else stamp(tree, int(time.time() * 1000))
    keep_root_path(source)
    operations = [_restoration(source, key, file) for key in replace or ()] + merges(source)
    changes, kept = transact(operations, plain(source), dry_run=dry_run)
    show_changes(changes, kept, dry_run=dry_run)
    note_versions(changes, "the file")


def _restoration(source: Any, key: str, file: str) -> dict[str, Any]:
    path = parse_key(key)
    try:
        return {"op": "restore", "key_path": path, "value": find(source, path)}
    except KeyError:
        raise CliError(
            f"{file} has nothing at {format_key(path)}", INVALID, hint="to remove a key use 'ggl config unset'"
        ) from None


def _text(tree: Any, form: str) -> str:
    if form == "json":
        return output.to_json(tree, indent=2) + "\n"
    from ggl.typed_yaml import dump as dump_yaml

    return dump_yaml(tree)


def _write(path: Path, text: str) -> None:
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise CliError("some text of the configuration is not Unicode and cannot be written", INVALID) from None
    if path.exists() and not path.is_file():
        raise CliError(f"cannot write {path}: it is a folder or a device", INVALID)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
        os.replace(unfinished, path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise unusable(path, error, "write") from None
