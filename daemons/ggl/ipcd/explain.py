"""What a component may do and why not, for people: the bus method ``policy`` of ``gg_ipc``.

It looks at the configuration anew, through the same parser as every decision, so that it knows components that are not
connected, and says the same as the next request of one that is. Loaded when somebody asks.

Result: ``component``; ``policies``, a list of maps service, policy, operations, resources (as they are written),
``unknown`` (those of the operations that nobody knows), ``invalid`` (those of the resources that are no patterns) and
``grants`` (whether the policy allows anything); ``problems``, maps service, policy, text; ``always``, the operations
that need no policy and that somebody serves; ``refused``, maps operation, resource, count, first, last (ms), and
``refused_since`` (ms), when that list began; ``thing_name``, if a policy speaks of it. With ``operation`` and
``resource`` also ``check``: operation, service, resource, ``allowed``, ``served`` (whether anybody serves it now),
``reason`` (text), ``by`` (policy, resource; when allowed), ``near`` (maps policy, resource, why; the nearest first),
``mend`` (what to change in the first of them, if it was meant to allow it), ``remedy``, an ``accessControl`` that would
allow it, and ``write``, the key_path in the component's configuration and the value that would do so at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from ggl.bus import BusError, ErrorCode
from ggl.ipc.model import CLI, OPERATIONS, PREFIX, Operation, custom
from ggl.ipcd.authorization import Grant, Policies, Problem, is_unknown, parse_policies, unknown_operations
from ggl.ipcd.bridge import CLI_SERVICES
from ggl.ipcd.builtin import STREAM_MANAGER, VALIDATE_TOKEN
from ggl.ipcd.mistakes import MAX_NEAR, nearest
from ggl.ipcd.patterns import MAX_TEXT
from ggl.ipcd.policies import read_access_control
from ggl.ipcd.registration import REGISTER
from ggl.ipcd.remedy import remedy, writing
from ggl.ipcd.written import Written, how_to_mend, read_written, suggested_operation, suggested_service
from ggl.values import InvalidValue, get_str

if TYPE_CHECKING:
    from ggl.bus import Request
    from ggl.ipcd.backends import Backends
    from ggl.ipcd.refusals import Refusals

_OF_COMPONENTS = frozenset(
    PREFIX + name
    for name in (
        *("DeferComponentUpdate", "SubscribeToComponentUpdates", "UpdateConfiguration", "UpdateState"),
        *("SendConfigurationValidityReport", "SubscribeToValidateConfigurationUpdates"),
    )
)
"""Operations without policies that are about the component that calls them: a client of the command line is none."""
_PUBLISH = PREFIX + "PublishToTopic"


def serve(
    request: Request, params: dict[str, Any], backends: Backends, refusals: Refusals, served: Collection[str]
) -> Any:
    """Answers later; NOENTRY for a component that the configuration does not know. ``served``: the operations that
    somebody serves now."""
    component = get_str(params, "component")
    name = get_str(params, "operation", "")
    operation = _operation(name) if name else None
    resource = get_str(params, "resource", "*")

    def done(access_control: Any, thing_name: str) -> None:
        result = explain(component, access_control, thing_name, operation, resource, served)
        result.update(refused=refusals.of(component), refused_since=refusals.since)
        request.reply(result)

    def found(access_control: Any, thing_name: str) -> None:
        if access_control is not None or component == CLI:  # which is there without being a component
            done(access_control, thing_name)
            return
        backends["gg_config"].call(
            "list", {"key_path": ["services", component]}, lambda _keys: done(None, ""), unknown, request.trail
        )

    def unknown(error: BusError) -> None:
        if error.code == ErrorCode.NOENTRY:
            error = BusError(ErrorCode.NOENTRY, f"there is no component '{component}'")
        request.fail(error)

    read_access_control(backends, component, found, request.fail)
    return request.defer()


def _operation(name: str) -> Operation:
    """By its short or its full name; one with a prefix of its own may be registered by anybody at any time."""
    operation = OPERATIONS.get(name if "#" in name else PREFIX + name)
    if operation is None and name in (REGISTER.name, REGISTER.short_name):
        operation = REGISTER
    if operation is None and "#" in name and not name.startswith(PREFIX):
        operation = custom(name)
    if operation is None:
        raise InvalidValue(f"there is no operation '{name}'")
    return operation


def explain(
    component: str,
    access_control: Any,
    thing_name: str,
    operation: Operation | None = None,
    resource: str = "*",
    served: Collection[str] = OPERATIONS,
) -> dict[str, Any]:
    """All about the policies in ``access_control``, and about one request if ``operation`` is given. Pure."""
    problems: list[Problem] = []
    policies = parse_policies(access_control, problems.append, thing_name)
    services = {name.partition("#")[0] for name in served}
    problems = [each for each in problems if each.policy or each.unknown not in services]
    written = read_written(access_control)
    result: dict[str, Any] = {
        "component": component,
        "policies": [_policy(each, policies) for each in written],
        "problems": [
            {"service": problem.service, "policy": problem.policy, "text": problem.text + _suggestion(problem)}
            for problem in problems
        ],
        "always": [
            each.short_name for each in OPERATIONS.values() if each.name in served and _needs_no_policy(component, each)
        ],
        "thing_name": thing_name,
    }
    if operation is not None:
        check = _check(component, policies, problems, written, thing_name, operation, resource)
        check["served"] = operation.name in served or operation.name == REGISTER.name
        if check["remedy"] is not None:
            check["write"] = writing(access_control, check["remedy"])
        result["check"] = check
    return result


def _policy(written: Written, policies: Policies) -> dict[str, Any]:
    valid = [grant for grant in policies.grants.get(written.service, ()) if grant.policy == written.policy]
    unknown = unknown_operations(written.service, list(written.operations))
    return {
        "service": written.service,
        "policy": written.policy,
        "operations": list(written.operations),
        "resources": list(written.resources),
        "unknown": unknown,
        "invalid": [text for text in written.resources if not any(text in grant.resources for grant in valid)],
        "grants": any(grant.patterns and grant.operations - set(unknown) for grant in valid)
        and not is_unknown(written.service),
    }


def _suggestion(problem: Problem) -> str:
    if not problem.unknown:
        return ""
    meant = suggested_operation(problem.unknown) if problem.policy else suggested_service(problem.unknown)
    elsewhere = OPERATIONS.get(problem.unknown)
    if elsewhere is not None:
        return f"; it belongs below {elsewhere.service}" if elsewhere.service else "; it needs no policy"
    return f"; did you mean '{meant}'?" if meant else ""


def _needs_no_policy(component: str, operation: Operation) -> bool:
    if operation.name == VALIDATE_TOKEN:
        return component == STREAM_MANAGER
    if component == CLI:
        return operation.service in CLI_SERVICES or (operation.service is None and operation.name not in _OF_COMPONENTS)
    return operation.service is None or component in operation.exempt


def _check(
    component: str,
    policies: Policies,
    problems: list[Problem],
    written: list[Written],
    thing_name: str,
    operation: Operation,
    resource: str,
) -> dict[str, Any]:
    check: dict[str, Any] = {
        "operation": operation.name,
        "service": operation.service or "",
        "resource": resource if operation.service else "",
        "allowed": False,
        "reason": "",
        "by": None,
        "near": [],
        "mend": "",
        "remedy": None,
        "write": None,
    }
    if refusal := _refused_in_any_case(component, operation, resource):
        check["reason"] = refusal
        return check
    if _needs_no_policy(component, operation):
        check.update(allowed=True, reason=_why_without_policy(component, operation))
        return check
    reason = policies.reason(operation, resource)
    if reason is not None:
        grant, pattern = reason
        check["by"] = {"policy": grant.policy, "resource": pattern}
        check.update(allowed=True, reason=f"policy '{grant.policy}' allows it with the resource '{pattern}'")
        return check
    meant = _meant(written, operation, resource, thing_name)
    nearly = [{"policy": policy, "resource": text, "why": "to count, " + what} for policy, text, what in meant]
    check["mend"] = meant[0][2] if meant else ""
    check["near"] = [*nearly, *nearest(policies, thing_name, operation, resource)][:MAX_NEAR]
    check["reason"] = (
        f"policy '{meant[0][0]}' would allow it, but counts for nothing as it is: {meant[0][2]}"
        if meant
        else _why_refused(policies, problems, operation, resource)
    )
    if 0 < len(resource) <= MAX_TEXT:
        check["remedy"] = remedy(component, written, operation, resource)
    return check


def _refused_in_any_case(component: str, operation: Operation, resource: str) -> str:
    if operation.name == VALIDATE_TOKEN and component != STREAM_MANAGER:
        return f"it is for {STREAM_MANAGER} only"
    if component == CLI and operation.name in _OF_COMPONENTS:
        return "it is about the component that calls it, and a client of the command line tool is none"
    if not component.startswith(operation.callers) and component not in operation.exempt:
        return f"it is for components whose names begin with '{operation.callers}'"
    if operation.name == _PUBLISH and any(letter in resource for letter in "+#"):
        return "a topic to publish on must not contain a wildcard ('+' or '#'), whatever the policies say"
    return ""


def _why_without_policy(component: str, operation: Operation) -> str:
    if operation.service is None:
        return "every component may do it; no policy is needed"
    if component == CLI:
        return "every client of the Greengrass command line tool may do it; no policy is needed"
    return f"{component} needs no policy for it"


def _meant(written: list[Written], operation: Operation, resource: str, thing_name: str) -> list[tuple[str, str, str]]:
    """Policies that were meant to allow it: their ids, their resources that cover it, and what to change in them."""
    found = []
    for each in written:
        mending = how_to_mend(each, operation, resource, thing_name)
        if mending is not None and mending[1]:
            found.append((each.policy, mending[0], " and ".join(mending[1])))
    return found


def _why_refused(policies: Policies, problems: list[Problem], operation: Operation, resource: str) -> str:
    service, name = operation.service or "", operation.name
    if not resource:
        return "an empty resource is never allowed"
    if len(resource) > MAX_TEXT:
        return f"a resource of more than {MAX_TEXT} characters is never allowed"
    if whole := next((problem for problem in problems if not problem.service), None):
        return f"accessControl: {whole.text}"
    if not policies.grants:
        broken = next((problem for problem in problems if problem.service == service), None)
        return str(broken) if broken else "it has no accessControl"
    here = policies.grants.get(service, ())
    naming = [grant for grant in here if grant.names(operation)]
    if naming:
        if not any(grant.patterns for grant in naming):
            names = _quoted(grant.policy for grant in naming)
            return f"{names} {_verb(naming, 'names')} the operation, but no valid resource"
        return f"no resource of {_quoted(grant.policy for grant in naming)} covers '{resource}'"
    valid = {grant.policy for grant in here}
    invalid = [problem for problem in problems if problem.service == service and problem.policy not in valid]
    if invalid:
        return f"no valid policy names the operation; {'; '.join(map(str, invalid))}"
    for other, grants in policies.grants.items():
        for grant in grants:
            if other != service and name in grant.operations:
                return f"policy '{grant.policy}' names the operation below {other}; it belongs below {service}"
    if service not in policies.grants:
        return f"its accessControl has no section '{service}'"
    return f"no policy of {service} names the operation"


def _quoted(names: Iterable[str]) -> str:
    found = [f"'{name}'" for name in names]
    return f"policy {found[0]}" if len(found) == 1 else f"the policies {', '.join(found)}"


def _verb(naming: list[Grant], verb: str) -> str:
    return verb if len(naming) == 1 else verb.removesuffix("s")
