"""``ggl component``: the components on this device."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ggl.bus import BusError, ErrorCode
from ggl.host import client as host
from ggl.logs.source import log_source
from gglcli import output
from gglcli.client import HOST, call, command, connect, root
from gglcli.commands import component_policy, component_unit
from gglcli.errors import BROKEN, INVALID, OK, CliError
from gglcli.framework import new_group, subcommand
from gglcli.health import Healths, existing, require_up
from gglcli.parameters import not_empty, seconds
from gglcli.roots import groups_of, require_roots
from gglcli.status import NO_COMPONENTS, components_table

if TYPE_CHECKING:
    from ggl.bus import Client
    from gglcli.dependencies import Dependencies

app = new_group(
    """List, inspect, start, stop and remove components.

    Examples:
      ggl component list
      ggl component show com.example.Hello
      ggl component restart com.example.Hello
      ggl component list --tree
      ggl component policy com.example.Hello       # what it may do, and what was refused
      ggl component unit com.example.Hello         # what it is to the host
    """
)

Names = Annotated[list[str], typer.Argument(metavar="COMPONENT...", help="Names of components.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait for the outcome.")]
Timeout = Annotated[float, typer.Option(metavar="SECONDS", callback=seconds, help="How long to wait for the outcome.")]


@subcommand(app, "list")
def list_components(
    tree: Annotated[bool, typer.Option("--tree", help="Show what depends on what.")] = False,
) -> None:
    """List the components with their versions and states.

    With --tree each component stands above what it depends on, HARD or SOFT. A component that several depend on is
    shown below each of them, what it depends on itself only once.

    Examples:
      ggl component list
      ggl component list --tree
      ggl component list --json | jq -r '.[].component'
    """
    components = call("gg_health", "list")
    if not tree:
        _show_healths(components)
        return
    from gglcli.dependencies import tree_table

    forest = _dependencies(components).forest()
    output.show(forest, tree_table(forest, "COMPONENT", NO_COMPONENTS))


@subcommand(app, "show")
def show(name: Annotated[str, typer.Argument(metavar="COMPONENT", help="Name of a component.")]) -> int:
    """Show everything about one component: state, limits, dependencies, dependents, configuration, places on disk.

    The exit status is 8 when it is BROKEN.

    Examples:
      ggl component show com.example.Hello
      ggl component show com.example.Hello --json | jq .limits
    """
    health = existing([name])[name]
    service = _service(name)
    version = health.get("version") or service.get("version", "")
    with connect(HOST) as client:
        units = [status.to_dict() for status in host.list_units(client).values() if status.component == name]
    paths = {
        "log": log_source(root()).whereabouts(name),
        "work": str(root().work / name),
        "artifacts": str(root().artifacts / name / version),
    }
    dependencies = _dependencies(call("gg_health", "list"))
    run_with = _map(service.get("runWith"))
    data = {
        **_complete(health),
        "previous_version": service.get("previousVersion", ""),
        "user": run_with.get("posixUser", ""),
        "limits": {**_map(run_with.get("systemResourceLimits")), "enforced": any(unit["limited"] for unit in units)},
        "dependencies": service.get("dependencies") or [],
        "dependency_tree": dependencies.tree(name),
        "dependents": dependencies.dependents(name),
        "groups": groups_of(name),
        "configuration": service.get("configuration") or {},
        "paths": paths,
        "units": units,
    }
    from gglcli.component import details

    output.show(data, *details(data))
    return BROKEN if data["state"] == "BROKEN" else OK


subcommand(app, "policy")(component_policy.policy)
subcommand(app, "unit")(component_unit.unit)


@subcommand(app, "start")
def start(names: Names, no_wait: NoWait = False, timeout: Timeout = 60) -> None:
    """Start components, also BROKEN ones: earlier failures are forgotten.

    Examples:
      ggl component start com.example.Hello
    """

    def begin(client: Client, units: list[str], everything: list[str]) -> None:
        host.reset(client, everything)
        host.start(client, units)

    _control(names, begin)
    _settle(names, timeout, no_wait)


@subcommand(app, "stop")
def stop(names: Names, timeout: Timeout = 60) -> None:
    """Stop components: their shutdown scripts run, then no process of theirs is left. They stay deployed.

    They stay stopped, over a restart of the runtime as well, until 'ggl component start' or a deployment starts them.

    Examples:
      ggl component stop com.example.Hello
    """
    _control(names, lambda client, units, _all: client.call("stop", {"names": units}, timeout))
    _show_healths(list(existing(names).values()))


@subcommand(app, "restart")
def restart(names: Names, no_wait: NoWait = False, timeout: Timeout = 60) -> None:
    """Stop and start components, also BROKEN ones: earlier failures are forgotten.

    Components that depend on them restart as well.

    Examples:
      ggl component restart com.example.Hello com.example.Camera
    """

    def begin(client: Client, units: list[str], everything: list[str]) -> None:
        host.reset(client, everything)
        client.call("restart", {"names": units}, timeout)

    _control(names, begin)
    _settle(names, timeout, no_wait)


@subcommand(app, "pause")
def pause(names: Names) -> None:
    """Freeze components: every process of theirs stands still, and uses no processor, until they are resumed.

    They stay RUNNING and keep their memory. Stopping or restarting one ends its pause, as does the next start of the
    runtime. Pausing one that is paused changes nothing.

    Examples:
      ggl component pause com.example.Camera
    """
    for name, health in existing(names).items():
        if health["state"] != "RUNNING":
            hint = f"start it with '{command(f'component start {name}')}'"
            raise CliError(f"{name} is {health['state']}: only what is RUNNING can be paused", INVALID, hint=hint)
    _control(names, lambda client, units, _all: host.pause(client, units))
    _show_healths(list(existing(names).values()))


@subcommand(app, "resume")
def resume(names: Names) -> None:
    """Let paused components go on where they were.

    Examples:
      ggl component resume com.example.Camera
    """
    for name, health in existing(names).items():
        if not health.get("paused"):
            hint = f"'{command(f'component show {name}')}' tells how it is"
            raise CliError(f"{name} is not paused", INVALID, hint=hint)
    _control(names, lambda client, units, _all: host.resume(client, units))
    _show_healths(list(existing(names).values()))


@subcommand(app, "remove")
def remove(
    names: Names,
    group: Annotated[
        str | None, typer.Option(metavar="GROUP", callback=not_empty, help="Group they were deployed to.")
    ] = None,
    no_wait: NoWait = False,
    timeout: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", callback=seconds, help="How long to wait for the end of the deployment."),
    ] = None,
) -> None:
    """Remove components that were deployed locally, by a deployment without them.

    What was there only for them goes as well; what others depend on stays for them.

    Examples:
      ggl component remove com.example.Hello
    """
    existing(names)
    require_roots(names, group or "")
    from gglcli.deployment import create, outcome

    request: dict[str, Any] = {"root_components_to_remove": names}
    if group:
        request["group_name"] = group
    deployment = outcome(create(request), wait=not no_wait, timeout=timeout)
    for name in names:
        if name in (deployment.get("components") or {}):
            output.note(f"{name} stays: others depend on it")


def _control(names: Iterable[str], action: Callable[[Client, list[str], list[str]], object]) -> None:
    """Do ``action`` with the main units and with all units of the components."""
    healths = existing(list(names))
    with connect(HOST) as client:
        units = [status for status in host.list_units(client).values() if status.component in healths]
        main = [unit.name for unit in units if unit.phase == "main"]
        action(client, main, [unit.name for unit in units])


def _settle(names: list[str], timeout: float, no_wait: bool) -> None:
    """Wait until all are up, and show how they are then."""
    with Healths() as healths:
        in_time = no_wait or healths.settle(names, time.monotonic() + timeout)
        _show_healths([healths.now[name] for name in names if name in healths.now])
        if not no_wait:
            require_up(healths, names, in_time)


def _show_healths(healths: Sequence[dict[str, Any]]) -> None:
    output.show(healths, components_table([_complete(health) for health in healths]))


def _service(name: str) -> dict[str, Any]:
    return _read(["services", name])


def _dependencies(healths: Iterable[dict[str, Any]]) -> Dependencies:
    from gglcli.dependencies import Dependencies

    return Dependencies(_read(["services"]), {health["component"]: health for health in healths})


def _read(path: list[str]) -> dict[str, Any]:
    try:
        return _map(call("gg_config", "read", {"key_path": path}))
    except BusError as error:
        if error.code != ErrorCode.NOENTRY:
            raise
        return {}


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _complete(health: dict[str, Any]) -> dict[str, Any]:
    empty = {"version": "", "state": "", "status_code": "", "reason": "", "since": 0, "restarts": 0, "pid": 0}
    empty["paused"] = False
    return {"component": health["component"], **empty, **health}
