"""What a component may do and why not, for people: the bus method ``policy`` of ``gg_ipc``.

It looks at the configuration anew, through the same parser as every decision, so that it knows components that are not
connected, and says the same as the next request of one that is. Loaded when somebody asks.

Result: ``component``; ``policies``, a list of maps service, policy, operations, resources (those that are valid);
``problems``, maps service, policy, text; ``always``, the operations that need no policy; ``refused``, maps operation,
resource, count, first, last (ms); ``thing_name``, if a policy speaks of it. With ``operation`` and ``resource`` also
``check``: operation, service, resource, ``allowed``, ``reason`` (text), ``by`` (policy, resource; when allowed),
``near`` (maps policy, resource, why; the nearest first) and ``remedy``, an ``accessControl`` that would allow it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ggl.bus import BusError, ErrorCode
from ggl.ipc.model import MQTT, OPERATIONS, PREFIX, PUBSUB, Operation, custom
from ggl.ipcd.authorization import THING_NAME, Grant, Policies, Problem, parse_policies
from ggl.ipcd.builtin import STREAM_MANAGER, VALIDATE_TOKEN
from ggl.ipcd.patterns import MAX_TEXT, covers, escape, parse_pattern
from ggl.ipcd.policies import read_access_control
from ggl.ipcd.registration import REGISTER
from ggl.values import InvalidValue, get_str

if TYPE_CHECKING:
    from ggl.bus import Request
    from ggl.ipcd.backends import Backends
    from ggl.ipcd.refusals import Refusals

MAX_NEAR = 5
MAX_EXAMINED = 50
"""Resources of which it is found out why they do not cover what was asked for: those that begin like it."""


def serve(request: Request, params: dict[str, Any], backends: Backends, refusals: Refusals) -> Any:
    """Answers later; NOENTRY for a component that the configuration does not know."""
    component = get_str(params, "component")
    name = get_str(params, "operation", "")
    operation = _operation(name) if name else None
    resource = get_str(params, "resource", "*")

    def done(access_control: Any, thing_name: str) -> None:
        result = explain(component, access_control, thing_name, operation, resource)
        result["refused"] = refusals.of(component)
        request.reply(result)

    def found(access_control: Any, thing_name: str) -> None:
        if access_control is not None:
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
    component: str, access_control: Any, thing_name: str, operation: Operation | None = None, resource: str = "*"
) -> dict[str, Any]:
    """All about the policies in ``access_control``, and about one request if ``operation`` is given. Pure."""
    problems: list[Problem] = []
    policies = parse_policies(access_control, problems.append, thing_name)
    result: dict[str, Any] = {
        "component": component,
        "policies": [
            {
                "service": service,
                "policy": grant.policy,
                "operations": sorted(grant.operations),
                "resources": list(grant.resources),
            }
            for service, grants in policies.grants.items()
            for grant in grants
        ],
        "problems": [
            {"service": problem.service, "policy": problem.policy, "text": problem.text} for problem in problems
        ],
        "always": [
            each.short_name
            for each in OPERATIONS.values()
            if (each.service is None and (each.name != VALIDATE_TOKEN or component == STREAM_MANAGER))
            or component in each.exempt
        ],
        "thing_name": thing_name,
    }
    if operation is not None:
        result["check"] = _check(component, policies, problems, thing_name, operation, resource)
    return result


def _check(
    component: str, policies: Policies, problems: list[Problem], thing_name: str, operation: Operation, resource: str
) -> dict[str, Any]:
    check: dict[str, Any] = {
        "operation": operation.name,
        "service": operation.service or "",
        "resource": resource if operation.service else "",
        "allowed": True,
        "reason": "",
        "by": None,
        "near": [],
        "remedy": None,
    }
    if operation.service is None:
        if operation.name == VALIDATE_TOKEN and component != STREAM_MANAGER:
            check.update(allowed=False, reason=f"it is for {STREAM_MANAGER} only")
        else:
            check["reason"] = "every component may do it; no policy is needed"
        return check
    if component in operation.exempt:
        check["reason"] = f"{component} needs no policy for it"
        return check
    if not component.startswith(operation.callers):
        check.update(allowed=False, reason=f"it is for components whose names begin with '{operation.callers}'")
        return check
    reason = policies.reason(operation, resource)
    if reason is not None:
        grant, pattern = reason
        check["by"] = {"policy": grant.policy, "resource": pattern}
        check["reason"] = f"policy '{grant.policy}' allows it with the resource '{pattern}'"
        return check
    check["allowed"] = False
    check["reason"] = _why_refused(policies, problems, operation, resource)
    check["near"] = _near(policies, thing_name, operation, resource)
    if 0 < len(resource) <= MAX_TEXT:
        check["remedy"] = _remedy(component, policies, problems, operation, resource)
    return check


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
    for grant in here:
        for written in grant.operations:
            if written.rpartition("#")[2].casefold() == operation.short_name.casefold():
                return f"policy '{grant.policy}' says '{written}'; the name of the operation is '{name}'"
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


# -- what nearly allows it ---------------------------------------------------------------------------------------------


def _near(policies: Policies, thing_name: str, operation: Operation, resource: str) -> list[dict[str, str]]:
    candidates = [
        (-_common(pattern, resource), grant.policy, pattern)
        for grant in policies.grants.get(operation.service or "", ())
        if grant.names(operation)
        for pattern in grant.resources
    ]
    candidates.sort(key=lambda candidate: candidate[0])
    found = []
    for common, policy, pattern in candidates[:MAX_EXAMINED]:
        why = why_not(pattern, resource, operation.service == MQTT, thing_name)
        near = {"policy": policy, "resource": pattern, "why": why or "it stands for other texts"}
        found.append(((not why, common), near))
    return [near for _rank, near in sorted(found, key=lambda entry: entry[0])[:MAX_NEAR]]


def _common(left: str, right: str) -> int:
    """Characters with which both begin."""
    count = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        count += 1
    return count


def why_not(pattern: str, resource: str, topics: bool, thing_name: str = "") -> str:
    """Why a valid ``pattern`` does not cover ``resource``, if it is one of the mistakes that people make; or empty."""
    text = pattern.replace(THING_NAME, thing_name or THING_NAME)

    def would(changed: str, asked: str = resource, as_mqtt: bool = topics) -> bool:
        try:
            return covers(parse_pattern(changed, as_mqtt), asked)
        except ValueError:
            return False

    for covering, why in _mistakes(text, resource, topics, would):
        if covering:
            return why
    if THING_NAME in pattern:
        if not thing_name:
            return f"{THING_NAME} stands for itself, since this device has no thing name yet"
        if would(pattern.replace(THING_NAME, "*")):
            return f"{THING_NAME} is '{thing_name}' here"
    elif "{" in text and would(_without_variables(text)):
        return "a variable in braces stands for itself here"
    return ""


def _mistakes(text: str, resource: str, topics: bool, would: Callable[..., bool]) -> Iterable[tuple[bool, str]]:
    if not topics:
        yield would(text, as_mqtt=True), "'+' and '#' are plain text here; only '*' is a wildcard"
    else:
        starred = "/".join("*" if level in ("+", "#") else level for level in text.split("/"))
        yield starred != text and would(starred), "'+' covers exactly one level, and '#' is a wildcard at the end only"
    yield would(text.casefold(), resource.casefold()), "upper and lower case are not the same"
    yield would(text.rstrip("/")), "it ends with '/'"
    yield would(text, "/" + resource), "it begins with '/'"
    yield would(text, resource + "/"), "it covers what is below, not the level itself"
    yield would(text, resource.strip("/")), "the '/' at an end of what was asked for counts"
    yield would(text.strip()), "it has white space at an end"
    for escaped in ("${*}", "${?}", "${$}"):
        yield escaped in text and would(text.replace(escaped, "*")), f"{escaped} stands for the character itself"
    if "+" in resource or "#" in resource:
        as_filter = "/".join("*" if level in ("+", "#") else level for level in resource.split("/"))
        yield would(as_filter, text), "it is less than the filter asks for, which is compared as text"


def _without_variables(text: str) -> str:
    from re import sub

    return sub(r"\{[^{}]*\}", "*", text)


# -- what would allow it -----------------------------------------------------------------------------------------------


def _remedy(
    component: str, policies: Policies, problems: list[Problem], operation: Operation, resource: str
) -> dict[str, Any]:
    service = operation.service or ""
    taken = {grant.policy for grants in policies.grants.values() for grant in grants}
    taken |= {problem.policy for problem in problems}
    kind = "mqttproxy" if service == MQTT else "pubsub" if service == PUBSUB else service.rpartition(".")[2]
    number = 1
    while (name := f"{component}:{kind}:{number}") in taken:
        number += 1
    pattern = "*" if resource == "*" else escape(resource)
    return {service: {name: {"operations": [operation.name], "resources": [pattern]}}}
