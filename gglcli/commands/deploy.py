"""``ggl deploy``: local deployments, and what became of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gglcli import output
from gglcli.client import command, connect
from gglcli.deployment import INTERFACE, create, finish, follow, outcome
from gglcli.errors import INVALID, NOT_FOUND, USAGE, CliError
from gglcli.framework import new_group, subcommand
from gglcli.output import Fields, Id, State, Table, Text, Time

app = new_group(
    """Deploy components from local files, and look at deployments.

Examples:
  ggl deploy local ./my-component
  ggl deploy list
  ggl deploy show last
"""
)


@subcommand(app, "local")
def local(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATH...", help="Folders with a component each, or recipe files.")
    ] = None,
    recipe_dir: Annotated[
        Path | None, typer.Option("--recipe-dir", "-r", metavar="DIR", help="Folder with recipes.")
    ] = None,
    artifact_dir: Annotated[
        Path | None,
        typer.Option("--artifact-dir", "-a", metavar="DIR", help="Folder with COMPONENT/VERSION/files."),
    ] = None,
    add: Annotated[
        list[str] | None,
        typer.Option("--add-component", "-c", metavar="NAME=VERSION", help="Add this component (repeatable)."),
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option("--remove", metavar="COMPONENT", help="Remove this component (repeatable).")
    ] = None,
    config: Annotated[
        str,
        typer.Option(
            metavar="FILE|JSON",
            help="Configuration, as JSON or YAML: {COMPONENT: {MERGE: {...}, RESET: [...]}}, {COMPONENT: {...}}, or "
            "for a single component the values themselves.",
        ),
    ] = "",
    group: Annotated[str, typer.Option(metavar="NAME", help="Deploy to this group of components.")] = "",
    rollback: Annotated[
        bool,
        typer.Option(
            "--rollback",
            help="Go back to what ran before if the deployment fails (this runtime refuses it: it cannot yet).",
        ),
    ] = False,
    no_build: Annotated[
        bool, typer.Option("--no-build", help="Use what is in greengrass-build/ of a GDK project as it is.")
    ] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait for the outcome.")] = False,
    timeout: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Wait no longer than this; the deployment goes on."),
    ] = None,
) -> None:
    """Deploy components from this machine, and wait until they are up.

    A PATH is a folder with a recipe (recipe.yaml, or any YAML or JSON file that is one) and its files, a folder with
    recipes/ and artifacts/, a GDK project (gdk-config.json), which is built first, or a recipe file. Artifacts that the
    recipe declares are found by file name; of a declared NAME.zip the folder NAME/ will do. If the recipe declares
    none, every file of the folder becomes an artifact. A GDK project with the version NEXT_PATCH gets 1.0.0, or the
    version its recipe names.

    Components that were deployed before stay. The exit status is 8 when the deployment fails; the last lines that its
    broken components logged are shown then.

    Examples:
      ggl deploy local ./my-component
      ggl deploy local ./camera ./uploader --timeout 120
      ggl deploy local ./my-component --config '{"rate": 5}'
      ggl deploy local -r ./recipes -a ./artifacts -c com.example.Hello=1.0.0
      ggl deploy local --remove com.example.Hello
    """
    if paths and (recipe_dir or artifact_dir):
        raise CliError("PATH excludes --recipe-dir and --artifact-dir", USAGE)
    request: dict[str, Any] = {"root_component_versions_to_add": _versions(add or [])}
    if remove:
        from gglcli.roots import require_roots

        require_roots(remove, group)
        request["root_components_to_remove"] = remove
    if group:
        request["group_name"] = group
    if rollback:
        request["failure_handling_policy"] = "ROLLBACK"
    if recipe_dir:
        request["recipe_directory_path"] = str(_folder(recipe_dir))
    if artifact_dir:
        request["artifacts_directory_path"] = str(_folder(artifact_dir))
    if paths:
        deployment_id = _create_from(paths, request, config, build=not no_build)
    else:
        if not (add or remove or recipe_dir or config):
            raise CliError("nothing to deploy", USAGE, hint=f"give a folder, as in '{command('deploy local .')}'")
        _configure(request, config)
        deployment_id = create(request)
    outcome(deployment_id, wait=not no_wait, timeout=timeout)


def _create_from(paths: list[Path], request: dict[str, Any], config: str, *, build: bool) -> str:
    from gglcli.project.detect import detect
    from gglcli.project.stage import Stage

    components = [component for path in paths for component in detect(path, build)]
    with Stage() as stage:
        for component in components:
            stage.add(component)
            request["root_component_versions_to_add"][component.name] = component.version
        request["recipe_directory_path"] = str(stage.recipes)
        request["artifacts_directory_path"] = str(stage.artifacts)
        _configure(request, config)
        return create(request)


@subcommand(app, "list")
def list_deployments(
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", help="Only the last N.")] = 20,
) -> None:
    """List the deployments, newest last.

    Examples:
      ggl deploy list
      ggl deploy list -n 1 --json | jq -r '.[0].status'
    """
    with connect(INTERFACE) as client:
        deployments = client.call("list")[-max(1, limit) :]
    rows: list[list[output.Cell]] = [
        [
            *(Id(entry["deployment_id"]), State(entry["status"]), Time(entry["created"])),
            ", ".join(f"{name}={version}" for name, version in (entry.get("roots") or {}).items()),
        ]
        for entry in deployments
    ]
    output.show(deployments, Table(["DEPLOYMENT", "STATUS", "AGE", "ROOTS"], rows, empty="no deployments"))


@subcommand(app, "show")
def show(
    deployment_id: Annotated[
        str, typer.Argument(metavar="DEPLOYMENT", help="Its id, the unique beginning of it, or 'last'.")
    ] = "last",
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Follow it until it is over.")] = False,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="With --wait: wait no longer than this.")
    ] = None,
) -> None:
    """Show one deployment: what it is for, how far it is, and why it failed.

    With --wait the exit status is 8 when it fails, as for 'ggl deploy local'.

    Examples:
      ggl deploy show last
      ggl deploy show 3f9a --wait
    """
    with connect(INTERFACE) as client:
        deployment = _find(client.call("list"), deployment_id)
    if wait:
        finish(follow(deployment["deployment_id"], timeout))
        return
    output.show(deployment, *_blocks(deployment))


def _find(deployments: list[dict[str, Any]], text: str) -> dict[str, Any]:
    if text == "last" and deployments:
        return deployments[-1]
    found = [entry for entry in deployments if entry["deployment_id"].startswith(text)]
    exact = [entry for entry in found if entry["deployment_id"] == text]
    if len(exact or found) == 1:
        return (exact or found)[0]
    why = f"several deployments begin with '{text}'" if found else f"there is no deployment '{text}'"
    raise CliError(why, INVALID if found else NOT_FOUND, hint=f"'{command('deploy list')}' shows what there is")


def _blocks(deployment: dict[str, Any]) -> list[output.Block]:
    rows: list[tuple[str, output.Cell]] = [
        ("deployment", deployment["deployment_id"]),
        ("status", State(deployment["status"])),
        ("detail", deployment.get("detailed_status")),
        ("group", deployment.get("group")),
        ("requested by", deployment.get("requested_by")),
        ("created", Time(deployment["created"])),
    ]
    if deployment.get("finished"):
        rows.append(("took", output.duration((deployment["finished"] - deployment["created"]) / 1000)))
    if deployment["status"] != "SUCCEEDED":
        rows.append(("step", deployment.get("step")))  # how far it is, or where it failed
    for label, key in (("message", "message"), ("cause", "cause")):
        if deployment.get(key):
            rows.append((label, deployment[key]))
    for label, key in (("errors", "error_stack"), ("broken", "broken"), ("removed", "removed")):
        if deployment.get(key):
            rows.append((label, ", ".join(deployment[key])))
    states, roots = deployment.get("states") or {}, deployment.get("roots") or {}
    table = [
        [name, version, State(states.get(name, "")), "root" if name in roots else "dependency"]
        for name, version in sorted((deployment.get("components") or {}).items())
    ]
    blocks: list[output.Block] = [Fields(rows)]
    return [*blocks, Text(""), Table(["COMPONENT", "VERSION", "STATE", "ROLE"], table)] if table else blocks


def _versions(entries: list[str]) -> dict[str, str]:
    versions = {}
    for entry in entries:
        name, equals, version = entry.partition("=")
        if not (name and equals and version):
            raise CliError(f"'{entry}' is not NAME=VERSION", USAGE, hint="for example com.example.Hello=1.0.0")
        versions[name] = version
    return versions


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise CliError(f"{path} is not a folder", NOT_FOUND)
    return path.absolute()


def _configure(request: dict[str, Any], config: str) -> None:
    if config:
        from gglcli.project.configuration import read_configuration

        components = list(request["root_component_versions_to_add"])
        request["component_to_configuration"] = read_configuration(config, components)
