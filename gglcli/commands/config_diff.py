"""``ggl config diff``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ggl.version import NUCLEUS, NUCLEUS_ALIAS
from gglcli import output
from gglcli.client import call, command, connect
from gglcli.commands.config_client import INTERFACE, change_lines
from gglcli.errors import DIFFERENT, NOT_FOUND, OK, USAGE, CliError
from gglcli.keys import format_key, parse_key
from gglcli.output import Text
from gglcli.trees import differences, find, is_leaf, placed, plain, read_file, stored_path


def diff(
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE...", help="Files that hold a tree, as 'config dump' writes them."),
    ] = None,
    generation: Annotated[
        int | None,
        typer.Option("--generation", "-g", metavar="GENERATION", help="Compare with what this generation deployed."),
    ] = None,
    key: Annotated[
        str, typer.Option("--key", "-k", metavar="KEY", help="Compare only this component, or what is below this key.")
    ] = "/",
) -> int:
    """Compare two configurations.

    Lines with - are of the first, those with + of the second. The second is what is live, unless two files are named.
    The first is FILE, or the generation; without either it is the generation that is deployed now, so that the
    difference is what was set on the device since. A generation holds the configuration of its components; nothing else
    is compared with it. Timestamps are not compared.

    The exit status is 0 when there is no difference and 9 when there is one.

    Examples:
      ggl config diff                                  # what was set since the last deployment
      ggl config diff before.yaml
      ggl config diff --generation 3 --key com.example.Hello
      ggl config diff before.yaml after.yaml
    """
    names = list(files or ())
    if len(names) + (generation is not None) > 2:
        raise CliError("at most two configurations can be compared", USAGE)
    path = parse_key(key)
    sides: list[tuple[str, Any]] = [_file(name) for name in names]
    limited = generation is not None or not names
    if limited:
        sides.insert(0, _generation(generation))
    if len(sides) < 2:
        with connect(INTERFACE) as client:
            sides.append(("live configuration", client.call("read", {"key_path": []})))
    if limited:
        components = {name for _, tree in sides for name in _deployed(tree)} | set(sides[0][1]["services"])
        sides = [(label, _configurations(tree, components)) for label, tree in sides]
        _note_nucleus(sides[0][1]["services"], path)
    if path and not any(_has(tree, path) for _, tree in sides):
        hint = "a generation holds nothing but the configuration of its components" if limited else ""
        raise CliError(f"neither has {format_key(path)}", NOT_FOUND, hint=hint)
    (one, before), (other, after) = ((label, _only(tree, path)) for label, tree in sides)
    changes = list(differences(before, after))
    head = [Text(f"--- {one}", "head"), Text(f"+++ {other}", "head")] if changes else []
    output.show(changes, *head, *change_lines(changes))
    return DIFFERENT if changes else OK


def _file(name: str) -> tuple[str, Any]:
    tree, stamped = read_file(name)
    return "standard input" if name == "-" else name, plain(tree) if stamped else tree


def _generation(number: int | None) -> tuple[str, Any]:
    if number is None:
        current = [each["number"] for each in call("gg_deployment", "generations") if each["current"]]
        if not current:
            raise CliError(
                "nothing has been deployed yet to compare with",
                NOT_FOUND,
                hint=f"name a file, see '{command('config diff --help')}'",
            )
        number = current[0]
    found = call("gg_deployment", "generation", {"number": number})
    services = {
        NUCLEUS if name == NUCLEUS_ALIAS else name: {"configuration": plain(tree) if _has_times(tree) else tree}
        for name, tree in found["configuration"].items()
    }
    return f"generation {number}", {"services": services}


def _has_times(tree: Any) -> bool:
    """Whether all leaves of a configuration have timestamps."""
    if is_leaf(tree):
        return True
    return isinstance(tree, dict) and all(map(_has_times, tree.values()))


def _deployed(tree: Any) -> list[str]:
    """The components that a deployment has brought."""
    services = tree.get("services")
    return [
        name
        for name, service in (services.items() if isinstance(services, dict) else ())
        if isinstance(service, dict) and "version" in service and name != NUCLEUS
    ]


def _configurations(tree: Any, components: set[str]) -> Any:
    services: dict[str, Any] = {}
    for name in sorted(components):
        try:
            services[name] = {"configuration": find(tree, ["services", name, "configuration"])}
        except KeyError:
            continue
    return {"services": services}


def _note_nucleus(services: dict[str, Any], path: list[str]) -> None:
    """What was set in the nucleus would be missed silently, unless it was deployed itself."""
    whole = ["services", NUCLEUS.casefold()]
    if NUCLEUS not in services and [key.casefold() for key in path[:2]] == whole[: len(path)]:
        output.note("the nucleus is not compared: it was not deployed by this generation")


def _has(tree: Any, path: list[str]) -> bool:
    try:
        find(tree, path)
    except KeyError:
        return False
    return True


def _only(tree: Any, path: list[str]) -> Any:
    return placed(find(tree, path), stored_path(tree, path)) if _has(tree, path) else {}
