"""``ggl deploy``: deployments from files of this machine, and what became of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ggl.bus import BusError, ErrorCode
from gglcli import output
from gglcli.client import call, command
from gglcli.deployment import INTERFACE, OVER, create, data_of, finish, follow, outcome
from gglcli.errors import INVALID, USAGE, CliError
from gglcli.framework import new_group, subcommand
from gglcli.history import details, everything, find, table
from gglcli.output import Text
from gglcli.parameters import not_empty, seconds
from gglcli.preview import show_preview
from gglcli.project.request import Local, request_for

app = new_group(
    """Deploy components from local files, and look at deployments.

Examples:
  ggl deploy local ./my-component
  ggl deploy local ./my-component --watch
  ggl deploy file deployment.json --dry-run
  ggl deploy list
  ggl deploy show last
"""
)

_POLICIES = {"rollback": "ROLLBACK", "do-nothing": "DO_NOTHING"}


def _policy(text: str) -> str:
    try:
        return _POLICIES[text.lower().replace("_", "-")]
    except KeyError:
        raise typer.BadParameter(f"'{text}' is neither of rollback, do-nothing") from None


RecipeDir = Annotated[Path | None, typer.Option("--recipe-dir", "-r", metavar="DIR", help="Folder with recipes.")]
ArtifactDir = Annotated[
    Path | None, typer.Option("--artifact-dir", "-a", metavar="DIR", help="Folder with COMPONENT/VERSION/files.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait for the outcome.")]
UpTimeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        callback=seconds,
        help="Time for the components to be up (600 if not given); after it the deployment fails.",
    ),
]
Deployment = Annotated[
    str,
    typer.Argument(
        metavar="DEPLOYMENT", callback=not_empty, help="Its id or job id, the unique beginning of it, or 'last'."
    ),
]


@subcommand(app, "local")
def local(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATH...", help="Folders with a component each, or recipe files.")
    ] = None,
    recipe_dir: RecipeDir = None,
    artifact_dir: ArtifactDir = None,
    add: Annotated[
        list[str] | None,
        typer.Option("--add-component", "-c", metavar="NAME=VERSION", help="Add this component (repeatable)."),
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option("--remove", metavar="COMPONENT", callback=not_empty, help="Remove this component (repeatable)."),
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|JSON",
            callback=not_empty,
            help="Configuration, as JSON or YAML in a file or given here: {COMPONENT: {MERGE: {...}, RESET: [...]}}, "
            "{COMPONENT: {...}}, or for a single component the values themselves.",
        ),
    ] = None,
    run_with: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COMPONENT:posixUser=USER[:GROUP]",
            callback=not_empty,
            help="Run the component as this user (repeatable); for a single component USER[:GROUP] will do.",
        ),
    ] = None,
    system_limits: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|JSON",
            callback=not_empty,
            help="Limits, as JSON or YAML in a file or given here: {COMPONENT: {memory: KILOBYTES, cpus: NUMBER}}, or "
            "for a single component {memory, cpus}.",
        ),
    ] = None,
    group: Annotated[
        str | None, typer.Option(metavar="GROUP", callback=not_empty, help="Deploy to this group of components.")
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(
            parser=_policy,
            metavar="rollback|do-nothing",
            help="What to do if the deployment fails: go back to what ran before, or leave things as they are then "
            "(do-nothing, if not given).",
        ),
    ] = None,
    rollback: Annotated[bool, typer.Option("--rollback", help="Short for --policy rollback.")] = False,
    no_build: Annotated[
        bool, typer.Option("--no-build", help="Use what is in greengrass-build/ of a GDK project as it is.")
    ] = False,
    dry_run: DryRun = False,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Deploy again whenever a file is saved, until Ctrl-C.")
    ] = False,
    no_wait: NoWait = False,
    timeout: UpTimeout = None,
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
      ggl deploy local ./camera ./uploader --rollback --timeout 120
      ggl deploy local ./my-component --watch
      ggl deploy local ./my-component --config '{"rate": 5}' --dry-run
      ggl deploy local ./camera --run-with camera:video --system-limits 'cpus: 0.5'
      ggl deploy local -r ./recipes -a ./artifacts -c com.example.Hello=1.0.0
      ggl deploy local --remove com.example.Hello
    """
    if paths and (recipe_dir or artifact_dir):
        raise CliError("PATH excludes --recipe-dir and --artifact-dir", USAGE)
    if not (paths or add or remove or recipe_dir or config or run_with or system_limits):
        raise CliError("nothing to deploy", USAGE, hint=f"give a folder, as in '{command('deploy local .')}'")
    if rollback and policy == "DO_NOTHING":
        raise CliError("--rollback and --policy do-nothing exclude each other", USAGE)
    options = Local(
        *(paths or [], recipe_dir, artifact_dir, add or [], remove or []),
        *(config or "", run_with or [], system_limits or "", group or ""),
        policy="ROLLBACK" if rollback else policy or "",
        timeout=timeout,
        build=not no_build,
    )
    if watch:
        _watch(options, dry_run=dry_run, no_wait=no_wait)
    with request_for(options) as request:
        if remove:
            from gglcli.roots import require_roots

            require_roots(remove, group or "")
        if dry_run:
            show_preview(request)
            return
        deployment_id = create(request)
    deployment = outcome(deployment_id, wait=not no_wait)
    if not no_wait:
        from gglcli.policy_warnings import warn_of_policies

        warn_of_policies(deployment["components"])


def _watch(options: Local, *, dry_run: bool, no_wait: bool) -> None:
    for name, given in (("--dry-run", dry_run), ("--no-wait", no_wait), ("--remove", options.remove)):
        if given:
            raise CliError(f"--watch and {name} exclude each other", USAGE)
    if not options.places:
        raise CliError("--watch needs files to watch", USAGE, hint="give a PATH or --recipe-dir")
    from gglcli.redeploy import watch

    watch(options)


@subcommand(app, "file")
def file(
    document: Annotated[
        str, typer.Argument(metavar="FILE", help="Deployment document, as JSON or YAML; '-' reads standard input.")
    ],
    recipe_dir: RecipeDir = None,
    artifact_dir: ArtifactDir = None,
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    timeout: UpTimeout = None,
) -> None:
    """Deploy what a deployment document says, as if the cloud had sent it.

    The document lists everything that its group shall have: what the group had before and the document does not name
    is removed. If the deployment fails, the device goes back to what it had, unless the document says DO_NOTHING. The
    form of the cloud's API (targetArn, componentVersion, deploymentPolicies) is converted. A document without an id or
    a time gets them.

    Examples:
      ggl deploy file deployment.json --dry-run
      ggl deploy file deployment.yaml -r ./recipes -a ./artifacts
      ggl deploy file - --dry-run < deployment.json
    """
    from gglcli.project.document import read_document
    from gglcli.project.request import folders

    read = read_document(document)
    for note in read.notes:
        output.note(f"{read.where}: {note}")
    request: dict[str, Any] = {"document": read.data, **folders(recipe_dir, artifact_dir)}
    if timeout is not None:
        request["timeout"] = timeout
    try:
        if dry_run:
            show_preview(request)
            return
        deployment_id = create(request, "create_deployment")
    except BusError as error:
        if error.code != ErrorCode.INVALID:
            raise
        raise CliError(f"{read.where}: {error.message}", INVALID, trail=error.trail) from None
    outcome(deployment_id, wait=not no_wait)


@subcommand(app, "list")
def list_deployments(
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=0, help="Only the last N.")] = 20,
) -> None:
    """List the deployments, newest last.

    Those from the cloud are of type job (for a thing group) or thing (for this device alone); the last column says
    what the cloud knows of them.

    Examples:
      ggl deploy list
      ggl deploy list -n 1 --json | jq -r '.[0].status'
    """
    known = everything()
    deployments = known[max(0, len(known) - limit) :]
    output.show([data_of(each) for each in deployments], table(deployments))


@subcommand(app, "show")
def show(deployment_id: Deployment = "last") -> None:
    """Show one deployment: what it is for, how far it is, and why it failed.

    Examples:
      ggl deploy show last
      ggl deploy show 3f9a --json | jq -r .detailed_status
    """
    deployment = find(deployment_id)
    output.show(data_of(deployment), *details(deployment))


@subcommand(app, "wait")
def wait(
    deployment_id: Deployment = "last",
    timeout: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", callback=seconds, help="Wait no longer than this; the deployment goes on."),
    ] = None,
) -> None:
    """Follow a deployment until it is over.

    The exit status is 8 when it fails, as for 'ggl deploy local', and 6 when it is not over in time.

    Examples:
      ggl deploy wait last
      ggl deploy wait 3f9a --timeout 300
    """
    finish(follow(find(deployment_id)["deployment_id"], timeout))


@subcommand(app, "cancel")
def cancel(deployment_id: Deployment) -> None:
    """Cancel a deployment that waits, or that has not begun to change anything.

    One from the cloud as well: its job is reported as REJECTED then, since only the cloud itself cancels jobs.

    The exit status is 5 when it is too late: it changes the device already, or is over.

    Examples:
      ggl deploy cancel last
      ggl deploy cancel 3f9a
    """
    deployment_id = find(deployment_id)["deployment_id"]
    answer = call(INTERFACE, "cancel", {"deployment_id": deployment_id})
    shown = output.short(deployment_id)
    if not answer["canceled"]:
        raise CliError(f"deployment {shown} cannot be canceled: {answer['message']}", INVALID)
    deployment = {**find(deployment_id), "status": answer["status"]}
    if deployment["status"] not in OVER:
        deployment = follow(deployment_id).deployment
    output.show(data_of(deployment), Text(f"deployment {shown} {deployment['status']}"))
