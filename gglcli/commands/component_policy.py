"""``ggl component policy``: what a component may do, and why not."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ggl.bus import BusError, ErrorCode
from ggl.ipc.model import LIFECYCLE, METRICS, MQTT, PUBSUB, SECRETS, SHADOWS, Operation
from gglcli import output
from gglcli.client import call
from gglcli.errors import DIFFERENT, OK, USAGE, CliError
from gglcli.operations import REGISTER, find
from gglcli.parameters import not_empty

_NEEDED = {
    PUBSUB: "a topic or filter",
    MQTT: "a topic or filter",
    LIFECYCLE: "the name of a component",
    METRICS: "the name of a metric",
    SECRETS: "the ARN of a secret",
    SHADOWS: "a shadow, like $aws/things/THING/shadow/name/NAME",
    REGISTER.service: "the full name of the operation to register",
}


def policy(
    name: Annotated[str, typer.Argument(metavar="COMPONENT", help="Name of a component.")],
    resource: Annotated[
        str | None,
        typer.Argument(
            metavar="RESOURCE", help="With --check: the topic, filter, name or id that the operation is about."
        ),
    ] = None,
    check: Annotated[
        str | None,
        typer.Option(
            "--check", metavar="OPERATION", callback=not_empty, help="Tell whether this operation is allowed, and why."
        ),
    ] = None,
) -> int:
    """Show what a component may do: its access control policies, what is wrong with them, and what was refused.

    Policies stand in the component's own configuration, below accessControl. With --check it says whether one request
    would be allowed, why not, which resources nearly cover it, and what would allow it. It looks at the policies as
    they are now; the component need not run.

    The exit status of --check is 0 when it is allowed and 9 when it is not.

    Examples:
      ggl component policy com.example.Meter
      ggl component policy com.example.Meter --check PublishToTopic meter/1/power
      ggl component policy com.example.Meter --check ListComponents --json
    """
    params: dict[str, Any] = {"component": name}
    if check is None:
        if resource is not None:
            raise CliError("a RESOURCE needs the operation that is to be checked", USAGE, hint="give it with --check")
    else:
        operation = find(check)
        params.update(operation=operation.name, resource=_resource(operation, resource))
    try:
        data = call("gg_ipc", "policy", params)
    except BusError as error:
        if error.code == ErrorCode.NOENTRY:
            from gglcli.health import existing

            existing([name])  # says it with a suggestion
        raise
    from gglcli.policy import overview, verdict

    output.show(data, *(verdict(data) if check else overview(data)))
    return OK if check is None or data["check"]["allowed"] else DIFFERENT


def _resource(operation: Operation, resource: str | None) -> str:
    asks = operation.service not in _NEEDED and operation.resources  # the others want a request that is complete
    about_anything = asks and asks({}) == ["*"]
    if operation.service is None or about_anything:
        if resource not in (None, "*"):
            message = f"{operation.short_name} takes no resource: whether it is allowed depends on nothing else"
            raise CliError(message, USAGE, hint=f"leave out '{resource}'")
    elif resource is None:
        needed = _NEEDED.get(operation.service, "a name or an id")
        message = f"whether {operation.short_name} is allowed depends on {needed}"
        raise CliError(message, USAGE, hint="give it as the last argument")
    return "*" if resource is None else resource
